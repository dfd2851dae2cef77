"""Attacks ready to run: those that learn have learnt, once for every shard and every run that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from turncoat.attacks.attack import Attack
from turncoat.attacks.universal import Universal
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.study.bench import Bench
from turncoat.study.cells import Cell
from turncoat.study.dataset import DataSet
from turncoat.study.registry import make_attack, truth_for
from turncoat.study.store import Store, hashed


def ready(bench: Bench, cell: Cell, victim: Victim, deployed: Victim, store: Store, context: Columns | None) -> Attack:
    """The attack of a cell on `victim`; one that learns has learnt what it adds on its own data set.

    `deployed` is the victim that the attacker knows the data set by; `context` is what it says of the audited one.
    """
    if cell.spec is None:
        raise ValueError("a clean cell has no attack")
    attack = make_attack(cell.spec, cell.eps, bench.task, context)
    if cell.spec.learn_on is None or not isinstance(attack, Universal):
        return attack
    lesson = Lesson(bench, cell, deployed, bench.dataset.other(cell.spec.learn_on))
    return attack.fixed(lesson.learnt(victim, store))


@dataclass(frozen=True)
class Lesson:
    """What the attack of a cell learns from; `deployed` is the victim that the data set is known by."""

    bench: Bench
    cell: Cell
    deployed: Victim
    data: DataSet

    def learnt(self, victim: Victim, store: Store) -> Tensor:
        """The perturbation `[1, C, H, W]` learnt on this victim: from memory, from the store, or learnt now."""
        kept = self.bench.learnt
        key = self._key(victim)
        if key not in kept:
            found = _load(store, key)
            kept[key] = self._learn(victim, store, key) if found is None else found
        return kept[key]

    def _learn(self, victim: Victim, store: Store, key: str) -> Tensor:
        from safetensors.torch import save

        found = self.attack.learn(victim, self, generator=seeded(self.cell.seed)).cpu()
        store.write_bytes(_name(key), save({"perturbation": found}))
        return found

    @cached_property
    def attack(self) -> Universal:
        """The attack as it looks at the data that it learns from."""
        cell = self.cell
        made = None if cell.spec is None else make_attack(cell.spec, cell.eps, self.bench.task, self.context)
        if not isinstance(made, Universal):
            raise ValueError(f"{cell.attack} learns nothing")
        return made

    @cached_property
    def context(self) -> Columns:
        """What the task needs of the whole data set, computed once it is looked at: a training split has no gallery."""
        bench, data = self.bench, self.data
        return Late(lambda: bench.task.context(self.deployed, data.samples, bench.embedder(data)))

    def __len__(self) -> int:
        return -(-len(self.data.samples) // self.attack.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Columns]]:
        """The images with their truth, batch by batch, in an order that the seed decides."""
        samples, task = self.data.samples, self.bench.task
        order = torch.randperm(len(samples), generator=seeded(self.cell.seed))
        for part in order.split(self.attack.batch):
            rows = part.tolist()
            yield samples.images(rows), truth_for(self.attack, task, samples, rows, self.context)

    def _key(self, victim: Victim) -> str:
        """A hash of all that determines what is learnt on this victim."""
        bench = self.bench
        identities = (bench.identity(victim), bench.identity(self.deployed))
        parts = (repr(bench.task), bench.recipe(self.cell), repr(self.cell.seed), *identities)
        return hashed(*parts)


@dataclass(frozen=True)
class Late(Mapping[str, Tensor]):
    """Columns that are computed when one of them is asked for."""

    make: Callable[[], Columns]

    @cached_property
    def columns(self) -> Columns:
        return self.make()

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def _load(store: Store, key: str) -> Tensor | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = store.folder / _name(key)
    if not path.is_file():
        return None
    try:
        return load_file(path)["perturbation"]
    except (SafetensorError, KeyError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): remove it and start the same audit again") from None


def _name(key: str) -> str:
    return f"learned/{key}.safetensors"
