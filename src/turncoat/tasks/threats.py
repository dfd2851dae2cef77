"""The attacks of RobRank, as an attacker wants them and as they are measured: one class per kind.

Zhou et al., "Adversarial Ranking Attack and Defense", ECCV 2020, and "Adversarial Attack and Defense in Deep Ranking",
T-PAMI 2024 (arXiv 2106.03614). Ranks are those among the whole gallery, the sample's own image included where it is
among them; for recall and GTT that image is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.truth import Columns
from turncoat.objectives.crowd import Crowd, distance
from turncoat.objectives.features import OppositeDirection
from turncoat.objectives.rankings import Misranked, RankShift, Toward
from turncoat.tasks.aim import Aim, Settings
from turncoat.tasks.guides import random_rows
from turncoat.tasks.metrics.ranking import rank_queries
from turncoat.tasks.metrics.standing import kept_within, nearest
from turncoat.tasks.moves import Moved
from turncoat.tasks.probes import Probes

FIRST = 4
"""Among how many the former first answer must stay, for GTT."""


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
        barred = probes.owner[_first(probes)[:, 0]]
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
        return {"others": _first(probes)}

    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        rows = self.truth(probes)["others"][:, 0]
        items, own = probes.gallery[rows], probes.itself
        return {"kept_at_4": kept_within(seen, items, probes.gallery, itself=rows, left_out=own, first=FIRST)}


def _first(probes: Probes) -> Tensor:
    """The gallery row of each first answer, `[N, 1]`; junk, which nobody counts, is none, where people are known."""
    known = bool((probes.owner >= 0).any())
    nobody = torch.full_like(probes.itself, -1)
    owner, barred = (probes.owner, nobody) if known else (None, None)
    return nearest(probes.seen, probes.gallery, 1, left_out=probes.itself, owner=owner, barred=barred)


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


Threat = Literal[
    "es", "ca_plus", "ca_minus", "qa_plus", "qa_minus", "spqa_plus", "spqa_minus", "tma", "ltm", "gtm", "gtt"
]
AIMS: Mapping[str, Callable[[Settings], Aim]] = {
    "ca_plus": partial(Moved, role="candidate", up=True),
    "ca_minus": partial(Moved, role="candidate", up=False),
    "qa_plus": partial(Moved, role="query", up=True),
    "qa_minus": partial(Moved, role="query", up=False),
    "tma": Matched,
    "es": Shifted,
    "ltm": Unranked,
    "gtm": Mismatched,
    "gtt": Thrown,
    "spqa_plus": partial(Moved, role="query", up=True, keeps=True),
    "spqa_minus": partial(Moved, role="query", up=False, keeps=True),
}
SCORED = tuple(name for name in AIMS if not name.startswith("spqa"))
"""The threats that make up the robustness score."""
