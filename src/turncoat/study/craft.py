"""One shard of one cell: attack it, judge it, and put the two together as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from turncoat.core.balls import lengths
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.study.bench import Bench
from turncoat.study.cells import ADAPTIVE, OBLIVIOUS, TRANSFER, Cell, at_home, carried
from turncoat.study.crafted import load_crafted, save_crafted
from turncoat.study.gallery import attacked_gallery
from turncoat.study.lessons import ready
from turncoat.study.plan import AttackSpec
from turncoat.study.registry import wants
from turncoat.study.roundtrip import through
from turncoat.study.store import Store


class Crafting:
    """The attacks of a bench on one shard; what an oblivious attacker makes is made once for all defences."""

    def __init__(self, bench: Bench, shard: range, store: Store) -> None:
        self.bench = bench
        self.shard = shard
        self.store = store
        self.images = bench.samples.images(shard)
        self._oblivious: tuple[tuple[AttackSpec | None, float, int], AttackResult] | None = None

    def records(self, cell: Cell) -> tuple[dict[str, Tensor], Tensor]:
        """The columns of a cell's records on this shard, and the images they are about."""
        if cell.spec is None:
            result, judged = self._judged(cell, _untouched(self.images), None)
        elif cell.stance == ADAPTIVE:
            result, judged = self._worst(cell)
        elif cell.stance == OBLIVIOUS:
            result, judged = self._judged(cell, self._ignorant(cell), self.bench.victim)
        elif cell.stance == TRANSFER:
            result, judged = self._judged(cell, self._foreign(cell), self.bench.others[cell.surrogate].victim)
        else:
            result, judged = self._judged(cell, self._at_home(cell), self.bench.victim)
        change = result.images - self.images
        columns = {
            "index": torch.tensor(self.shard),
            **judged,
            "objective_clean": result.objective_clean,
            "objective": result.objective,
            "forwards": result.forwards,
            "backwards": result.backwards,
            "steps": result.steps_used,
            "linf": change.abs().flatten(1).amax(1),
            "l2": lengths(change),
        }
        return columns, result.images

    def _attack(self, cell: Cell, victim: Victim, *, spend: bool = False) -> AttackResult:
        """Attack this victim; with `spend` a sample goes on after it is broken."""
        if cell.spec is None:
            raise ValueError("a clean cell has no attack")
        task = self.bench.task
        if task.perturbs == "gallery":
            return _untouched(self.images)
        wasteful = spend or self._spends(cell)
        deployed = self._known_by(cell)
        known = self.bench.context(deployed)
        attack = ready(self.bench, cell, victim, deployed, self.store, known)
        truth = task.truth(self.bench.samples, self.shard, known)
        asked = [name for name in wants(attack) if name not in truth]
        return attack(
            victim,
            self.images,
            {**truth, **task.guides(asked, self.bench.samples, self.shard, known)},
            generator=seeded(cell.seed),
            criterion=None if wasteful else task.criterion,
        )

    def _known_by(self, cell: Cell) -> Victim:
        """Through whom the attacker knows the data set: the deployed victim, if he knows of the defence."""
        return self.bench.defended[cell.defense] if cell.stance == ADAPTIVE else self.bench.victim

    def _ignorant(self, cell: Cell) -> AttackResult:
        """Somebody who does not know of the defence attacks the bare victim, and spends the budget to be safe.

        The records of every defence tell the whole cost, though it is paid once: they must not depend on which other
        defences are audited, or on where an interrupted run went on.
        """
        made = (cell.spec, cell.eps, cell.seed)
        if self._oblivious is None or self._oblivious[0] != made:
            self._oblivious = made, self._attack(cell, self.bench.victim, spend=True)
        return self._oblivious[1]

    def _at_home(self, cell: Cell) -> AttackResult:
        """The attack on the bare victim, its images kept where other victims are judged on the same ones."""
        if carried(self.bench.audit, cell) and self._spends(cell):
            return self._kept(cell)
        return self._attack(cell, self.bench.victim)

    def _foreign(self, cell: Cell) -> AttackResult:
        """What is made on the surrogate for this shard."""
        return Crafting(self.bench.others[cell.surrogate], self.shard, self.store)._kept(at_home(cell))

    def _kept(self, cell: Cell) -> AttackResult:
        """The attack on the bare victim with its whole budget, from the store or made and put there."""
        key = self.bench.key(cell, self.shard) + ("" if self._spends(cell) else "-spent")
        found = load_crafted(self.store, key)
        if found is None:
            found = self._attack(cell, self.bench.victim, spend=True)
            save_crafted(self.store, key, found)
        return found

    def _spends(self, cell: Cell) -> bool:
        """Whether the attack goes on after a sample is broken."""
        told = cell.spec.spend if cell.spec is not None else None
        return not self.bench.task.stops if told is None else told

    def _worst(self, cell: Cell) -> tuple[AttackResult, Columns]:
        """Attack through every way the defence declares, and keep what harms the deployed victim most, per sample."""
        best: tuple[AttackResult, Columns] | None = None
        for way, victim in self.bench.surrogates[cell.defense]:
            result, judged = self._judged(cell, self._attack(cell, victim, spend=not way.exact), victim)
            if best is None:
                best = result, judged
                continue
            worse = _more_harm(judged, best[1], self.bench.task.harm).nonzero()[:, 0]
            best = (
                _merge(best[0], result, worse),
                {name: values.index_copy(0, worse, judged[name][worse]) for name, values in best[1].items()},
            )
        if best is None:
            raise ValueError(f"{cell.defense} declares no adaptive attack")
        return best

    def _judged(self, cell: Cell, made: AttackResult, attacked: Victim | None) -> tuple[AttackResult, Columns]:
        """What the deployed victim makes of the images, after their round trip; `attacked` is who they were made on."""
        victim, task = self.bench.defended[cell.defense], self.bench.task
        context, result = self.bench.context(victim), made
        if cell.spec is not None:
            result = replace(made, images=through(made.images, cell.spec.roundtrip))
        if attacked is not None and task.perturbs != "query":
            gallery = attacked_gallery(self.bench, cell, attacked, self.store)
            context = {**context, "gallery": gallery.descriptors}
            result = gallery.charged(result, self.shard, len(self.bench.samples))
        return result, task.judge(victim, result.images, self.bench.samples, self.shard, context)


def _more_harm(columns: Columns, others: Columns, harm: Sequence[str]) -> Tensor:
    """Where `columns` are lower than `others`, the first of the `harm` columns that differs deciding; bool `[N]`."""
    less = torch.zeros(len(columns[harm[0]]), dtype=torch.bool)
    tied = ~less
    for name in harm:
        less |= tied & (columns[name] < others[name])
        tied &= columns[name] == others[name]
    return less


def _merge(first: AttackResult, second: AttackResult, where: Tensor) -> AttackResult:
    """The first result with the second in its place at `where`; both were paid for."""
    return replace(
        first,
        images=first.images.index_copy(0, where, second.images[where]),
        objective=first.objective.index_copy(0, where, second.objective[where]),
        forwards=first.forwards + second.forwards,
        backwards=first.backwards + second.backwards,
        steps_used=first.steps_used + second.steps_used,
    )


def _untouched(images: Tensor) -> AttackResult:
    nothing = torch.zeros(len(images), dtype=torch.int64)
    zeros = torch.zeros(len(images))
    return AttackResult(images, None, zeros, zeros, nothing + 1, nothing, nothing)
