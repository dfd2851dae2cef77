"""One victim on one data set with all its defences: everything that several cells share, computed once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

import turncoat
from turncoat.core.errors import UserError
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.data.load import load_data
from turncoat.defenses.purifier import Purifier, Surrogate
from turncoat.models.victims import load_victim
from turncoat.study.cells import Cell, cells
from turncoat.study.plan import Audit, DataSpec, VictimSpec
from turncoat.study.registry import make_attack, make_defense, make_task
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Task

_PATHS = ("folder", "csv", "images", "path")


@dataclass
class Bench:
    """`root` is the folder that relative paths of the study start from; `limit` bounds the samples audited."""

    place: int
    audit: Audit
    data: DataSpec
    spec: VictimSpec
    root: Path
    limit: int | None = None
    _contexts: dict[Victim, Columns] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        return make_task(self.audit.task)

    @cached_property
    def samples(self) -> Samples:
        options = {
            key: self._path(value) if key in _PATHS and isinstance(value, str) else value
            for key, value in self.data.options.items()
        }
        samples = load_data(self.data.name, **options)
        if self.limit is None or self.limit >= len(samples):
            return samples
        return samples.take(np.linspace(0, len(samples) - 1, self.limit).round().astype(int).tolist())

    @cached_property
    def victim(self) -> Victim:
        spec = self.spec
        weights = None if spec.weights is None else self._path(spec.weights)
        scheme, _, path = spec.source.partition(":")
        source = f"{scheme}:{self._path(path)}" if scheme in ("onnx", "torchscript") else spec.source
        return load_victim(
            source,
            weights=weights,
            key_prefix=spec.key_prefix,
            reads=spec.reads or "logits",
            taps=spec.taps,
            size=spec.size,
            mean=spec.mean,
            std=spec.std,
            name=spec.name,
            options=spec.options,
        )

    @cached_property
    def defenses(self) -> dict[str, Purifier]:
        made = [make_defense(spec) for spec in self.audit.defenses]
        names = [purifier.name for purifier in made]
        if len(set(names)) != len(names):
            raise UserError(f"defenses: {', '.join(names)}: each needs other options, or to be there once")
        return dict(zip(names, made, strict=True))

    @cached_property
    def defended(self) -> dict[str, Victim]:
        """The victim as deployed, behind nothing and behind each defence."""
        return {"none": self.victim, **{name: self.victim.behind(front) for name, front in self.defenses.items()}}

    @cached_property
    def surrogates(self) -> dict[str, list[tuple[Surrogate, Victim]]]:
        """The ways through each defence, each with the victim that the attacker differentiates."""
        return {
            name: [(way, self.victim.behind(way.module)) for way in purifier.adaptive()]
            for name, purifier in self.defenses.items()
        }

    def cells(self) -> list[Cell]:
        known = [(name, bool(ways)) for name, ways in self.surrogates.items()]
        return cells(self.place, self.audit, self.data, self.spec, known)

    def shards(self) -> list[range]:
        size = self.audit.shard
        return [range(start, min(start + size, len(self.samples))) for start in range(0, len(self.samples), size)]

    def context(self, victim: Victim) -> Columns:
        """What the task needs of the whole data set under a victim, computed at the first call."""
        if victim not in self._contexts:
            self._contexts[victim] = self.task.context(victim, self.samples)
        return self._contexts[victim]

    def check(self) -> None:
        """Build everything the study names and look at one image, so that mistakes show before the work begins."""
        if not len(self.samples):
            raise UserError(f"{self.samples.name} holds no samples")
        attacks = [make_attack(cell.spec, cell.eps, self.task) for cell in self.cells() if cell.spec is not None]
        given = self.victim.predict(self.samples.images([0]))
        self.task.check(self.samples, given)
        for attack in attacks:
            if attack.passes[1]:
                self.victim.require_gradients()
            needs = getattr(getattr(attack, "objective", None), "needs", None)
            if needs is not None:
                getattr(given, needs)

    def key(self, cell: Cell, shard: range) -> str:
        """The name of a shard: a hash of all that determines its records."""
        recipe = "" if cell.spec is None else repr(make_attack(cell.spec, cell.eps, self.task))
        parts = [
            turncoat.__version__,
            torch.__version__,
            self.spec.source,
            repr(self.task),
            self._digests[shard.start // self.audit.shard],
            self._whole,
            self._weights[cell.defense],
            cell.stance,
            recipe,
            repr((cell.eps, cell.seed, cell.spec.spend if cell.spec else None)),
            repr((shard.start, sorted(self.spec.options.items()))),
        ]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()

    def _path(self, path: str) -> str:
        return str(self.root / Path(path).expanduser())

    @cached_property
    def _weights(self) -> dict[str, str]:
        """Of every front, what the deployed victim is and the ways in which it is attacked."""
        ways = {name: repr([(way.name, way.module) for way, _ in found]) for name, found in self.surrogates.items()}
        return {name: victim.digest() + ways.get(name, "") for name, victim in self.defended.items()}

    @cached_property
    def _digests(self) -> list[str]:
        return [self.samples.take(shard).digest() for shard in self.shards()]

    @cached_property
    def _whole(self) -> str:
        """What every sample's result depends on besides itself: the gallery, or all pairs, where there is one."""
        against = self.samples.against
        return "" if against is None else against.digest() + "".join(self._digests)
