"""How far can an image be moved in a ranking? The attacks of RobRank, each a task of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.objectives.crowd import NOBODY, Crowd, Metric
from turncoat.tasks.aim import Aim, Settings
from turncoat.tasks.embedding import embed, require_finite
from turncoat.tasks.guides import GUIDES, guides
from turncoat.tasks.metrics.ers import term
from turncoat.tasks.metrics.estimate import Estimate, bootstrap
from turncoat.tasks.probes import identity, probes, wall_of
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Embed, Records, Task
from turncoat.tasks.threats import AIMS, Threat

SHARES: Mapping[str, str] = {"recall@1": "recall_at_1", "kept@4": "kept_at_4"}
MEANS = ("rank", "rank_kept", "cosine_to_target", "distance_to_clean", "cosine_to_clean")


@dataclass(frozen=True)
class RankingRobustness(Task):
    """One threat to a ranking; `robustness` is what it adds to the robustness score (ERS), 1 for an untouched model.

    `kind` is the threat. The samples are perturbed, in turn, and ranked in, or with, their gallery, by cosine; with
    `itself`, or without a gallery, they are ranked among themselves, which is RobRank's protocol. `metric` is the
    distance in the objectives and in ES:D: 1 - cos, or the Euclidean distance of unit descriptors, which most of
    RobRank's models use. `others` are as many candidates or queries per sample. `xi` and `growth` say how hard SP-QA
    holds on to the top (`Preserved`); under growth=4e4, one of the later article's, small galleries do not move at all.
    What is to be moved is chosen from the ranking of whoever is attacked, and judged by that of the deployed victim.
    The score of a sample is its robustness cut to [0, 1], or for ES its recall.
    """

    kind: Threat = "es"
    itself: bool = False
    others: int = 1
    metric: Metric = "cosine"
    xi: float = 100.0
    growth: float = 0.0
    seed: int = 0

    name = "ranking"
    headline = "robustness"
    needs = "embedding"
    stops = False
    cluster = "person"
    harm = ("score", "robustness")
    offers = GUIDES
    entire = True

    def __post_init__(self) -> None:
        if self.others < 1:
            raise UserError(f"others: {self.others} candidates or queries make no attack, at least 1 is needed")

    @property
    def aim(self) -> Aim:
        return AIMS[self.kind](Settings(self.others, self.metric, self.xi, self.growth, self.seed))

    @property
    def figures(self) -> Mapping[str, str]:
        """The names of its metrics by those of `ers.TERMS`."""
        names = {column: name for name, column in SHARES.items()}
        return {name: names.get(column, column) for name, column in self.aim.terms.items()}

    @property
    def label(self) -> str:
        return f"ranking {self.kind.replace('_plus', '+').replace('_minus', '-')}"

    @property
    def threat(self) -> str:
        return self.aim.perturbed

    @property
    def objective(self) -> Objective:
        return self.aim.objective(NOBODY)

    def intention(self, context: Columns) -> Objective:
        return self.aim.objective(Crowd(context["gallery"], context["owner"]))

    def check(self, samples: Samples, outputs: Outputs) -> None:
        super().check(samples, outputs)
        wall = wall_of(samples, itself=self.itself)
        for one in (samples, wall):
            identity(one, needed=self.aim.named)
        if len(wall) < self.others + 2:
            raise UserError(f"{wall.name} holds {len(wall)} images: others: {self.others} needs more to rank among")

    def context(self, victim: Victim, samples: Samples, embed: Embed = embed) -> Columns:
        """`gallery` `[G, D]` and `query` `[N, D]`: unit descriptors; `owner` int64 `[G]`: whom the gallery shows."""
        wall = wall_of(samples, itself=self.itself)
        query = embed(victim, samples)
        return {"gallery": query if wall is samples else embed(victim, wall), "query": query, "owner": identity(wall)}

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        return self.aim.truth(probes(samples, rows, context, itself=self.itself))

    def guides(self, wanted: Sequence[str], samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        return guides(wanted, probes(samples, rows, context, itself=self.itself)) if wanted else {}

    def judge(self, victim: Victim, images: Tensor, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        chosen, seen = list(rows), victim.predict(images).descriptor.cpu()
        require_finite(seen, victim.name, [samples.keys[row] for row in chosen])
        found = self.aim.measure(seen, probes(samples, rows, context, itself=self.itself))
        parts = [term(name, found[column].numpy()) for name, column in self.aim.terms.items()]
        robustness = torch.from_numpy(np.mean(parts, axis=0))
        people = identity(samples)[chosen]
        return {
            "person": torch.where(people < 0, -1 - torch.tensor(chosen), people),  # each unknown one stands for himself
            "score": found.get("recall_at_1", robustness.clamp(0, 1)),
            "robustness": robustness,
            **found,
            "cosine_to_clean": (seen * context["query"][chosen]).sum(1).double(),
        }

    def metrics(self, records: Records) -> dict[str, Estimate]:
        shares = {name: column for name, column in SHARES.items() if column in records}
        alone = len(self.aim.terms) == 1 and bool(shares)
        whole = self.rate(records["robustness"], records) if alone else self._mean(records["robustness"], records)
        return {
            "robustness": whole,
            **{name: self.rate(records[column], records) for name, column in shares.items()},
            **{name: self._mean(records[name], records) for name in MEANS if name in records},
        }

    def compare(self, clean: Records, attacked: Records) -> dict[str, Estimate]:
        """Broken samples with both denominators, and by how much each mean figure has moved."""
        moved = {
            f"{name}_change": self._mean(attacked[name].astype(float) - clean[name].astype(float), attacked)
            for name in MEANS[:-1]
            if name in attacked
        }
        return {**moved, **super().compare(clean, attacked)}

    def _mean(self, values: NDArray[np.generic], records: Records) -> Estimate:
        return bootstrap(values, clusters=records["person"])


def ranking(
    threat: Threat = "es",
    *,
    itself: bool = False,
    others: int = 1,
    metric: Metric = "cosine",
    xi: float = 100.0,
    growth: float = 0.0,
    seed: int = 0,
) -> RankingRobustness:
    """How far can an image be moved in a ranking? RobRank's attacks by `threat`; `all` gives their score (ERS)."""
    return RankingRobustness(threat, itself, others, metric, xi, growth, seed)
