"""What the page shows of descriptors and ranks under attack: figures that one slider moves together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turncoat.report.clouds import OTHERS, frame_name, neighbours_drawing, plane_drawing
from turncoat.report.figures import Drawing
from turncoat.report.names import attack_name, defense_name, interval_text, is_share, metric_name, value_text
from turncoat.report.ridges import cosine_ridges, shift_ridges
from turncoat.study.cells import CLEAN
from turncoat.study.charts import Map
from turncoat.study.lines import WORST, Line, eps_text


@dataclass(frozen=True)
class Laid:
    """Clean and attacked descriptors side by side: by which method, under which attack, and the name of the figure."""

    method: str
    attack: str
    eps: str
    figure: str


@dataclass(frozen=True)
class MapView:
    """The figures of one defence by name, empty where there is none.

    `captions` are by frame, as `frame_name` calls them, and `attack` is the place of the one that is shown at first.
    `named` groups of points have a colour, which are `everybody` or not.
    """

    id: str
    label: str
    attacks: Sequence[str]
    budgets: Sequence[str]
    captions: Mapping[str, str]
    attack: int
    plane: str
    share: float | None
    everybody: bool
    named: int
    laid: Sequence[Laid]
    cosines: str
    shifts: str
    left_out: int


def map_views(
    maps: Sequence[Map],
    table: Sequence[Line],
    name: str,
    drawings: dict[str, Drawing],
    styles: Mapping[str, tuple[str, str]],
) -> list[MapView]:
    """The views of one section, whose id is `name`; their figures are put among the drawings."""
    return [_view(one, table, f"{name}-map{place}", drawings, styles) for place, one in enumerate(maps)]


def _view(
    one: Map, table: Sequence[Line], name: str, drawings: dict[str, Drawing], styles: Mapping[str, tuple[str, str]]
) -> MapView:
    attacks, steps = _run(one)
    budgets = [0.0, *sorted({eps for _, eps in steps})]
    mine = [line for line in table if line.defense == one.defense and line.informed and line.attack != WORST]

    def drawn(key: str, drawing: Drawing) -> str:
        drawings[f"{name}-{key}"] = drawing
        return f"{name}-{key}"

    return MapView(
        id=name,
        label=defense_name(one.defense) + ("" if one.norm == "linf" else f", {one.norm}"),
        attacks=[attack_name(attack) for attack in attacks],
        budgets=["0", *(eps_text(eps, one.norm) for eps in budgets[1:])],
        captions=_captions(one, mine, attacks, budgets),
        attack=_strongest(one, mine, attacks),
        plane=drawn("plane", plane_drawing(one.plane, one.crowd, attacks, budgets)) if one.plane else "",
        share=one.plane.share if one.plane else None,
        everybody=OTHERS not in one.crowd.group,
        named=len(one.crowd.names),
        laid=[
            Laid(
                laid.method,
                attack_name(laid.attack),
                eps_text(laid.eps, one.norm),
                drawn(f"laid{place}", neighbours_drawing(laid, one.crowd)),
            )
            for place, laid in enumerate(one.neighbours)
        ],
        cosines=drawn("cosines", cosine_ridges(one.cosines, budgets, styles)) if one.cosines else "",
        shifts=drawn("shifts", shift_ridges(one.shifts, budgets, styles)) if one.shifts else "",
        left_out=max((bar.left_out for bar in one.shifts.bars), default=0) if one.shifts else 0,
    )


def _run(one: Map) -> tuple[list[str], set[tuple[str, float]]]:
    """The attacks in their order, and what was run: attacks with budgets."""
    found = [(stop.attack, stop.eps) for stop in (one.plane.stops if one.plane else ())]
    found += [(bar.attack, bar.eps) for spread in (one.cosines, one.shifts) if spread for bar in spread.bars]
    return list(dict.fromkeys(attack for attack, _ in found)), set(found)


def _captions(one: Map, mine: Sequence[Line], attacks: Sequence[str], budgets: Sequence[float]) -> dict[str, str]:
    """What is seen at each place of the slider, with the first two figures of the table."""
    return {
        frame_name(place, step): _caption(one, mine, attack, eps)
        for place, attack in enumerate(attacks)
        for step, eps in enumerate(budgets)
    }


def _caption(one: Map, mine: Sequence[Line], attack: str, eps: float) -> str:
    if not eps:
        return _told("Clean images", next((line for line in mine if line.attack == CLEAN), None))
    same = [line for line in mine if (line.attack, line.norm) == (attack, one.norm) and 0 < line.budget <= eps + 1e-9]
    line = max(same, key=lambda line: (line.budget, -(line.seed or 0)), default=None)
    wanted = eps_text(eps, one.norm)
    if line is None:
        return f"{attack_name(attack)} was not run at {wanted}: clean images"
    shown = eps_text(line.eps, one.norm)
    missing = "" if shown == wanted else f" (not run at {wanted})"
    return _told(f"{attack_name(attack)} at {shown}{missing}", line)


def _told(what: str, line: Line | None) -> str:
    figures = list(line.metrics.items())[:2] if line else []
    told = [
        f"{metric_name(name)} {value_text(figure, name)}{' %' if is_share(name) else ''} {interval_text(figure, name)}"
        for name, figure in figures
    ]
    return f"{what}: {', '.join(told)}" if told else what


def _strongest(one: Map, mine: Sequence[Line], attacks: Sequence[str]) -> int:
    """The attack that was laid out, else the one with the lowest headline at its largest budget."""
    if one.neighbours and one.neighbours[0].attack in attacks:
        return attacks.index(one.neighbours[0].attack)
    real = [line for line in mine if line.attack in attacks and line.norm == one.norm and not line.control]
    worst = min(real, key=lambda line: (-line.budget, line.estimate.value), default=None)
    return attacks.index(worst.attack) if worst else 0
