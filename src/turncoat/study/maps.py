"""Where attacks take descriptors: maps of them in a plane, and how far they and the ranks move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import numpy as np

from turncoat.study.bench import Bench
from turncoat.study.bins import COSINE_EDGES, cosine_counts, shift_counts, shift_edges
from turncoat.study.cells import ADAPTIVE, CLEAN, CONTROLS, NONE, SAVED, Cell
from turncoat.study.charts import Bars, Crowd, Map, Neighbours, Plane, Points, Spread, Stop
from turncoat.study.projections import Floats, has_umap, principal, tsne, umap, unit
from turncoat.study.recorded import Recorded
from turncoat.study.store import Store
from turncoat.study.summary import norm_of
from turncoat.tasks.task import Records

POINTS, MOST, IN_ALL = 256, 1000, 12_000
"""More points than this are thinned out, since the page holds them once for each attack and budget.

Where there is nothing but the plane there may be `MOST` of them, as long as they are not more than `IN_ALL` together.
"""

FEW, FIRST = 24, 10
"""Up to so many classes have a colour each; of more, the first have."""


def write_maps(work: Sequence[Bench], store: Store, features: int) -> None:
    """Write `maps.json` from the records and from the features that were kept, those of so many samples at most."""
    found = [one for bench in work for one in maps_of(Recorded(bench, store, features))]
    store.write_json("maps.json", [asdict(one) for one in found], indent=None)


def maps_of(kept: Recorded) -> Iterator[Map]:
    """The maps of one victim, defence by defence and norm by norm; none where there is nothing to show."""
    cells = kept.bench.cells()
    for clean in (cell for cell in cells if cell.attack == CLEAN):
        mine = [cell for cell in cells if cell.defense == clean.defense and _shown(kept.bench, cell)]
        for norm in dict.fromkeys(map(norm_of, mine)):
            made = _map(kept, norm, clean, [cell for cell in mine if norm_of(cell) == norm])
            if made.plane or made.neighbours or made.cosines or made.shifts:
                yield made


def _shown(bench: Bench, cell: Cell) -> bool:
    """Whether it is an attack with a budget by somebody who knows of the defence."""
    if cell.spec is None or cell.spec.name == SAVED or cell.surrogate or not 0 < cell.eps < math.inf:
        return False
    return cell.stance == (NONE if cell.defense == NONE else ADAPTIVE) and cell.seed == bench.audit.seeds[0]


def _map(kept: Recorded, norm: str, clean: Cell, attacks: Sequence[Cell]) -> Map:
    before, after = kept.records(clean), [kept.records(cell) for cell in attacks]
    turns = "cosine_to_clean" in before and kept.bench.task.perturbs != "gallery"
    count, width = kept.shared([clean, *attacks])
    most = POINTS if turns else min(MOST, max(POINTS, IN_ALL // (1 + len(attacks))))
    rows = spread(count, most) if count > 2 and (width == 2 or (turns and width > 2)) else []
    worst = attacks[_strongest(attacks, after, kept.bench.task.harm)]

    def cloud(cell: Cell) -> Floats:
        return kept.features(cell)[rows].astype(np.float64)

    return Map(
        task=kept.bench.task.label,
        data=clean.data,
        victim=clean.victim,
        defense=clean.defense,
        norm=norm,
        crowd=_crowd(kept.bench, before, rows),
        plane=_plane(cloud, clean, attacks) if rows else None,
        neighbours=_neighbours(cloud(clean), cloud(worst), worst) if rows and turns else [],
        cosines=_cosines(attacks, after) if turns else None,
        shifts=_shifts(attacks, before, after) if "first_good" in before else None,
    )


def spread(whole: int, most: int) -> list[int]:
    """At most so many places, evenly spread over the whole."""
    places: list[int] = np.linspace(0, whole - 1, min(whole, most)).round().astype(int).tolist()
    return places


def _crowd(bench: Bench, records: Records, rows: Sequence[int]) -> Crowd:
    kind = next((name for name in ("label", "person") if name in records), None)
    if kind is None:
        return Crowd([], [-1] * len(rows))
    numbers = [int(one) for one in records[kind][rows]]
    present = list(dict.fromkeys(numbers))
    shown = sorted(present) if len(present) <= FEW else present[:FIRST]
    known = bench.samples.names.get(kind, ())
    word = "class" if kind == "label" else kind
    names = [known[one] if 0 <= one < len(known) else f"{word} {one}" for one in shown]
    return Crowd(names, [shown.index(one) if one in shown else -1 for one in numbers])


def _strongest(attacks: Sequence[Cell], after: Sequence[Records], harm: Sequence[str]) -> int:
    """The place of the attack, no noise where there is another, that leaves least at the largest budget.

    What is left are the means of the `harm` columns, the first that differs deciding.
    """

    def left(records: Records, name: str) -> float:
        values = _column(records, name)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else 1.0

    def order(place: int) -> tuple[bool, float, tuple[float, ...]]:
        cell = attacks[place]
        noise = cell.spec is not None and cell.spec.name in CONTROLS
        return noise, -cell.eps, tuple(left(after[place], name) for name in harm if name in after[place])

    return min(range(len(attacks)), key=order)


def _plane(cloud: Callable[[Cell], Floats], clean: Cell, attacks: Sequence[Cell]) -> Plane:
    """Features of two numbers as they are, others as unit descriptors along the principal directions of the clean."""
    first = cloud(clean)
    if first.shape[1] == 2:
        return Plane(None, _points(first), [Stop(cell.attack, cell.eps, _points(cloud(cell))) for cell in attacks])
    directions, share = principal(unit(first))
    stops = [Stop(cell.attack, cell.eps, _points(unit(cloud(cell)) @ directions)) for cell in attacks]
    return Plane(round(share, 4), _points(unit(first) @ directions), stops)


def _neighbours(clean: Floats, attacked: Floats, cell: Cell) -> list[Neighbours]:
    both, half = unit(np.concatenate([clean, attacked])), len(clean)
    methods = {"t-SNE": tsne, **({"UMAP": umap} if has_umap() else {})}
    laid = {name: method(both) for name, method in methods.items()}
    return [
        Neighbours(name, cell.attack, cell.eps, _points(places[:half]), _points(places[half:]))
        for name, places in laid.items()
        if np.isfinite(places).all()
    ]


def _points(places: Floats) -> Points:
    return [(float(f"{x:.4g}"), float(f"{y:.4g}")) for x, y in places.tolist()]


def _cosines(attacks: Sequence[Cell], after: Sequence[Records]) -> Spread:
    values = [_column(records, "cosine_to_clean") for records in after]
    return Spread(list(COSINE_EDGES), _bars(attacks, values, [cosine_counts(one) for one in values]))


def _shifts(attacks: Sequence[Cell], before: Records, after: Sequence[Records]) -> Spread:
    shifts = [_column(records, "first_good") - _column(before, "first_good") for records in after]
    edges = shift_edges(shifts)
    return Spread([float(edge) for edge in edges], _bars(attacks, shifts, [shift_counts(one, edges) for one in shifts]))


def _bars(attacks: Sequence[Cell], values: Sequence[Floats], counts: Sequence[list[int]]) -> list[Bars]:
    return [
        Bars(cell.attack, cell.eps, count, int(np.isnan(value).sum()))
        for cell, value, count in zip(attacks, values, counts, strict=True)
    ]


def _column(records: Records, name: str) -> Floats:
    return records[name].astype(np.float64)
