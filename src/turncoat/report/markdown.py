"""The rows of a run as Markdown tables, for notes and papers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from turncoat.report.names import is_share
from turncoat.study.lines import Line, eps_text, in_order, interval
from turncoat.tasks.metrics.estimate import NOTHING, Estimate

WHO = ("defense", "stance", "attack", "eps")


def markdown(told: Sequence[Line]) -> str:
    """One table for each task, data set and victim: figures in percent with 95 % intervals, and passes per sample."""
    fronts = dict.fromkeys(line.front[:3] for line in told)
    return "\n".join(text for front in fronts for text in _table([line for line in told if line.front[:3] == front]))


def _table(mine: Sequence[Line]) -> Iterator[str]:
    names = list(dict.fromkeys(name for line in mine for name in line.metrics))
    yield f"\n**{' · '.join(mine[0].front[:3])}**, n = {mine[0].n}\n"
    yield f"| {' | '.join((*WHO, *names, 'passes'))} |"
    yield "|---" * len(WHO) + "|---:" * (len(names) + 1) + "|"
    for line in in_order(mine):
        who = line.defense, line.stance, line.attack, eps_text(line.eps, line.norm)
        figures = [_figure(line.metrics.get(name, NOTHING), name) for name in names]
        yield f"| {' | '.join((*who, *figures, f'{(line.forwards + line.backwards) / line.n:.1f}'))} |"


def _figure(estimate: Estimate, metric: str) -> str:
    if math.isnan(estimate.value):
        return ""
    return f"{100 * estimate.value:.1f}{interval(estimate)}" if is_share(metric) else f"{estimate.value:.3f}"
