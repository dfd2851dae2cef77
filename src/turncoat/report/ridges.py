"""Histograms of every attack, one above the other, at each budget."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from turncoat.report.clouds import frame_name
from turncoat.report.figures import GREY, Drawing
from turncoat.report.names import attack_name
from turncoat.study.charts import Bars, Spread

HEIGHT = 0.86


def cosine_ridges(spread: Spread, budgets: Sequence[float], styles: Mapping[str, tuple[str, str]]) -> Drawing:
    """How the cosines of attacked and clean descriptors are spread; without an attack all are 1."""
    edges = spread.edges
    centres = [(low + high) / 2 for low, high in pairwise(edges)]
    labels = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)]
    axis = {"title": {"text": "cosine to the own clean descriptor"}, "range": [edges[0], edges[-1]], "dtick": 0.5}
    width = (edges[-1] - edges[0]) / len(centres)
    return _ridges(spread, budgets, styles, _Axis(centres, labels, width, axis, len(centres) - 1))


def shift_ridges(spread: Spread, budgets: Sequence[float], styles: Mapping[str, tuple[str, str]]) -> Drawing:
    """How many places down the first right answer has moved: bins grow away from none, as on a logarithmic axis."""
    edges = [int(edge) for edge in spread.edges]
    bins = list(pairwise(edges))
    middle = bins.index((-1, 1))
    axis = {
        "title": {"text": "places that the first right answer has moved down"},
        "tickvals": [middle, *(place - 0.5 for place, edge in enumerate(edges))],
        "ticktext": ["0", *(_count(edge) for edge in edges)],
        "tickangle": 0,
        "range": [-0.6, len(bins) - 0.4],
    }
    return _ridges(
        spread,
        budgets,
        styles,
        _Axis([float(place) for place in range(len(bins))], [_moved(*one) for one in bins], 1.0, axis, middle),
    )


@dataclass(frozen=True)
class _Axis:
    """Where the bins lie and how they are called, and the bin in which everything is without an attack."""

    at: Sequence[float]
    labels: Sequence[str]
    width: float
    axis: Drawing
    still: int


def _ridges(spread: Spread, budgets: Sequence[float], styles: Mapping[str, tuple[str, str]], axis: _Axis) -> Drawing:
    attacks = list(dict.fromkeys(one.attack for one in spread.bars))
    frames = [
        {
            "name": frame_name("", step),
            "data": [_heights(_counts(spread.bars, attack, eps, axis.still)) for attack in attacks],
            "traces": list(range(len(attacks))),
        }
        for step, eps in enumerate(budgets)
    ]
    data = [
        {
            "type": "bar",
            "name": html.escape(attack_name(attack)),
            "x": list(axis.at),
            "base": len(attacks) - 1 - place,
            "width": 0.94 * axis.width,
            "marker": {"color": styles.get(attack, (GREY, ""))[0], "line": {"width": 0}},
            "hovertext": list(axis.labels),
            "hovertemplate": "%{hovertext}: %{customdata}<extra>" + html.escape(attack_name(attack)) + "</extra>",
            **_heights(_counts(spread.bars, attack, budgets[-1], axis.still)),
        }
        for place, attack in enumerate(attacks)
    ]
    names = [html.escape(attack_name(attack)) for attack in reversed(attacks)]
    layout = {
        "barmode": "overlay",
        "height": 96 + 52 * len(attacks),
        "margin": {"l": 10, "r": 12, "t": 6, "b": 44},
        "hovermode": "closest",
        "xaxis": {**axis.axis, "zeroline": False},
        "yaxis": {
            "tickvals": list(range(len(attacks))),
            "ticktext": names,
            "range": [-0.04, len(attacks)],
            "automargin": True,
            "zeroline": False,
        },
        "showlegend": False,
    }
    return {"data": data, "frames": frames, "layout": layout}


def _counts(bars: Sequence[Bars], attack: str, eps: float, still: int) -> list[int]:
    """Those at that budget, or at the next smaller one that was run; without one nothing has moved."""
    mine = [one for one in bars if one.attack == attack]
    reached = [one for one in mine if one.eps <= eps + 1e-9]
    if reached:
        return list(max(reached, key=lambda one: one.eps).counts)
    return [sum(mine[0].counts) if place == still else 0 for place in range(len(mine[0].counts))]


def _heights(counts: Sequence[int]) -> Drawing:
    """Heights as shares of the highest bar, and the counts that they stand for."""
    most = max(counts, default=0) or 1
    return {"y": [round(HEIGHT * count / most, 4) for count in counts], "customdata": list(counts)}


def _moved(low: int, high: int) -> str:
    """A bin in words."""
    if low > 0:
        return f"{low} to {high - 1} down"
    return "not moved" if high > 0 else f"{-high} to {-low - 1} up"


def _count(edge: int) -> str:
    text = f"{abs(edge) // 1000}k" if abs(edge) >= 1000 else str(abs(edge))
    return f"−{text}" if edge < 0 else text
