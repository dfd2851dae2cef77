"""Signs that a number cannot be believed, or that it can: read from the rows of a summary alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

from turncoat.study.cells import ADAPTIVE, CLEAN, NONE, OBLIVIOUS
from turncoat.study.lines import WORST, Line, eps_text, interval, lines, percent
from turncoat.study.store import Store
from turncoat.study.verdicts import largest, verdicts
from turncoat.tasks.metrics.estimate import Estimate

Level = Literal["warning", "note", "good"]
Found = Iterator["Finding"]

WIDE = 0.2
"""An interval wider than this many parts of one says little."""

SLIGHT = 0.02
"""A difference inside the intervals that is still worth a note."""


@dataclass(frozen=True)
class Finding:
    """One thing to know before believing a number: about which defence or attack, and what it is.

    `front` is where it belongs: task, data set and victim.
    """

    level: Level
    subject: str
    text: str
    front: tuple[str, str, str] = ("", "", "")


def diagnose(rows: Iterable[Mapping[str, object]]) -> list[Finding]:
    """The findings of the rows of summary.json: warnings first, then notes, then what speaks for the numbers.

    Carlini et al. (2019), "On evaluating adversarial robustness", section 5, and Athalye et al. (2018), section 3.1,
    list such signs; the rules and their thresholds are ours.
    """
    table = [line for line in lines(rows) if not line.foreign]
    checks: tuple[Callable[[Sequence[Line]], Found], ...] = (
        _never_informed,
        _no_better_than_noise,
        _informed_but_weaker,
        _budget_without_effect,
        _too_few,
    )
    found: list[Finding] = []
    for mine in _by(table, lambda line: line.front):
        useless = list(_nothing_to_break(mine))
        found += useless or [finding for check in checks for finding in check(mine)]
    for victim in _by(table, lambda line: line.front[:3]):
        if victim[0].untrained:
            found.append(_find("warning", victim[0], "It has no weights: its figures are those of a random network."))
        found += [*_bare_stands(victim), *_defenses(victim)]
    order = ("warning", "note", "good")
    return sorted(dict.fromkeys(found), key=lambda finding: order.index(finding.level))


def write_diagnosis(rows: Sequence[Mapping[str, object]], store: Store) -> None:
    """Write `diagnosis.json`: the findings, and the verdicts they qualify."""
    told = [{name: _plain(value) for name, value in asdict(verdict).items()} for verdict in verdicts(rows)]
    store.write_json("diagnosis.json", {"findings": [asdict(one) for one in diagnose(rows)], "verdicts": told})


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _by(table: Sequence[Line], key: Callable[[Line], object]) -> list[list[Line]]:
    keys = dict.fromkeys(key(line) for line in table)
    return [[line for line in table if key(line) == one] for one in keys]


def _find(level: Level, line: Line, text: str, *, attack: bool = False) -> Finding:
    who = line.victim if line.defense == NONE else f"{line.victim} behind {line.defense}"
    return Finding(level, who + (f", {line.attack}" if attack else ""), text, line.front[:3])


def _nothing_to_break(mine: Sequence[Line]) -> Found:
    """A model that is hardly ever right when clean cannot be attacked, and then the other signs mean nothing."""
    clean = _clean(mine)
    if clean is not None and clean.estimate.high < WIDE:
        text = f"Only {percent(clean.estimate)} of {clean.headline} on clean images: there is hardly anything to break."
        yield _find("warning", clean, text)


def _never_informed(mine: Sequence[Line]) -> Found:
    """A defence that was only attacked by somebody who does not know of it, or a victim not attacked at all."""
    if mine[0].defense != NONE and not any(line.stance == ADAPTIVE for line in mine):
        text = "Not evaluated adaptively: the purifier declares no way to be attacked through, so no number here "
        yield _find("warning", mine[0], text + "speaks for its robustness.")
    attacks = [line for line in mine if line.informed and line.hostile]
    if attacks and all(line.control for line in attacks):
        text = "Only noise was tried: that is a control, not an attack, and no measure of robustness."
        yield _find("warning", mine[0], text)
    if attacks and not any(line.control for line in attacks):
        text = "No noise of the same budget was tried beside the attacks: add sign_noise, the control of every audit."
        yield _find("warning", mine[0], text)


def _no_better_than_noise(mine: Sequence[Line]) -> Found:
    """An attack that does no more than noise of the same size has failed."""
    for group in _by([line for line in mine if line.informed and line.hostile], lambda line: line.norm):
        noise = {line.eps: line for line in group if line.control}
        for attack in _by([one for one in group if not one.control], lambda line: line.attack):
            pairs = [(line, noise[line.eps]) for line in attack if line.eps in noise and _known(line, noise[line.eps])]
            if pairs and all(not _below(line.estimate, control.estimate) for line, control in pairs):
                text = f"No better than noise, within the intervals, at any budget ({_budgets(attack)}): "
                yield _find("warning", attack[0], text + "it fails here, or n is too small to tell.", attack=True)


def _informed_but_weaker(mine: Sequence[Line]) -> Found:
    """Who knows of a defence can always do what the ignorant do; if he does worse, his gradients mislead him."""
    places = {(one.attack, one.norm, one.eps, one.seed): one for one in mine if one.stance == OBLIVIOUS}
    informed = [line for line in mine if line.stance == ADAPTIVE and line.attack != WORST]
    pairs = [(one, places[key]) for one in informed if (key := (one.attack, one.norm, one.eps, one.seed)) in places]
    for attack in _by([one for one, _ in pairs], lambda line: line.attack):
        known = [(one, other) for one, other in pairs if one.attack == attack[0].attack]
        clearly = [one for one, other in known if _below(other.estimate, one.estimate)]
        slightly = [one for one, other in known if one.estimate.value - other.estimate.value > SLIGHT]
        if clearly:
            text = f"Weaker when it knows the defence than when it does not ({_budgets(clearly)}): the defence masks "
            yield _find("warning", attack[0], text + "gradients, and its figure is too good.", attack=True)
        elif slightly:
            text = f"Slightly weaker when it knows the defence ({_budgets(slightly)}), within the intervals: "
            yield _find("note", attack[0], text + "masked gradients are possible.", attack=True)


def _budget_without_effect(mine: Sequence[Line]) -> Found:
    """The headline must fall with the budget, down to the floor."""
    for group in _by([one for one in mine if one.attack == WORST and one.eps], lambda line: line.norm):
        ordered = sorted(group, key=lambda line: line.budget)
        low, high = ordered[0], ordered[-1]
        if len(ordered) < 2 or low.estimate.high < WIDE:
            continue
        if not _below(high.estimate, low.estimate):
            text = (
                f"A larger budget does not lower {low.headline}: {percent(low.estimate)} at {_budgets([low])}, "
                f"{percent(high.estimate)} at {_budgets([high])}. Suspect masked gradients or too few steps."
            )
            yield _find("warning", low, text)
        rising = [two for one, two in pairwise(ordered) if _below(one.estimate, two.estimate)]
        if rising:
            text = f"{low.headline} rises with the budget at {_budgets(rising)}: the attack does not use what it may."
            yield _find("warning", low, text)


def _too_few(mine: Sequence[Line]) -> Found:
    """An interval too wide to tell one defence from another."""
    worst = largest(mine)
    if worst is None or not worst.estimate.high - worst.estimate.low > WIDE:
        return
    text = (
        f"With n = {worst.n} the interval of the headline{interval(worst.estimate)} is "
        f"{100 * (worst.estimate.high - worst.estimate.low):.0f} points wide; about 400 independent samples give 10."
    )
    yield _find("note", worst, text)


def _bare_stands(victim: Sequence[Line]) -> Found:
    """An undefended network is expected to break at 8/255."""
    bare = [line for line in victim if line.defense == NONE]
    clean, worst = _clean(bare), largest(bare)
    if (
        clean is None
        or worst is None
        or clean.estimate.high < WIDE
        or worst.norm != "linf"
        or worst.budget < 8 / 255 - 1e-9
    ):
        return
    kept = worst.estimate.value / clean.estimate.value if clean.estimate.value else math.nan
    if kept > 0.5:
        text = (
            f"Still {percent(worst.estimate)} of {worst.headline} at {eps_text(worst.eps, worst.norm)} with no defence "
            "at all: unless it was trained adversarially, suspect masked gradients or a weak attack."
        )
        yield _find("warning", worst, text)


def _defenses(victim: Sequence[Line]) -> Found:
    """What each defence costs on clean images, and what is left of its gain once the attacker knows of it."""
    bare = [line for line in victim if line.defense == NONE]
    for mine in _by([line for line in victim if line.defense != NONE], lambda line: line.defense):
        before, after = _clean(bare), _clean(mine)
        if before and after and _below(after.estimate, before.estimate):
            values = f"{percent(after.estimate)}, {percent(before.estimate)} without it"
            text = f"Costs clean {after.headline}: {values}."
            yield _find("note", after, text)
        yield from _gain(bare, mine)


def _gain(bare: Sequence[Line], mine: Sequence[Line]) -> Found:
    floor, worst = largest(bare), largest(mine)
    if floor is None or worst is None or (floor.norm, floor.eps) != (worst.norm, worst.eps):
        return
    unaware = [one for one in mine if one.stance == OBLIVIOUS and (one.norm, one.eps) == (worst.norm, worst.eps)]
    seeming = min(unaware, key=lambda line: line.estimate.value, default=None)
    at = eps_text(worst.eps, worst.norm)
    if _below(floor.estimate, worst.estimate):
        text = (
            f"Keeps {percent(worst.estimate)} at {at} against an attacker who knows of it, "
            f"where the bare victim keeps {percent(floor.estimate)}."
        )
        yield _find("good", worst, text)
    elif seeming is not None and _below(floor.estimate, seeming.estimate):
        text = (
            f"Its gain at {at} vanishes: {percent(seeming.estimate)} while the attacker does not know of it, "
            f"{percent(worst.estimate)} once he does ({percent(floor.estimate)} without it)."
        )
        yield _find("warning", worst, text)


def _clean(mine: Sequence[Line]) -> Line | None:
    return next((line for line in mine if line.attack == CLEAN), None)


def _known(*chosen: Line) -> bool:
    return not any(math.isnan(line.estimate.value) for line in chosen)


def _below(one: Estimate, other: Estimate) -> bool:
    """Whether the one is lower beyond both intervals; an interval that is not known (NaN) decides nothing."""
    return one.high < other.low


def _budgets(chosen: Iterable[Line]) -> str:
    return ", ".join(dict.fromkeys(eps_text(line.eps, line.norm) for line in chosen))
