"""One victim on one data set with all its defences: everything that several cells share, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

import turncoat
from turncoat.attacks.attack import Attack
from turncoat.attacks.elsewhere import OnLayer
from turncoat.attacks.universal import Universal
from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.defenses.purifier import Purifier, Surrogate
from turncoat.models.victims import load_victim
from turncoat.study.cells import Cell, at_home, cells, transferred
from turncoat.study.dataset import DataSet, located, options_of, under
from turncoat.study.features import kept
from turncoat.study.plan import Audit
from turncoat.study.registry import make_attack, make_defense, make_task
from turncoat.study.specs import AttackSpec, DataSpec, VictimSpec
from turncoat.study.store import hashed
from turncoat.tasks.embedding import embed
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Embed, Task


@dataclass
class Bench:
    """`root` is the folder that relative paths of the study start from.

    `others` are, by name, the benches on which images for this one are made; `features` is the folder where
    descriptors are kept (None: they are computed anew). `learnt` are the universal perturbations so far.
    """

    place: int
    audit: Audit
    dataset: DataSet
    spec: VictimSpec
    root: Path
    features: Path | None = None
    others: dict[str, Bench] = field(default_factory=dict)
    learnt: dict[str, Tensor] = field(default_factory=dict)
    _contexts: dict[Victim, Columns] = field(default_factory=dict)
    _identities: dict[Victim, str] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        return make_task(self.audit.task)

    @property
    def samples(self) -> Samples:
        return self.dataset.samples

    @property
    def data(self) -> DataSpec:
        return self.dataset.spec

    @cached_property
    def victim(self) -> Victim:
        spec = self.spec
        weights = None if spec.weights is None else under(self.root, spec.weights)
        return load_victim(
            located(self.root, spec.source),
            weights=weights,
            key_prefix=spec.key_prefix,
            reads=spec.reads or "logits",
            taps=spec.taps,
            size=spec.size,
            mean=spec.mean,
            std=spec.std,
            name=spec.name,
            options=options_of(self.root, spec.options),
            mirror=spec.mirror,
            scales=spec.scales,
            scale_power=spec.scale_power,
            whitening=None if spec.whitening is None else under(self.root, spec.whitening),
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
        own = cells(self.place, self.audit, self.data, self.spec, known)
        carried_here = transferred(self.place, self.audit, self.data, self.spec)
        return [
            *(cell for cell in own if self._open(cell)),
            *(cell for cell in carried_here if self.others[cell.surrogate]._open(at_home(cell))),
        ]

    def _open(self, cell: Cell) -> bool:
        """Whether an attack can be made here; where images come from elsewhere, a victim need not have gradients."""
        if self.victim.differentiable or self.audit.transfer is None or cell.spec is None:
            return True
        return not make_attack(cell.spec, cell.eps, self.task).passes[1]

    def shards(self) -> list[range]:
        return self.dataset.shards()

    def context(self, victim: Victim) -> Columns:
        """What the task needs of the whole data set under a victim, computed at the first call."""
        if victim not in self._contexts:
            self._contexts[victim] = self.task.context(victim, self.samples, self.embedder(self.dataset))
        return self._contexts[victim]

    def embedder(self, dataset: DataSet) -> Embed:
        """Computes the descriptors of a data set and of what it is compared with, or finds them where they are kept."""

        def found(victim: Victim, samples: Samples) -> Tensor:
            if self.features is None:
                return embed(victim, samples)
            digest = "".join(dataset.digests) if samples is dataset.samples else dataset.against_digest
            return kept(self.features, victim, samples, self.identity(victim) + digest)

        return found

    def check(self) -> None:
        """Build everything the study names and look at one image, so that mistakes show before the work begins."""
        if not len(self.samples):
            raise UserError(f"{self.samples.name} holds no samples")
        image, cells = self.samples.images([0]), self.cells()
        made_here = self._attacks([cell for cell in cells if not cell.surrogate])
        given = self.victim.predict(image)
        self.task.check(self.samples, given)
        self._check_attacks(made_here, given)
        for name in self.audit.ensembles:  # the other surrogates check themselves
            other = self.others[name]
            made_there = self._attacks([at_home(cell) for cell in cells if cell.surrogate == name])
            other._check_attacks(made_there, other.victim.predict(image))

    def _attacks(self, made: Sequence[Cell]) -> list[tuple[AttackSpec, Attack]]:
        """What these cells attack with; an attack that cannot be made is told here."""
        specs = [(cell.spec, cell.eps) for cell in made if cell.spec is not None]
        return [(spec, make_attack(spec, eps, self.task)) for spec, eps in specs]

    def _check_attacks(self, attacks: Sequence[tuple[AttackSpec, Attack]], given: Outputs) -> None:
        """See that the victim gives what these attacks look at."""
        for spec, attack in attacks:
            if isinstance(attack, Universal):
                self._check_lesson(spec.label or spec.name, spec.learn_on)
            if attack.passes[1]:
                self.victim.require_gradients()
            if isinstance(attack, OnLayer):
                self.victim.reading(attack.layer).predict(self.samples.images([0]))
                continue
            needs = getattr(getattr(attack, "objective", None), "needs", None)
            if needs is not None:
                getattr(given, needs)

    def _check_lesson(self, name: str, on: DataSpec | None) -> None:
        if on is None:
            raise UserError(
                f"attack {name} learns from other images than it attacks: name them, learn_on: {{name: ...}}"
            )
        samples = self.dataset.other(on).samples
        if not len(samples):
            raise UserError(f"attack {name}: {samples.name} holds no samples to learn from")
        if self.task.compares is None:
            self.task.check(samples, self.victim.predict(samples.images([0])))

    def recipe(self, cell: Cell) -> str:
        """All that determines the attack of a cell, what it has learnt from included."""
        if cell.spec is None:
            return ""
        learnt = "" if cell.spec.learn_on is None else self.dataset.other(cell.spec.learn_on).digest
        return repr(make_attack(cell.spec, cell.eps, self.task)) + learnt

    def key(self, cell: Cell, shard: range) -> str:
        """The name of a shard: a hash of all that determines its records."""
        parts = [
            turncoat.__version__,
            torch.__version__,
            self.spec.source,
            repr(self.task),
            self.dataset.digests[shard.start // self.audit.shard],
            self.dataset.whole or ("".join(self.dataset.digests) if self.task.entire else ""),
            self._weights[cell.defense],
            cell.stance,
            self.recipe(cell),
            repr((cell.eps, cell.seed, cell.spec.spend if cell.spec else None)),
            repr((shard.start, sorted(self.spec.options.items()))),
        ]
        if cell.spec is not None and cell.spec.roundtrip != "none":
            parts.append(cell.spec.roundtrip)
        if cell.surrogate:
            parts.append(self.others[cell.surrogate].key(at_home(cell), shard))
        return hashed(*parts)

    def identity(self, victim: Victim) -> str:
        """All that decides what a victim of this bench says; a digest does not see options and versions."""
        if victim not in self._identities:
            parts = [turncoat.__version__, torch.__version__, self.spec.source, repr(sorted(self.spec.options.items()))]
            self._identities[victim] = "\0".join([*parts, victim.digest()])
        return self._identities[victim]

    def gallery_key(self, cell: Cell) -> str:
        """All that determines how the cell's deployed victim sees a perturbed gallery, but for who was attacked."""
        deployed = self.identity(self.defended[cell.defense])
        return "\0".join((repr(self.task), self.recipe(cell), str(cell.seed), deployed, self.dataset.whole))

    @cached_property
    def _weights(self) -> dict[str, str]:
        """Of every front, what the deployed victim is and the ways in which it is attacked."""
        ways = {name: repr([(way.name, way.module) for way, _ in found]) for name, found in self.surrogates.items()}
        return {name: victim.digest() + ways.get(name, "") for name, victim in self.defended.items()}
