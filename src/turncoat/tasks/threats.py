"""The attacks of RobRank, as an attacker wants them and as they are measured: one class per kind.

Zhou et al., "Adversarial Ranking Attack and Defense", ECCV 2020, and "Adversarial Attack and Defense in Deep Ranking",
T-PAMI 2024 (arXiv 2106.03614). Ranks are those among the whole gallery, the sample's own image included where it is
among them; for recall and GTT that image is taken out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.truth import Columns
from turncoat.objectives.crowd import Crowd, Metric, distance
from turncoat.objectives.features import OppositeDirection
from turncoat.objectives.rankings import Misranked, Preserved, RankShift, Toward
from turncoat.tasks.guides import drawn, random_rows
from turncoat.tasks.metrics.ranking import rank_queries
from turncoat.tasks.metrics.standing import kept_within, nearest, normalised_rank
from turncoat.tasks.probes import Probes

TOP = 0.01
"""The share of a gallery that stands on top."""

KEPT = 5
"""How many items on top a semantics-preserving attack must leave there."""

FIRST = 4
"""Among how many the former first answer must stay, for GTT."""


@dataclass(frozen=True)
class Settings:
    """`others` candidates (of QA) or queries (of CA) per sample; `xi` and `growth` are those of `Preserved`."""

    others: int = 1
    metric: Metric = "cosine"
    xi: float = 100.0
    growth: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Aim(ABC):
    """What one attack wants and how it is measured.

    `terms` gives the measured columns by their names in `ers.TERMS`; `named` says that it must be known whom the images
    show; `perturbed` is the threat in words.
    """

    settings: Settings

    named: ClassVar[bool] = True

    @property
    def perturbed(self) -> str:
        return "each query is perturbed on its own, the gallery is clean"

    @property
    @abstractmethod
    def terms(self) -> Mapping[str, str]: ...

    @abstractmethod
    def objective(self, crowd: Crowd) -> Objective: ...

    @abstractmethod
    def truth(self, probes: Probes) -> Columns:
        """What the objective asks of each sample."""

    @abstractmethod
    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        """The figures of each sample, float64 `[N]`, now that its unit descriptor is `seen` `[N, D]`."""


@dataclass(frozen=True)
class Shifted(Aim):
    """ES: as far as can be from the clean descriptor."""

    @property
    def terms(self) -> Mapping[str, str]:
        return {"ES:R": "recall_at_1", "ES:D": "distance_to_clean"}

    def objective(self, crowd: Crowd) -> Objective:  # noqa: ARG002
        return OppositeDirection()

    def truth(self, probes: Probes) -> Columns:  # noqa: ARG002
        return {}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        cosine = (seen.double() * probes.seen.double()).sum(1).clamp(-1, 1)
        return {"recall_at_1": _recall(seen, probes), "distance_to_clean": distance(cosine, self.settings.metric)}


@dataclass(frozen=True)
class Moved(Aim):
    """QA and CA: the candidates of a perturbed query, or a perturbed candidate in the lists of queries, go up or down.

    Going up, the others are random; going down, they are random among the nearest hundredth of the gallery. With
    `keeps` (SP-QA) the nearest five that are not moved are to stay where they are.
    """

    role: Literal["query", "candidate"] = "query"
    up: bool = True
    keeps: bool = False

    named = False

    @property
    def perturbed(self) -> str:
        if self.role == "query":
            return "each query is perturbed on its own to move its candidates, the gallery is clean"
        return "each image is perturbed on its own as a candidate, queries and other candidates are clean"

    @property
    def terms(self) -> Mapping[str, str]:
        return {("QA" if self.role == "query" else "CA") + ("+" if self.up else "-"): "rank"}

    def objective(self, crowd: Crowd) -> Objective:
        metric = self.settings.metric
        moved = RankShift(crowd, self.role, self.up, metric)
        if not self.keeps:
            return moved
        kept = RankShift(crowd, "query", True, metric, others="kept")
        return moved + Preserved(kept, self.settings.xi, self.settings.growth)

    def truth(self, probes: Probes) -> Columns:
        count, whole = self.settings.others, len(probes.gallery)
        top = max(count, int(TOP * whole))
        if self.up:
            others = random_rows(self.settings.seed, probes.keys, probes.itself, whole, count)
            if not self.keeps:
                return {"others": others}
        ranked = nearest(probes.seen, probes.gallery, top + self.keeps * KEPT, left_out=probes.itself)
        if not self.up:
            places = torch.tensor([drawn(self.settings.seed, key, top, count) for key in probes.keys])
            others = ranked.gather(1, places)
        return {"others": others, **({"kept": _first_others(ranked, others)} if self.keeps else {})}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        found = self.truth(probes)
        ranks = {name: self._ranks(seen, probes, rows) for name, rows in found.items()}
        return {"rank": ranks["others"], **({"rank_kept": ranks["kept"]} if self.keeps else {})}

    def _ranks(self, seen: Tensor, probes: Probes, rows: Tensor) -> Tensor:
        """The mean normalised rank over the others `[N, M]` of each sample."""
        others, mine = probes.gallery[rows.flatten()], seen.repeat_interleave(rows.shape[1], 0)
        if self.role == "query":
            ranks = normalised_rank(mine, others, probes.gallery, itself=rows.flatten())
        else:
            itself = probes.itself.repeat_interleave(rows.shape[1])
            ranks = normalised_rank(others, mine, probes.gallery, itself=itself)
        return ranks.view(rows.shape).mean(1)


@dataclass(frozen=True)
class Matched(Aim):
    """TMA: on to a random image of the gallery."""

    named = False

    @property
    def terms(self) -> Mapping[str, str]:
        return {"TMA": "cosine_to_target"}

    def objective(self, crowd: Crowd) -> Objective:  # noqa: ARG002
        return Toward()

    def truth(self, probes: Probes) -> Columns:
        rows = random_rows(self.settings.seed, probes.keys, probes.itself, len(probes.gallery), 1)
        return {"target": probes.gallery[rows[:, 0]]}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        return {"cosine_to_target": (seen.double() * self.truth(probes)["target"].double()).sum(1)}


@dataclass(frozen=True)
class Unranked(Aim):
    """LTM: all others before the nearest of one's own."""

    @property
    def terms(self) -> Mapping[str, str]:
        return {"LTM": "recall_at_1"}

    def objective(self, crowd: Crowd) -> Objective:
        return Misranked(crowd, self.settings.metric)

    def truth(self, probes: Probes) -> Columns:
        return {"owner": probes.person, "itself": probes.itself}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        return {"recall_at_1": _recall(seen, probes)}


