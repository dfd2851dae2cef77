"""Descriptors as points: where they lie, and where an attack takes them as its budget grows."""

from __future__ import annotations

import html
from collections.abc import Sequence

from turncoat.report.figures import GREY, PALETTE, Drawing
from turncoat.study.charts import Crowd, Neighbours, Plane, Points, Stop

COLOURS = (*PALETTE, "#cf3f36", "#5f9e1f", "#b05ad0", "#139c9c")
"""Of up to twelve groups; more have hues all round."""

OTHERS = -1
CROWDED = 400


def frame_name(attack: int | str, budget: int) -> str:
    """What the page calls one attack at one place of its slider; no attack where a figure shows all of them."""
    return f"{attack}/{budget}"


def plane_drawing(plane: Plane, crowd: Crowd, attacks: Sequence[str], budgets: Sequence[float]) -> Drawing:
    """Clean points, and the same points under each attack at each budget, one frame each; budget 0 is clean."""
    groups = _groups(crowd)
    frames = [
        _frame(plane, crowd, frame_name(place, step), _taken(plane, attack, eps), first=1 + len(groups))
        for place, attack in enumerate(attacks)
        for step, eps in enumerate(budgets)
    ]
    whole = OTHERS not in groups
    data = [*(_dots(plane.clean, crowd, group, clean=True) for group in groups)]
    data += [_trails(plane.clean, plane.clean, crowd)]
    data += [_dots(plane.clean, crowd, group, clean=False, legend=whole) for group in groups]
    reach = 1.06 * max((abs(value) for stop in plane.stops for point in stop.points for value in point), default=1.0)
    reach = max([reach, *(1.06 * abs(value) for point in plane.clean for value in point)]) or 1.0
    axes = ("feature 1", "feature 2") if plane.share is None else ("1st principal direction", "2nd principal direction")
    layout = _square(reach, axes, legend=whole)
    return {"data": data, "frames": frames, "layout": {**layout, "height": 600} if plane.share is None else layout}


def neighbours_drawing(one: Neighbours, crowd: Crowd) -> Drawing:
    """Clean points as circles and attacked ones as stars, the first of each named group large and joined."""
    groups = _groups(crowd)
    data: list[Drawing] = [_trails(one.clean, one.attacked, crowd)]
    for attacked, points in ((False, one.clean), (True, one.attacked)):
        for group in groups:
            shape = {"symbol": "star" if attacked else "circle", "size": 6 if attacked else 5}
            opacity = 0.6 if group == OTHERS else 0.8
            data.append(_scatter(points, _of(crowd, group), crowd, group, {**shape, "opacity": opacity}))
    for attacked, points in ((False, one.clean), (True, one.attacked)):
        shape = {"symbol": "star" if attacked else "circle", "size": 15 if attacked else 12}
        ring = {"width": 1.5, "color": "#ffffff"}
        chosen = [_of(crowd, group)[0] for group in groups if group != OTHERS]
        colours = [_colour(crowd, crowd.group[place]) for place in chosen]
        large = _scatter(points, chosen, crowd, None, {**shape, "color": colours, "line": ring, "opacity": 1})
        legend = {"name": "attacked" if attacked else "clean", "showlegend": True}
        data.append(large)
        data.append({**large, **legend, "x": [None], "y": [None], "marker": {"symbol": shape["symbol"], "color": GREY}})
    return {"data": data, "layout": _square(None, ("", ""), legend=True)}


def _taken(plane: Plane, attack: str, eps: float) -> Points:
    """The points at that budget, or at the next smaller one that was run."""
    stop = stop_at(plane.stops, attack, eps)
    return plane.clean if stop is None else stop.points


def stop_at(stops: Sequence[Stop], attack: str, eps: float) -> Stop | None:
    """Where the attack had come with the largest budget that is not larger."""
    reached = [stop for stop in stops if stop.attack == attack and stop.eps <= eps + 1e-9]
    return max(reached, key=lambda stop: stop.eps, default=None)


def _frame(plane: Plane, crowd: Crowd, name: str, points: Points, *, first: int) -> Drawing:
    groups = _groups(crowd)
    data = [_only(_trails(plane.clean, points, crowd))]
    data += [_only(_scatter(points, _of(crowd, group), crowd, group, {})) for group in groups]
    return {"name": name, "data": data, "traces": list(range(first - 1, first + len(groups)))}


def _only(trace: Drawing) -> Drawing:
    return {"x": trace["x"], "y": trace["y"]}


def _groups(crowd: Crowd) -> list[int]:
    """The others first, so that they lie below."""
    return sorted(set(crowd.group))


def _of(crowd: Crowd, group: int) -> list[int]:
    return [place for place, one in enumerate(crowd.group) if one == group]


def _colour(crowd: Crowd, group: int) -> str:
    if group == OTHERS:
        return GREY
    whole = len(crowd.names)
    return COLOURS[group] if whole <= len(COLOURS) else f"hsl({360 * group // whole}, 62%, {(44, 58)[group % 2]}%)"


def _dots(points: Points, crowd: Crowd, group: int, *, clean: bool, legend: bool = False) -> Drawing:
    many, others = len(points) > CROWDED, group == OTHERS
    if clean:
        marker: Drawing = {"symbol": "circle-open", "size": 4 if many else 6, "opacity": 0.5 if others else 0.7}
    else:
        marker = {"symbol": "circle", "size": 5 if others or many else 8, "opacity": 0.55 if others else 0.8}
    return {**_scatter(points, _of(crowd, group), crowd, group, marker), "showlegend": legend}


def _scatter(points: Points, chosen: Sequence[int], crowd: Crowd, group: int | None, marker: Drawing) -> Drawing:
    """Some of the points; `group` None where they are of several groups."""
    colour = {} if group is None else {"color": _colour(crowd, group)}
    name = "others" if group is None or group == OTHERS else html.escape(crowd.names[group])
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [points[place][0] for place in chosen],
        "y": [points[place][1] for place in chosen],
        "marker": {**colour, **marker},
        "hovertemplate": f"{name}<extra></extra>",
        "showlegend": False,
    }


def _trails(start: Points, end: Points, crowd: Crowd) -> Drawing:
    """Lines from where the first of each named group was to where it is."""
    firsts = [_of(crowd, group)[0] for group in _groups(crowd) if group != OTHERS]
    x, y = ([value for place in firsts for value in (start[place][i], end[place][i], None)] for i in (0, 1))
    line = {"color": GREY, "width": 1}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": line,
        "opacity": 0.7,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _cross() -> list[Drawing]:
    """Lines through the origin, which neither theme paints over."""
    line = {"type": "line", "layer": "below", "opacity": 0.6, "line": {"color": GREY, "width": 1}}
    across = {"x0": 0, "x1": 1, "xref": "x domain", "y0": 0, "y1": 0}
    return [{**line, **across}, {**line, "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "y domain"}]


def _square(reach: float | None, titles: tuple[str, str], *, legend: bool) -> Drawing:
    """A square plane; without a reach its axes have no meaning and no numbers."""
    bound: Drawing = {"showticklabels": False, "zeroline": False} if reach is None else {"range": [-reach, reach]}
    sides = [{**bound, "title": {"text": title}, "constrain": "domain"} for title in titles]
    return {
        "margin": {"l": 44 if reach else 12, "r": 12, "t": 10, "b": 44 if reach else 12},
        "height": 440,
        "hovermode": "closest",
        "xaxis": sides[0],
        "yaxis": {**sides[1], "scaleanchor": "x"},
        "shapes": _cross() if reach else [],
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "itemsizing": "constant"},
    }
