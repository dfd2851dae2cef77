"""Candidates moved in the list of a perturbed query, or a perturbed one in the lists of queries (QA, SP-QA, CA)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.truth import Columns
from turncoat.objectives.crowd import Crowd
from turncoat.objectives.rankings import Preserved, RankShift
from turncoat.tasks.aim import Aim
from turncoat.tasks.guides import drawn, random_rows
from turncoat.tasks.metrics.standing import nearest, normalised_rank
from turncoat.tasks.probes import Probes

TOP = 0.01
"""The share of a gallery that stands on top."""

KEPT = 5
"""How many items on top a semantics-preserving attack must leave there."""


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


def _first_others(ranked: Tensor, others: Tensor) -> Tensor:
    """The first `KEPT` of ranked rows `[N, K]` that are not among the others `[N, M]`."""
    taken = (ranked[:, :, None] == others[:, None]).any(2)
    return ranked.gather(1, taken.to(torch.int8).argsort(dim=1, stable=True)[:, :KEPT])