@dataclass(frozen=True)
class Mismatched(Aim):
    """GTM: on to the nearest image that shows somebody else than the first answer does."""

    @property
    def terms(self) -> Mapping[str, str]:
        return {"GTM": "recall_at_1"}

    def objective(self, crowd: Crowd) -> Objective:  # noqa: ARG002
        return Toward()

    def truth(self, probes: Probes) -> Columns:
        first = nearest(probes.seen, probes.gallery, 1, left_out=probes.itself)[:, 0]
        barred = probes.owner[first]
        rows = nearest(probes.seen, probes.gallery, 1, left_out=probes.itself, owner=probes.owner, barred=barred)
        return {"target": probes.gallery[rows[:, 0]]}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        return {"recall_at_1": _recall(seen, probes)}


@dataclass(frozen=True)
class Thrown(Aim):
    """GTT: the first answer out of the first four."""

    named = False

    @property
    def terms(self) -> Mapping[str, str]:
        return {"GTT": "kept_at_4"}

    def objective(self, crowd: Crowd) -> Objective:
        return RankShift(crowd, "query", up=False, metric=self.settings.metric)

    def truth(self, probes: Probes) -> Columns:
        return {"others": nearest(probes.seen, probes.gallery, 1, left_out=probes.itself)}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        rows = self.truth(probes)["others"][:, 0]
        items, own = probes.gallery[rows], probes.itself
        return {"kept_at_4": kept_within(seen, items, probes.gallery, itself=rows, left_out=own, first=FIRST)}


def _recall(seen: Tensor, probes: Probes) -> Tensor:
    """Whether the first answer shows the same; NaN where nothing does."""
    return rank_queries(
        seen,
        probes.gallery,
        query_person=probes.person,
        gallery_person=probes.owner,
        junk="none",
        junk_index=probes.itself,
    )["cmc@1"]


def _first_others(ranked: Tensor, others: Tensor) -> Tensor:
    """The first `KEPT` of ranked rows `[N, K]` that are not among the others `[N, M]`."""
    taken = (ranked[:, :, None] == others[:, None]).any(2)
    return ranked.gather(1, taken.to(torch.int8).argsort(dim=1, stable=True)[:, :KEPT])
