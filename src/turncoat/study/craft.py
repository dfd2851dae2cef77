"""One shard of one cell: attack it, judge it, and put the two together as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from turncoat.core.balls import lengths
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.defenses.purifier import Surrogate
from turncoat.study.bench import Bench
from turncoat.study.cells import ADAPTIVE, OBLIVIOUS, TRANSFER, Cell, at_home, carried
from turncoat.study.crafted import load_crafted, save_crafted
from turncoat.study.gallery import Attacker, attacked_gallery
from turncoat.study.lessons import Late, ready
from turncoat.study.registry import truth_for
from turncoat.study.roundtrip import through
from turncoat.study.specs import AttackSpec
from turncoat.study.store import Store
from turncoat.tasks.metrics.ranking import rank
from turncoat.tasks.retrieval import Retrieval


class Crafting:
    """The attacks of a bench on one shard; what an oblivious attacker makes is made once for all defences."""

    def __init__(self, bench: Bench, shard: range, store: Store) -> None:
        self.bench = bench
        self.shard = shard
        self.store = store
        self._oblivious: tuple[tuple[AttackSpec | None, float, int], AttackResult] | None = None

    @cached_property
    def images(self) -> Tensor:
        return self.bench.samples.images(self.shard)

    def records(self, cell: Cell) -> tuple[dict[str, Tensor], Tensor]:
        """The columns of a cell's records on this shard, and the images they are about."""
        if cell.spec is None:
            result, judged = self._judged(cell, self._untouched(), None)
        elif cell.stance == ADAPTIVE:
            result, judged = self._worst(cell)
        elif cell.stance == OBLIVIOUS:
            result, judged = self._judged(cell, self._ignorant(cell), _bare(self.bench))
        elif cell.stance == TRANSFER:
            result, judged = self._judged(cell, self._foreign(cell), _bare(self.bench.others[cell.surrogate]))
        else:
            result, judged = self._judged(cell, self._at_home(cell), _bare(self.bench))
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
            return self._untouched()
        wasteful = spend or self._spends(cell)
        deployed = self._known_by(cell)
        known = Late(lambda: self.bench.context(deployed))
        attack = ready(self.bench, cell, victim, deployed, self.store, known)
        return attack(
            victim,
            self.images,
            truth_for(attack, task, self.bench.samples, self.shard, known),
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
        for way, victim in self._ways(cell):
            attacker = Attacker(self.bench, victim, self._known_by(cell))
            result, judged = self._judged(cell, self._attack(cell, victim, spend=not way.exact), attacker)
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

    def _ways(self, cell: Cell) -> list[tuple[Surrogate, Victim]]:
        """The ways through a defence; a gallery is perturbed in one of them only, that which harms the queries most."""
        ways, task = self.bench.surrogates[cell.defense], self.bench.task
        if not isinstance(task, Retrieval) or task.perturbs == "query" or len(ways) < 2:
            return ways
        context, rows = self.bench.context(self.bench.defended[cell.defense]), range(len(self.bench.samples))
        relations = task.relations(self.bench.samples, rows)

        def left(way: tuple[Surrogate, Victim]) -> float:
            attacker = Attacker(self.bench, way[1], self._known_by(cell))
            gallery = attacked_gallery(self.bench, cell, attacker, self.store)
            return float(rank(context["query"], gallery.descriptors, relations)["ap"].nanmean())

        return [min(ways, key=left)]

    def _judged(self, cell: Cell, made: AttackResult, attacker: Attacker | None) -> tuple[AttackResult, Columns]:
        """What the deployed victim makes of the images, after their round trip; `attacker` is who they were made by."""
        victim, task = self.bench.defended[cell.defense], self.bench.task
        context, result = self.bench.context(victim), made
        if cell.spec is not None:
            result = replace(made, images=through(made.images, cell.spec.roundtrip))
        changes: Columns = {}
        if attacker is not None and task.perturbs != "query":
            gallery = attacked_gallery(self.bench, cell, attacker, self.store)
            context = {**context, "gallery": gallery.descriptors}
            result = gallery.charged(result, self.shard, len(self.bench.samples))
            changes = gallery.changes(len(self.shard))
        return result, {**task.judge(victim, result.images, self.bench.samples, self.shard, context), **changes}

    def _untouched(self) -> AttackResult:
        """The images as they are, which no attack has looked at but the judge, once."""
        nothing, zeros = torch.zeros(len(self.shard), dtype=torch.int64), torch.zeros(len(self.shard))
        looks = nothing + self.bench.victim.views
        return AttackResult(self.images, None, zeros, zeros, looks, nothing, nothing)


def _bare(bench: Bench) -> Attacker:
    """Who attacks the victim of a bench as if there were no defence."""
    return Attacker(bench, bench.victim, bench.victim)


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
