"""A study as the list of its cells: one row of the table each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from turncoat.study.plan import Audit
from turncoat.study.specs import AttackSpec, DataSpec, VictimSpec

NONE, OBLIVIOUS, ADAPTIVE, TRANSFER = "none", "oblivious", "adaptive", "transfer"
CLEAN, SAVED = "clean", "saved"
CONTROLS = ("noise", "sign_noise")


@dataclass(frozen=True)
class Cell:
    """One attack at one budget and seed against one victim behind one defence ('none' for none).

    `stance` says what the attacker knows: 'none' where there is no defence or no attack, 'oblivious' when it does
    not know of the defence, 'adaptive' when it attacks through it, 'transfer' when the images were made on another
    victim, the `surrogate`.
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
    surrogate: str = ""


def cells(place: int, audit: Audit, data: DataSpec, victim: VictimSpec, defenses: list[tuple[str, bool]]) -> list[Cell]:
    """The cells of one victim on one data set; `defenses` are names, and whether each can be attacked adaptively."""
    return list(_cells(place, audit, data.label or data.name, victim.name, defenses))


def _cells(place: int, audit: Audit, data: str, victim: str, defenses: list[tuple[str, bool]]) -> Iterator[Cell]:
    for defense in ("none", *(name for name, _ in defenses)):
        yield Cell(place, data, victim, defense, NONE, CLEAN, 0.0, 0)
    for kind in dict.fromkeys(spec.roundtrip for spec in audit.attacks if spec.roundtrip != "none"):
        saved = AttackSpec(name=SAVED, roundtrip=kind)
        yield Cell(place, data, victim, "none", NONE, f"{CLEAN}, {kind}", 0.0, 0, saved)
    for spec in audit.attacks:
        label = spec.label or spec.name
        for eps in audit.budgets if spec.budgets is None else spec.budgets:
            for seed in audit.seeds:
                yield Cell(place, data, victim, "none", NONE, label, eps, seed, spec)
                for name, known in defenses:
                    yield Cell(place, data, victim, name, OBLIVIOUS, label, eps, seed, spec)
                    if known:
                        yield Cell(place, data, victim, name, ADAPTIVE, label, eps, seed, spec)


def transferred(place: int, audit: Audit, data: DataSpec, target: VictimSpec) -> list[Cell]:
    """The cells of one victim under images that were made on the audit's surrogates, without a defence."""
    plan = audit.transfer
    if plan is None or (plan.targets is not None and target.name not in plan.targets):
        return []
    alone = [spec.name for spec in audit.victims] if plan.surrogates is None else plan.surrogates
    return [
        Cell(place, data.label or data.name, target.name, "none", TRANSFER, label, eps, seed, spec, surrogate)
        for surrogate in (*alone, *plan.ensembles)
        if surrogate != target.name
        for spec in audit.attacks
        for label in [spec.label or spec.name]
        for eps in (audit.budgets if spec.budgets is None else spec.budgets)
        if plan.takes(label, eps)
        for seed in audit.seeds
    ]


def at_home(cell: Cell) -> Cell:
    """The cell of the surrogate's own bench in which the images of a transferred cell are made."""
    return replace(cell, victim=cell.surrogate, stance=NONE, surrogate="")


def carried(audit: Audit, cell: Cell) -> bool:
    """Whether the images of this cell are judged on other victims too."""
    plan = audit.transfer
    if plan is None or cell.spec is None or cell.spec.name == SAVED or cell.defense != "none" or cell.stance != NONE:
        return False
    chosen = plan.surrogates is None or cell.victim in plan.surrogates
    return chosen and plan.takes(cell.attack, cell.eps)
