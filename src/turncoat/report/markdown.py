"""The rows of a run as Markdown tables, for notes and papers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from turncoat.report.facts import left_out, threat
from turncoat.report.names import attack_name, is_share
from turncoat.report.transfer import Transfer, transfers
from turncoat.study.lines import Line, eps_text, in_order, interval
from turncoat.tasks.metrics.estimate import NOTHING, Estimate

WHO = ("defense", "stance", "attack", "eps")


def markdown(told: Sequence[Line]) -> str:
    """One table for each task, data set and victim: figures in percent with 95 % intervals, and passes per sample.

    Transfers follow, a table for each task and data set.
    """
    own = [line for line in told if not line.foreign]
    fronts = dict.fromkeys(line.front[:3] for line in own)
    tables = [text for front in fronts for text in _table([line for line in own if line.front[:3] == front])]
    return "\n".join([*tables, *(text for one in transfers(told) for text in _transfer(one))])


def _table(mine: Sequence[Line]) -> Iterator[str]:
    names = list(dict.fromkeys(name for line in mine for name in line.metrics))
    yield f"\n**{' · '.join(mine[0].front[:3])}**, n = {mine[0].n}\n"
    facts = " ".join(filter(None, (threat(mine), left_out(mine))))
    if facts:
        yield f"{facts}\n"
    yield f"| {' | '.join((*WHO, *names, 'passes'))} |"
    yield "|---" * len(WHO) + "|---:" * (len(names) + 1) + "|"
    for line in in_order(mine):
        attack = attack_name(line.attack) if line.resaved else line.attack
        who = line.defense, line.stance, attack, eps_text(line.eps, line.norm)
        figures = [_figure(line.metrics.get(name, NOTHING), name) for name in names]
        yield f"| {' | '.join((*who, *figures, f'{(line.forwards + line.backwards) / line.n:.1f}'))} |"


def _transfer(one: Transfer) -> Iterator[str]:
    metric = one.matrices[0].metric
    targets = list(dict.fromkeys(name for matrix in one.matrices for name in matrix.targets))
    yield f"\n**transfer · {one.task} · {one.data}**, n = {one.n}, {metric}, made on (rows) and judged on (columns)\n"
    yield f"| attack | eps | made on | {' | '.join(targets)} |"
    yield "|---" * 3 + "|---:" * len(targets) + "|"
    clean = one.matrices[0].clean
    yield f"| clean |  |  | {' | '.join(_figure(clean.get(name, NOTHING), metric) for name in targets)} |"
    for matrix in one.matrices:
        for surrogate in matrix.surrogates:
            who = matrix.attack, eps_text(matrix.eps, matrix.norm), surrogate
            figures = [_figure(matrix.figures.get((surrogate, name), NOTHING), metric) for name in targets]
            yield f"| {' | '.join((*who, *figures))} |"


def _figure(estimate: Estimate, metric: str) -> str:
    if math.isnan(estimate.value):
        return ""
    return f"{100 * estimate.value:.1f}{interval(estimate)}" if is_share(metric) else f"{estimate.value:.3f}"
