"""The figures of a report, as the plain mappings that Plotly draws; names are escaped, since Plotly reads tags."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from turncoat.report.names import attack_name, defense_name, is_share
from turncoat.study.cells import CLEAN, NONE, OBLIVIOUS
from turncoat.study.lines import WORST, Line, eps_text

Drawing = dict[str, object]
Point = tuple[float, float, float, float]

# After Okabe and Ito (2008), whose colours the colour-blind tell apart; black is left out for the sake of dark pages.
PALETTE = ("#2b7bba", "#e08a00", "#009e73", "#c2659a", "#4fb0e5", "#9a8700", "#7667c9", "#a0522d")
GREY, WORST_COLOUR = "#8a8f98", "#d4500a"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "hexagon")


def headline_curve(table: Sequence[Line]) -> Drawing:
    """The headline against the budget: one line and band per defence; dashed what an oblivious attacker leaves."""
    traces: list[Drawing] = []
    metric = table[0].headline
    for place, defense in enumerate(dict.fromkeys(line.defense for line in table)):
        colour = GREY if defense == NONE else PALETTE[(place - 1) % len(PALETTE)]
        mine = [line for line in table if line.defense == defense]
        start = [line for line in mine if line.attack == CLEAN]
        worst = _points([*start, *(line for line in mine if line.attack == WORST and line.informed)], metric)
        unaware = _points([*start, *_strongest(line for line in mine if line.stance == OBLIVIOUS)], metric)
        label = html.escape(defense_name(defense))
        if len(worst) > len(start):
            name = label if defense == NONE else f"{label}, adaptive"
            traces += [_band(worst, colour), _curve(worst, colour, name, symbol=SYMBOLS[place % len(SYMBOLS)], width=3)]
        if len(unaware) > len(start):
            traces.append(_curve(unaware, colour, f"{label}, oblivious", dash="dot", symbol="circle-open", width=1.5))
    layout = {**_axes(table, metric), "height": 400, "showlegend": True}
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    return {"data": traces, "layout": layout}


def metric_panel(table: Sequence[Line], metric: str) -> Drawing:
    """One metric against the budget: a colour per attack, dotted where the attacker is oblivious.

    `meta` of a trace is the place of its defence, so that the page can show one defence at a time.
    """
    traces: list[Drawing] = []
    styles = attack_styles(table)
    defenses = list(dict.fromkeys(line.defense for line in table))
    runs = dict.fromkeys((one.defense, one.attack, one.stance, one.seed) for one in table if one.attack != CLEAN)
    for defense, attack, stance, seed in runs:
        mine = [
            one for one in table if (one.defense, one.attack, one.stance, one.seed) == (defense, attack, stance, seed)
        ]
        start = [line for line in table if line.defense == defense and line.attack == CLEAN]
        points = _points([*start, *mine], metric)
        colour, symbol = styles[attack]
        if points:
            knowing = ", oblivious" if stance == OBLIVIOUS else ""
            name = html.escape(attack_name(attack)) + knowing
            dash, width = ("dot" if stance == OBLIVIOUS else "solid"), (3.5 if attack == WORST else 2)
            curve = _curve(points, colour, name, dash=dash, symbol=symbol, width=width, bars=attack != WORST)
            traces.append({**curve, "meta": defenses.index(defense), "visible": defense == defenses[0]})
    return {"data": traces, "layout": {**_axes(table, metric, small=True), "height": 250, "showlegend": False}}


def attack_styles(table: Sequence[Line]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each attack."""
    styles = {WORST: (WORST_COLOUR, "circle")}
    attacks = dict.fromkeys(line.attack for line in table if line.hostile)
    loud = {line.attack for line in table if line.control}
    for place, attack in enumerate(one for one in attacks if one not in loud):
        styles[attack] = PALETTE[place % len(PALETTE)], SYMBOLS[(place + 1) % len(SYMBOLS)]
    return {**styles, **{attack: (GREY, "x") for attack in attacks if attack in loud}}


