"""What a study would cost, before it is run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from turncoat.attacks.universal import Fixed, Universal
from turncoat.study.bench import Bench
from turncoat.study.cells import ADAPTIVE, OBLIVIOUS, TRANSFER, Cell
from turncoat.study.registry import make_attack
from turncoat.study.store import Store


@dataclass(frozen=True)
class CellCost:
    """A cell, how many of its samples are still to do, and at most how many passes those take."""

    cell: Cell
    samples: int
    forwards: int
    backwards: int
    seconds: float


def estimate(bench: Bench, store: Store | None) -> Sequence[CellCost]:
    """An upper bound of the passes of every cell, and the seconds they take at the speed of one measured batch.

    What is in the store is done already. A sample that breaks early costs less. Not counted are a purifier's own time,
    and what a task computes of the whole data set once: descriptors of a gallery, thresholds.
    """
    forward, backward = _speed(bench)
    return [_cost(bench, store, cell, forward, backward) for cell in bench.cells()]


def _cost(bench: Bench, store: Store | None, cell: Cell, forward: float, backward: float) -> CellCost:
    missing = [shard for shard in bench.shards() if _missing(bench, store, cell, shard)]
    samples, views = sum(map(len, missing)), bench.victim.views
    ways = len(bench.surrogates[cell.defense]) if cell.stance == ADAPTIVE else 1
    attacked = _attacked(bench, store, cell, missing)
    forwards, backwards = _attack(bench, cell)
    lesson = _lesson(bench, cell) if missing else (0, 0)
    forwards = (attacked * forwards + samples + lesson[0]) * ways
    backwards = (attacked * backwards + lesson[1]) * ways
    seconds = forwards * forward + backwards * backward
    return CellCost(cell, samples, forwards * views, backwards * views, seconds)


def _attack(bench: Bench, cell: Cell) -> tuple[int, int]:
    """The most passes that one image under this cell's attack takes, without the look of the judge."""
    if cell.spec is None:
        return 0, 0
    return Fixed.passes if cell.spec.learn_on is not None else make_attack(cell.spec, cell.eps, bench.task).passes


def _attacked(bench: Bench, store: Store | None, cell: Cell, missing: Sequence[range]) -> int:
    """How many images are attacked for the shards that are missing, those of a gallery included."""
    against, perturbs = bench.samples.against, bench.task.perturbs
    queries = sum(map(len, missing))
    if cell.stance == OBLIVIOUS:
        queries = sum(len(shard) for shard in missing if _pays(bench, store, cell, shard))
    elif cell.stance == TRANSFER and not bench.task.stops and cell.surrogate not in bench.audit.ensembles:
        queries = 0  # the images are those of the surrogate's own cell
    if perturbs == "query" or cell.spec is None:
        return queries
    gallery = len(against) if against is not None and missing else 0
    return gallery + (queries if perturbs == "both" else 0)


def _lesson(bench: Bench, cell: Cell) -> tuple[int, int]:
    """What it takes to learn what this cell adds; the cell without a defence has learnt it for the oblivious ones."""
    if cell.spec is None or cell.spec.learn_on is None or cell.stance in (OBLIVIOUS, TRANSFER):
        return 0, 0
    attack, images = make_attack(cell.spec, cell.eps, bench.task), len(bench.dataset.other(cell.spec.learn_on).samples)
    if not isinstance(attack, Universal):
        return 0, 0
    return images * attack.lesson[0], images * attack.lesson[1]


def _missing(bench: Bench, store: Store | None, cell: Cell, shard: range) -> bool:
    return store is None or not store.has(bench.key(cell, shard))


def _pays(bench: Bench, store: Store | None, cell: Cell, shard: range) -> bool:
    """Whether it is for this defence, the first that is missing, that images are made which serve all of them."""
    fronts = (replace(cell, defense=name) for name in bench.defenses)
    return next(front for front in fronts if _missing(bench, store, front, shard)) == cell


def _speed(bench: Bench) -> tuple[float, float]:
    """Seconds per image of a forward pass, and of a gradient with respect to the image on top of it."""
    rows = range(min(len(bench.samples), bench.audit.shard, 32))
    images = bench.samples.images(rows)
    for _ in range(2):  # the first time warms up
        start = time.perf_counter()
        with torch.no_grad():
            bench.victim(images)
        forward = time.perf_counter() - start
        if not bench.victim.differentiable:
            return forward / len(rows), 0.0
        start = time.perf_counter()
        seen = images.clone().requires_grad_()
        outputs = bench.victim(seen)
        torch.autograd.grad(next(iter(outputs.given.values())).sum(), seen)
        both = time.perf_counter() - start
    return forward / len(rows), max(both - forward, 0.0) / len(rows)
