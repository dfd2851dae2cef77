"""A study as the list of its cells: one row of the table each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from turncoat.study.plan import AttackSpec, Audit, DataSpec, VictimSpec

NONE, OBLIVIOUS, ADAPTIVE = "none", "oblivious", "adaptive"
CLEAN = "clean"
CONTROLS = ("noise", "sign_noise")


@dataclass(frozen=True)
class Cell:
    """One attack at one budget and seed against one victim behind one defence ('none' for none).

    `stance` says what the attacker knows: 'none' where there is no defence or no attack, 'oblivious' when it does
    not know of the defence, 'adaptive' when it attacks through it.
    """

    audit: int
    data: str
    victim: str
    defense: str
    stance: str
    attack: str
    eps: float
    seed: int
    spec: AttackSpec | None = None


def cells(place: int, audit: Audit, data: DataSpec, victim: VictimSpec, defenses: list[tuple[str, bool]]) -> list[Cell]:
    """The cells of one victim on one data set; `defenses` are names, and whether each can be attacked adaptively."""
    return list(_cells(place, audit, data.label or data.name, victim.name, defenses))


def _cells(place: int, audit: Audit, data: str, victim: str, defenses: list[tuple[str, bool]]) -> Iterator[Cell]:
    for defense in ("none", *(name for name, _ in defenses)):
        yield Cell(place, data, victim, defense, NONE, CLEAN, 0.0, 0)
    for spec in audit.attacks:
        label = spec.label or spec.name
        for eps in audit.budgets if spec.budgets is None else spec.budgets:
            for seed in audit.seeds:
                yield Cell(place, data, victim, "none", NONE, label, eps, seed, spec)
                for name, known in defenses:
                    yield Cell(place, data, victim, name, OBLIVIOUS, label, eps, seed, spec)
                    if known:
                        yield Cell(place, data, victim, name, ADAPTIVE, label, eps, seed, spec)