def cost_bars(table: Sequence[Line]) -> Drawing:
    """Passes per sample and budget of each attack, forwards and backwards, by what stood in front of the victim."""
    spent = [line for line in table if line.hostile]
    kinds = dict.fromkeys((line.attack, line.defense, line.stance) for line in spent)
    labels, forwards, backwards = [], [], []
    for kind in reversed(kinds):
        mine = [line for line in spent if (line.attack, line.defense, line.stance) == kind]
        samples = sum(line.n for line in mine) or 1
        attack, defense, stance = kind
        labels.append(html.escape(attack + (f" · {defense}, {stance}" if defense != NONE else " · bare")))
        forwards.append(sum(line.forwards for line in mine) / samples)
        backwards.append(sum(line.backwards for line in mine) / samples)
    bars = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": labels,
            "x": passes,
            "marker": {"color": colour},
            "hovertemplate": "%{y}: %{x:.1f} " + name + "<extra></extra>",
        }
        for name, passes, colour in (("forward", forwards, PALETTE[4]), ("backward", backwards, PALETTE[0]))
    ]
    layout = {
        "barmode": "stack",
        "height": 110 + 22 * len(labels),
        "margin": {"l": 10, "r": 10, "t": 10, "b": 44},
        "xaxis": {"title": {"text": "passes per sample and budget"}, "rangemode": "tozero"},
        "yaxis": {"automargin": True},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
    }
    return {"data": bars, "layout": layout}


def _strongest(unaware: Iterable[Line]) -> list[Line]:
    """At each budget the row that leaves least of the headline."""
    best: dict[float, Line] = {}
    for line in unaware:
        if line.budget not in best or line.estimate.value < best[line.budget].estimate.value:
            best[line.budget] = line
    return list(best.values())


def _points(chosen: Iterable[Line], metric: str) -> list[Point]:
    """(budget, value, low, high) by budget, where there is something to draw."""
    found = [
        (line.budget, one.value, one.low, one.high)
        for line in chosen
        if (one := line.metrics.get(metric)) is not None and not math.isnan(one.value) and math.isfinite(line.budget)
    ]
    return sorted(found)


def _curve(
    points: Sequence[Point],
    colour: str,
    name: str,
    *,
    dash: str = "solid",
    symbol: str = "circle",
    width: float = 2,
    bars: bool = False,
) -> Drawing:
    trace: Drawing = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [point[0] for point in points],
        "y": [point[1] for point in points],
        "customdata": [[_plain(point[2]), _plain(point[3])] for point in points],
        "line": {"color": colour, "dash": dash, "width": width},
        "marker": {"color": colour, "symbol": symbol, "size": 7},
        "hovertemplate": "%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra>" + name + "</extra>",
    }
    if bars:
        ups = [_plain(high - value) for _, value, _, high in points]
        downs = [_plain(value - low) for _, value, low, _ in points]
        reach = {"type": "data", "symmetric": False, "array": ups, "arrayminus": downs}
        trace["error_y"] = {**reach, "color": colour, "thickness": 1, "width": 3}
    return trace


def _band(points: Sequence[Point], colour: str) -> Drawing:
    known = [point for point in points if not math.isnan(point[2] + point[3])]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [point[0] for point in [*known, *reversed(known)]],
        "y": [*(point[3] for point in known), *(point[2] for point in reversed(known))],
        "fill": "toself",
        "fillcolor": f"rgba({red}, {green}, {blue}, 0.16)",
        "line": {"width": 0, "color": colour},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _axes(table: Sequence[Line], metric: str, *, small: bool = False) -> Drawing:
    """The axes of a curve; a small one has room for 255ths without saying so at every tick."""
    budgets = sorted({line.budget for line in table if math.isfinite(line.budget)})
    norm = next((line.norm for line in table if line.attack != CLEAN), "linf")
    short = small and norm == "linf"
    percent: Mapping[str, object] = {"range": [-0.02, 1.04], "tickformat": ".0%", "dtick": 0.25}
    if metric.endswith("_change"):
        percent = {"tickformat": "+.0%", "zeroline": True}
    title = "L2 length" if norm == "l2" else "largest change" + (", in 255ths" if short else "")
    return {
        "margin": {"l": 48, "r": 12, "t": 10, "b": 44},
        "hovermode": "closest",
        "xaxis": {
            "title": {"text": f"budget ({title})"},
            "tickvals": budgets,
            "ticktext": [f"{255 * budget:.3g}" if short else eps_text(budget, norm) for budget in budgets],
            "range": [-0.04 * budgets[-1], 1.04 * budgets[-1]] if budgets and budgets[-1] else [-0.1, 1],
            "tickangle": 0,
            "zeroline": False,
        },
        "yaxis": dict(percent) if is_share(metric) else {"zeroline": True, "tickformat": ".1f"},
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
