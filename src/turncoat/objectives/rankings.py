"""Objectives on a place in a ranking: candidate and query attacks, and their relatives of the RobRank family.

Zhou et al., "Adversarial Ranking Attack and Defense", ECCV 2020, and "Adversarial Attack and Defense in Deep Ranking",
T-PAMI 2024. Distances d are those of `crowd.distance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs, unit_descriptor
from turncoat.core.truth import Columns, column
from turncoat.objectives.crowd import Crowd, Metric, distance


@dataclass(frozen=True)
class RankShift(Objective):
    """Minus the mean excess of distances that stand in the way of a rank (ECCV 2020, sec. 4).

    The truth column named `others` holds rows of the crowd, int64 `[N, M]`. A perturbed `query` q moves these as its
    candidates c among all x: up is minus the mean over c and x of [d(q, c) - d(q, x)]_+ (QA+), down has both signs of
    the difference turned (QA-). A perturbed `candidate` c moves in the lists of these as its queries q: up is minus
    the mean over q and x of [d(q, c) - d(q, x)]_+ (CA+), down likewise (CA-). It is 0 when there is nothing left to
    gain. The crowd is gone through in parts, in bounded memory.
    """

    needs = "embedding"

    crowd: Crowd
    role: Literal["query", "candidate"]
    up: bool
    metric: Metric = "cosine"
    others: str = "others"

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        rows = column(truth, self.others)
        return {"others": self.crowd.points[rows.cpu()].to(clean.embedding)}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        seen, others = outputs.descriptor, reference["others"]
        own = distance(torch.einsum("nd,nmd->nm", seen, others), self.metric)
        anchors = seen[:, None] if self.role == "query" else others
        total = torch.zeros_like(own[:, 0])
        for _, points, _ in self.crowd.parts(own.numel(), seen):
            # each part is computed again on the way back, so that only one is ever held
            total = total + checkpoint(
                self._excess, anchors, points, own, use_reentrant=False, preserve_rng_state=False
            )
        return -total / (own.shape[1] * max(len(self.crowd), 1))

    def _excess(self, anchors: Tensor, points: Tensor, own: Tensor) -> Tensor:
        gap = own[:, :, None] - distance(anchors @ points.T, self.metric)
        return (gap if self.up else -gap).clamp_min(0).sum((1, 2))


@dataclass(frozen=True)
class Preserved(Objective):
    """Weighs how far items have dropped that were on top, the harder the further (SP-QA; T-PAMI 2024, sec. 3).

    `kept` is a shift upwards of those items. Its loss l counts with min(xi exp(growth l), 1e9), which is taken as
    a constant by the gradient; growth=0 is the fixed weight of the article of 2020.
    """

    needs = "embedding"

    kept: RankShift
    xi: float = 1.0
    growth: float = 0.0

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        return self.kept.observe(clean, truth)

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        value = self.kept(outputs, reference)
        weight = (self.xi * (-self.growth * value.detach()).exp()).clamp(max=1e9)
        return weight * value


@dataclass(frozen=True)
class Misranked(Objective):
    """Minus [max d(q, n) - min d(q, p)]_+ over all n of others and p of one's own (LTM, T-PAMI 2024, after Wang et al.,
    CVPR 2020): 0 once everybody else stands before the nearest of one's own.

    Truth columns: `owner` int64 `[N]`, whom each sample shows, and `itself` int64 `[N]`, the row of the crowd that is
    the sample (-1: none), which is not among one's own. A sample that lacks either side has nothing to gain.
    """

    needs = "embedding"

    crowd: Crowd
    metric: Metric = "cosine"

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"owner": column(truth, "owner"), "itself": column(truth, "itself")}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        seen = outputs.descriptor
        far, near, known = self._extremes(seen.detach(), reference["owner"], reference["itself"])
        points = [self.crowd.points[rows.cpu()].to(seen) for rows in (far, near)]
        apart, close = (distance((seen * row).sum(1), self.metric) for row in points)
        return torch.where(known, -(apart - close).clamp_min(0), 0 * close)

    @torch.no_grad()
    def _extremes(self, seen: Tensor, owner: Tensor, itself: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of the furthest of others and the nearest of one's own, and whether there are both."""
        lowest, highest = (seen.new_full((len(seen),), end) for end in (float("inf"), float("-inf")))
        far, near = torch.zeros_like(owner), torch.zeros_like(owner)
        for rows, points, owners in self.crowd.parts(len(seen), seen):
            cosine = seen @ points.T
            own = owners == owner[:, None]
            least, place = cosine.masked_fill(own | (owners < 0), float("inf")).min(1)
            far, lowest = torch.where(least < lowest, rows[place], far), torch.minimum(least, lowest)
            mine = own & (owners >= 0) & (rows != itself[:, None])
            most, place = cosine.masked_fill(~mine, float("-inf")).max(1)
            near, highest = torch.where(most > highest, rows[place], near), torch.maximum(most, highest)
        return far, near, lowest.isfinite() & highest.isfinite()


@dataclass(frozen=True)
class Toward(Objective):
    """The cosine to the descriptor in the truth column `target` `[N, D]`.

    TMA goes towards a random item (Tolias et al. 2019), GTM towards the nearest that does not match (T-PAMI 2024).
    """

    needs = "embedding"

    @property
    def wants(self) -> tuple[str, ...]:
        return ("target",)

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        return {"target": unit_descriptor(column(truth, "target").to(clean.embedding))}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return (outputs.descriptor * reference["target"]).sum(1)
