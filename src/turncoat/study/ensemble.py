"""Several victims attacked as one: a surrogate whose images are judged on others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from turncoat.core.ensemble import Ensemble
from turncoat.core.victim import Victim
from turncoat.study.bench import Bench


@dataclass
class EnsembleBench(Bench):
    """A bench on which images are made, and nobody is judged."""

    members: tuple[Bench, ...] = ()

    @cached_property
    def victim(self) -> Victim:
        return Ensemble([member.victim for member in self.members], name=self.spec.name)
