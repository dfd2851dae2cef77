"""One sentence for each victim behind each defence: what the strongest informed attacker leaves of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from turncoat.study.cells import CLEAN, NONE, OBLIVIOUS
from turncoat.study.lines import WORST, Line, eps_text, lines, percent
from turncoat.tasks.metrics.estimate import NOTHING, Estimate


@dataclass(frozen=True)
class Verdict:
    """The headline of one victim behind one defence.

    `attacked` is the sample-by-sample worst of `attacks` informed attacks at the largest budget `eps` (None: without
    a bound); nothing where no informed attack was made, and then `adaptive` is False.
    """

    task: str
    data: str
    victim: str
    defense: str
    metric: str
    clean: Estimate
    attacked: Estimate
    norm: str
    eps: float | None
    attacks: int
    n: int
    adaptive: bool
    sentence: str


def verdicts(rows: Iterable[Mapping[str, object]]) -> list[Verdict]:
    """The verdicts of the rows of summary.json, in their order."""
    table = lines(rows)
    own = [line for line in table if not line.foreign]
    carried = {line.front for line in table if line.foreign}
    fronts = dict.fromkeys(line.front for line in own)
    return [_verdict([line for line in own if line.front == front], carried=front in carried) for front in fronts]


def largest(worst: Sequence[Line]) -> Line | None:
    """The worst-of-attacks row that is the headline: Linf if there is one, at the largest budget with a bound."""
    informed = [line for line in worst if line.attack == WORST and line.informed]
    bounded = [line for line in informed if line.eps is not None] or informed
    same = [line for line in bounded if line.norm == "linf"] or bounded
    return max(same, key=lambda line: line.budget, default=None)


def _verdict(mine: Sequence[Line], *, carried: bool) -> Verdict:
    first = mine[0]
    clean = next((line for line in mine if line.attack == CLEAN), None)
    worst = largest(mine)
    rivals = {line.attack for line in mine if worst is not None and _same_place(line, worst) and line.hostile}
    before = clean.estimate if clean else NOTHING
    after = worst.estimate if worst else NOTHING
    return Verdict(
        *first.front,
        metric=first.headline,
        clean=before,
        attacked=after,
        norm=worst.norm if worst else "linf",
        eps=worst.eps if worst else None,
        attacks=len(rivals),
        n=first.n,
        adaptive=worst is not None,
        sentence=_sentence(mine, before, worst, sorted(rivals)) if worst else _unknown(mine, before, carried=carried),
    )


def _same_place(line: Line, worst: Line) -> bool:
    return (line.stance, line.norm, line.eps) == (worst.stance, worst.norm, worst.eps)


def _sentence(mine: Sequence[Line], clean: Estimate, worst: Line, rivals: Sequence[str]) -> str:
    first = mine[0]
    knowing = "" if first.defense == NONE else "adaptive, "
    how = f"{knowing}worst of {len(rivals)} attacks" if len(rivals) != 1 else f"{knowing}{rivals[0]} alone"
    if math.isnan(worst.estimate.value):
        return f"{_who(first)}: {first.headline} could not be measured {_at(worst)} ({how})"
    moves = f"{_moves(clean, worst.estimate)} {percent(worst.estimate)}"
    return f"{_who(first)}: {first.headline} {moves} {_at(worst)} ({how})"


def _who(line: Line) -> str:
    return line.victim if line.defense == NONE else f"{line.victim} behind {line.defense}"


def _at(worst: Line) -> str:
    return "without a bound" if worst.eps is None else f"at {eps_text(worst.eps, worst.norm)}"


def _moves(clean: Estimate, attacked: Estimate) -> str:
    before = "not measured" if math.isnan(clean.value) else f"{100 * clean.value:.1f} %"
    if before == f"{100 * attacked.value:.1f} %":
        return "stays at"
    return f"{'rises' if attacked.value > clean.value else 'falls'} from {before} to"


def _unknown(mine: Sequence[Line], clean: Estimate, *, carried: bool) -> str:
    """What can be said of a defence that no informed attacker has met; `carried`: images made on others were tried."""
    metric, who = mine[0].headline, _who(mine[0])
    if mine[0].defense == NONE:
        attacked = "was attacked with images made on other victims only" if carried else "was not attacked"
        return f"{who}: {metric} is {percent(clean)} on clean images; it {attacked}"
    unaware = [line for line in mine if line.stance == OBLIVIOUS and not math.isnan(line.estimate.value)]
    if not unaware:
        return f"{who}: {metric} is {percent(clean)} on clean images; not evaluated adaptively"
    eps = max(line.budget for line in unaware)
    least = min((line for line in unaware if line.budget == eps), key=lambda line: line.estimate.value)
    return (
        f"{who}: not evaluated adaptively; the {percent(least.estimate)} of {metric} left by an attacker who does not "
        f"know of it ({least.attack} at {eps_text(least.eps, least.norm)}) says nothing about robustness"
    )
