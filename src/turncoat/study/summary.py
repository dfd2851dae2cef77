"""From per-sample records to the rows of summary.json."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from turncoat.study.cells import CLEAN, CONTROLS, OBLIVIOUS, SAVED, Cell
from turncoat.study.joint import Part, joint_rows
from turncoat.study.lines import WORST, plain
from turncoat.study.store import Store
from turncoat.tasks.task import Records, Task

Row = dict[str, object]

_WORST = """
SELECT * EXCLUDE (place, filename) FROM (
    SELECT *, row_number() OVER (PARTITION BY "index" ORDER BY {harm}, filename) AS place
    FROM read_parquet($files, filename = true)
) WHERE place = 1 ORDER BY "index"
"""


@dataclass(frozen=True)
class Finished:
    """A cell, its task, the names of its shards, and whether its victim's weights are as drawn."""

    cell: Cell
    task: Task
    shards: tuple[str, ...]
    untrained: bool = False


def summarise(store: Store, finished: Sequence[Finished]) -> list[Row]:
    """One row per cell, one per defence and budget for the worst of its attacks, sample by sample, and joint scores."""
    clean = {_front(one.cell): store.read(one.shards) for one in finished if one.cell.attack == CLEAN}
    parts = [_part(store, one, store.read(one.shards), clean[_front(one.cell)]) for one in finished]
    parts += [_worst(store, group, clean) for group in _rivals(finished)]
    return [part.row for part in parts] + joint_rows(parts)


def _rivals(finished: Sequence[Finished]) -> Iterable[list[Finished]]:
    """Attacks that had the same victim, defence, norm and budget.

    Who knows of a defence can do all that somebody who does not know of it does, so the oblivious attacks are among
    them; a defence that was only ever attacked so has no worst case.
    """

    def group(one: Finished) -> tuple[object, ...]:
        return (*_front(one.cell), norm_of(one.cell), one.cell.eps)

    attacked = [one for one in finished if one.cell.spec and one.cell.spec.name != SAVED and not one.cell.surrogate]
    informed = {group(one) for one in attacked if one.cell.stance != OBLIVIOUS}
    able = [one for one in attacked if group(one) in informed]
    places = {id(one): place for place, one in enumerate(finished)}
    first: dict[tuple[object, ...], int] = {}
    for one in able:
        first.setdefault(group(one), places[id(one)])
    ordered = sorted(able, key=lambda one: (first[group(one)], places[id(one)]))
    return [list(members) for _, members in groupby(ordered, key=group)]


def _worst_records(store: Store, group: Sequence[Finished], task: Task) -> Records:
    """The records that are worst sample by sample; a gallery can be perturbed in one way only, so then as a whole."""
    if task.perturbs == "query":
        shards = tuple(key for one in group for key in one.shards)
        return store.query(_WORST.format(harm=", ".join(task.harm)), shards)
    found = [store.read(one.shards) for one in group]
    return min(found, key=lambda records: float(np.nanmean(records[task.harm[0]].astype(np.float64))))


def _worst(store: Store, group: list[Finished], clean: Mapping[tuple[object, ...], Records]) -> Part:
    first = next(one for one in group if one.cell.stance != OBLIVIOUS)
    part = _part(store, first, _worst_records(store, group, first.task), clean[_front(first.cell)])
    costs = [_cost(store, one) for one in group]
    totals = {name: sum(cost[name] for cost in costs) for name in ("forwards", "backwards", "seconds")}
    return replace(part, row={**part.row, "attack": WORST, "control": False, "seed": None, **totals})


def _part(store: Store, one: Finished, records: Records, clean: Records) -> Part:
    return Part(_row(store, one, records, clean), one.task, records)


def _row(store: Store, one: Finished, records: Records, clean: Records) -> Row:
    cell = one.cell
    metrics = one.task.metrics(records)
    if cell.attack != CLEAN:
        metrics = {**metrics, **one.task.compare(clean, records)}
    return {
        "task": one.task.label,
        "data": cell.data,
        "victim": cell.victim,
        "untrained": one.untrained,
        "defense": cell.defense,
        "stance": cell.stance,
        "surrogate": cell.surrogate,
        "threat": one.task.threat,
        "attack": cell.attack,
        "control": cell.spec is not None and cell.spec.name in CONTROLS,
        "norm": norm_of(cell),
        "eps": None if math.isinf(cell.eps) else cell.eps,
        "seed": cell.seed,
        "n": len(records["index"]),
        "left_out": int(np.isnan(records["score"].astype(np.float64)).sum()),
        "metrics": {name: plain(estimate) for name, estimate in metrics.items()},
        **_cost(store, one),
    }


def _cost(store: Store, one: Finished) -> dict[str, float]:
    spent = store.query(
        "SELECT sum(forwards)::BIGINT AS forwards, sum(backwards)::BIGINT AS backwards FROM read_parquet($files)",
        one.shards,
    )
    return {
        "forwards": int(spent["forwards"][0]),
        "backwards": int(spent["backwards"][0]),
        "seconds": round(store.seconds(one.shards), 3),
    }


def norm_of(cell: Cell) -> str:
    """The norm of a cell's budget."""
    if cell.spec is None:
        return "linf"
    return "l2" if cell.spec.name == "cw" else str(cell.spec.options.get("norm", "linf"))


def _front(cell: Cell) -> tuple[object, ...]:
    return cell.audit, cell.data, cell.victim, cell.defense
