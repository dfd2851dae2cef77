"""Rows that put the audits of every threat to a ranking together as one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turncoat.study.lines import plain
from turncoat.tasks.metrics.ers import TERMS, joint_score
from turncoat.tasks.metrics.estimate import Array
from turncoat.tasks.ranking import RankingRobustness
from turncoat.tasks.task import Records, Task
from turncoat.tasks.threats import SCORED

Row = dict[str, object]
LABEL = "ranking ERS"

_SAME = ("data", "victim", "defense", "stance", "surrogate", "attack", "control", "norm", "eps", "seed", "n")


@dataclass(frozen=True)
class Part:
    """One row of summary.json, the task it is of, and the records it sums up."""

    row: Row
    task: Task
    records: Records


def joint_rows(parts: Sequence[Part]) -> list[Row]:
    """A row with the robustness score for each attack that was made with all of the threats that it consists of."""
    groups: dict[tuple[object, ...], dict[str, Part]] = {}
    for part in parts:
        if isinstance(part.task, RankingRobustness) and part.task.kind in SCORED:
            groups.setdefault(tuple(part.row[name] for name in _SAME), {})[part.task.kind] = part
    return [_row(found) for found in groups.values() if len(found) == len(SCORED)]


def _row(found: Mapping[str, Part]) -> Row:
    columns: dict[str, Array] = {}
    metrics: dict[str, object] = {}
    for part in found.values():
        if isinstance(part.task, RankingRobustness) and isinstance(part.row["metrics"], Mapping):
            columns |= {name: part.records[column] for name, column in part.task.aim.terms.items()}
            metrics |= {name: part.row["metrics"][figure] for name, figure in part.task.figures.items()}
    first = found["es"]
    return {
        "task": LABEL,
        **{name: first.row[name] for name in (*_SAME, "left_out")},
        "threat": "each of nine threats on its own, to the same images",
        "metrics": {
            "ers": plain(joint_score(columns, first.records["person"])),
            **{name: metrics[name] for name in TERMS},
        },
        **{name: _total(found, name) for name in ("forwards", "backwards", "seconds")},
    }


def _total(found: Mapping[str, Part], name: str) -> float:
    return sum(cost for part in found.values() if isinstance(cost := part.row[name], (int, float)))
