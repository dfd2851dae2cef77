"""What images made on one victim do to another: a matrix of surrogates and targets for each attack and budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turncoat.study.cells import CLEAN, NONE
from turncoat.study.lines import Line, is_error
from turncoat.tasks.metrics.estimate import Estimate


@dataclass(frozen=True)
class Matrix:
    """The headline of every target (a column) under images made on every surrogate (a row), none of them defended.

    `figures` are by surrogate and target, `clean` by target. Where both are the same victim the figure is that of the
    attacker who sees it.
    """

    attack: str
    norm: str
    eps: float | None
    seed: int | None
    metric: str
    surrogates: Sequence[str]
    targets: Sequence[str]
    clean: Mapping[str, Estimate]
    figures: Mapping[tuple[str, str], Estimate]


@dataclass(frozen=True)
class Transfer:
    """All matrices of one task on one data set, attack by attack and budget by budget; `n` samples each.

    `members` are the victims of which each ensemble among the surrogates is made.
    """

    task: str
    data: str
    n: int
    matrices: Sequence[Matrix]
    members: Mapping[str, Sequence[str]]

    def kind(self, surrogate: str, target: str) -> str:
        """Whether the images were made with the target itself: own, member (one of several), or not at all."""
        return "own" if surrogate == target else "member" if target in self.members.get(surrogate, ()) else ""


def harm(figure: Estimate, metric: str, clean: Estimate | None) -> int:
    """How much of the clean figure is gone, or of an error how much has come, in per cent."""
    if is_error(metric):
        return round(100 * min(max(figure.value, 0.0), 1.0))
    if clean is None or not clean.value > 0:
        return 0
    return round(100 * min(max(1 - figure.value / clean.value, 0.0), 1.0))


def transfers(table: Sequence[Line], study: Mapping[str, object] | None = None) -> list[Transfer]:
    """The transfers that the rows of a run hold, in their order; its study tells who makes up the ensembles."""
    fronts = dict.fromkeys((line.task, line.data) for line in table if line.foreign)
    members = ensembles({} if study is None else study)
    return [_transfer([line for line in table if (line.task, line.data) == front], members) for front in fronts]


def ensembles(study: Mapping[str, object]) -> dict[str, list[str]]:
    """The members of every ensemble that a study names."""
    found: dict[str, list[str]] = {}
    audits = study.get("audits")
    for audit in audits if isinstance(audits, list) else []:
        plan = audit.get("transfer") if isinstance(audit, Mapping) else None
        named = plan.get("ensembles") if isinstance(plan, Mapping) else None
        for name, members in named.items() if isinstance(named, Mapping) else ():
            found[str(name)] = [str(member) for member in members] if isinstance(members, list) else []
    return found


def _transfer(mine: Sequence[Line], members: Mapping[str, Sequence[str]]) -> Transfer:
    carried = [line for line in mine if line.foreign]
    kinds = dict.fromkeys(_kind(line) for line in carried)
    ordered = sorted(kinds, key=lambda kind: (kind[1], kind[2] is None, kind[2] or 0.0, kind[3] or 0))
    first = carried[0]
    return Transfer(first.task, first.data, first.n, [_matrix(mine, kind) for kind in ordered], members)


def _kind(line: Line) -> tuple[str, str, float | None, int | None]:
    return line.attack, line.norm, line.eps, line.seed


def _matrix(mine: Sequence[Line], kind: tuple[str, str, float | None, int | None]) -> Matrix:
    bare = [line for line in mine if line.defense == NONE]
    attacked = [line for line in bare if _kind(line) == kind]
    victims = list(dict.fromkeys(line.victim for line in bare))
    targets = [name for name in victims if any(line.foreign and line.victim == name for line in attacked)]
    figures = {(line.surrogate or line.victim, line.victim): line.estimate for line in attacked}
    rows = dict.fromkeys(surrogate for surrogate, target in figures if target in targets)
    first = next(line for line in attacked if line.foreign)
    return Matrix(
        *kind,
        metric=first.headline,
        surrogates=[*(name for name in victims if name in rows), *(name for name in rows if name not in victims)],
        targets=targets,
        clean={line.victim: line.estimate for line in bare if line.attack == CLEAN},
        figures=figures,
    )
