"""The figures of descriptors and ranks: every point where the map has it, and one slider for all."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from pydantic import TypeAdapter

from tiny_maps import BUDGETS, tiny_map, with_maps
from tiny_run import audit, finished
from turncoat.core.errors import UserError
from turncoat.report.clouds import neighbours_drawing, plane_drawing
from turncoat.report.page import write_report
from turncoat.report.ridges import cosine_ridges, shift_ridges
from turncoat.study.charts import Map

STEPS = (0.0, *BUDGETS)


def _map(**changes: Any) -> Map:
    return TypeAdapter(Map).validate_python(tiny_map(**changes))


def _page(folder: Path, **changes: Any) -> str:
    rows = [{**one, "task": changes.get("task", "retrieval")} for one in audit()]
    return write_report(with_maps(finished(folder, rows), [tiny_map(**changes)])).read_text(encoding="utf-8")


def _points(traces: list[dict[str, Any]]) -> set[tuple[float, float]]:
    return {point for trace in traces for point in zip(trace["x"], trace["y"], strict=True)}


def test_each_frame_has_the_points_of_its_attack_and_budget() -> None:
    one = _map()
    assert one.plane is not None
    drawing: Any = plane_drawing(one.plane, one.crowd, ["sign_noise", "pgd"], STEPS)
    go.Figure(drawing)
    frames = {frame["name"]: frame for frame in drawing["frames"]}
    assert set(frames) == {f"{attack}/{step}" for attack in (0, 1) for step in (0, 1, 2)}
    expected = {
        "1/0": one.plane.clean,
        "1/1": one.plane.stops[1].points,
        "1/2": one.plane.stops[2].points,
        "0/1": one.plane.clean,  # noise was not run at the smaller budget
        "0/2": one.plane.stops[0].points,
    }
    for name, points in expected.items():
        trails, *clouds = frames[name]["data"]
        assert _points(clouds) == set(points)
        firsts = [(trails["x"][place], trails["y"][place]) for place in (0, 3)]
        assert firsts == [one.plane.clean[0], one.plane.clean[2]]
        kinds = [drawing["data"][place]["mode"] for place in frames[name]["traces"]]
        assert kinds == ["lines", "markers", "markers", "markers"]


def test_the_axes_hold_every_point_of_every_frame() -> None:
    one = _map()
    assert one.plane is not None
    layout: Any = plane_drawing(one.plane, one.crowd, ["pgd"], STEPS)["layout"]
    assert layout["xaxis"]["range"] == layout["yaxis"]["range"]
    low, high = layout["xaxis"]["range"]
    assert all(low < value < high for stop in one.plane.stops for point in stop.points for value in point)


def test_clean_points_are_circles_and_attacked_ones_stars_of_the_same_colour() -> None:
    one = _map()
    drawing: Any = neighbours_drawing(one.neighbours[0], one.crowd)
    go.Figure(drawing)
    shown = [trace for trace in drawing["data"] if trace["mode"] == "markers" and isinstance(trace["x"][0], float)]
    large = [trace for trace in shown if isinstance(trace["marker"]["color"], list)]
    assert [trace["marker"]["symbol"] for trace in large] == ["circle", "star"]
    assert large[0]["marker"]["color"] == large[1]["marker"]["color"]
    assert len(set(large[0]["marker"]["color"])) == 2
    assert _points(large[:1]) == {one.neighbours[0].clean[0], one.neighbours[0].clean[2]}
    for symbol, points in (("circle", one.neighbours[0].clean), ("star", one.neighbours[0].attacked)):
        assert _points([trace for trace in shown if trace["marker"]["symbol"] == symbol]) == set(points)


def test_bars_stand_for_the_counts_of_their_budget() -> None:
    one = _map()
    assert one.cosines is not None
    assert one.shifts is not None
    cosines: Any = cosine_ridges(one.cosines, STEPS, {})
    shifts: Any = shift_ridges(one.shifts, STEPS, {})
    for drawing, counts in ((cosines, [[0, 0, 4], [0, 1, 3], [3, 1, 0]]), (shifts, [[4, 0, 0], [3, 1, 0], [0, 1, 3]])):
        go.Figure(drawing)
        frames = drawing["frames"]
        assert [frame["data"][0]["customdata"] for frame in frames] == counts
        for frame in frames:
            (bars,) = frame["data"]
            highest = max(bars["customdata"])
            assert bars["y"] == pytest.approx([0.86 * count / highest for count in bars["customdata"]], abs=1e-4)
    assert shifts["data"][0]["hovertext"] == ["not moved", "1 to 2 down", "3 to 9 down"]
    assert cosines["data"][0]["x"] == [-0.5, 0.25, 0.75]


def test_the_page_says_what_is_seen_at_each_place_of_the_slider(tmp_path: Path) -> None:
    page = _page(tmp_path)
    told = json.loads(unescape(re.findall(r"data-captions='([^']*)'", page)[0]))
    assert told["1/2"].startswith("pgd at 8/255: top-1 accuracy 1.0 % [0.0, 3.0]")
    assert told["1/0"].startswith("Clean images: top-1 accuracy 90.0 %")
    assert set(told) == {f"{attack}/{step}" for attack in (0, 1) for step in (0, 1, 2)}
    for said in ("Descriptors and ranks under attack", "Descriptors turning round", "t-SNE, pgd at 8/255"):
        assert said in page
    assert "1 without a right answer left out" in page
    assert "shows 40 % of what sets clean descriptors apart" in page
    drawings = re.findall(r'data-drawing="(s1-map0-[^"]+)"', page)
    assert drawings == [f"s1-map0-{name}" for name in ("plane", "laid0", "cosines", "shifts")]


def test_two_dimensional_features_are_shown_as_they_are(tmp_path: Path) -> None:
    page = _page(tmp_path, task="classification", flat=True, names=("cat", "dog"))
    assert "The two features" in page
    assert "a colour for each class" in page
    assert "Neighbours before and after" not in page


def test_a_run_without_maps_has_no_such_section(tmp_path: Path) -> None:
    run = finished(tmp_path, [{**one, "task": "retrieval"} for one in audit()])
    page = write_report(run).read_text(encoding="utf-8")
    assert "under attack</h3>" not in page
    assert "data-player " not in page.split("<script", 1)[0]
    assert write_report(with_maps(run, [])).read_text(encoding="utf-8") == page


def test_names_in_a_map_are_escaped(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>'\"&"
    rows = [
        {**one, "task": "retrieval", "attack": evil if one["attack"] == "pgd" else one["attack"]} for one in audit()
    ]
    made = json.loads(json.dumps(tiny_map(names=(evil, "b"))).replace('"pgd"', json.dumps(evil)))
    page = write_report(with_maps(finished(tmp_path, rows), [made])).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    places = re.findall(r"data-captions='([^']*)'", page)
    assert json.loads(unescape(places[0]))["1/2"].startswith(f"{evil} at 8/255")
    drawings = json.loads(re.findall(r'<script id="drawings"[^>]*>(.*?)</script>', page, flags=re.S)[0])
    assert "<img" not in json.dumps(drawings)  # Plotly reads tags in its labels
    assert "&lt;img" in json.dumps(drawings)


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in tiny_map().items() if key != name}


def _wrong(change: str) -> object:
    made: Any = tiny_map()
    if change == "points":
        made["plane"]["clean"].pop()
    elif change == "group":
        made["crowd"]["group"][0] = 2
    elif change == "counts":
        made["cosines"]["bars"][0]["counts"].append(1)
    elif change == "edges":
        made["shifts"]["edges"] = [3, 1, -1, -3]
    elif change == "still":
        made["shifts"]["edges"] = [0, 1, 3, 10]
    elif change == "number":
        made["plane"]["clean"][0][0] = float("nan")
    return made


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "3",
        json.dumps([3]),
        json.dumps([_without("crowd")]),
        *(json.dumps([_wrong(change)]) for change in ("points", "group", "counts", "edges", "still", "number")),
    ],
)
def test_damaged_maps_are_one_line(tmp_path: Path, content: str) -> None:
    run = finished(tmp_path, [{**one, "task": "retrieval"} for one in audit()])
    (run / "maps.json").write_text(content)
    with pytest.raises(UserError, match="damaged") as error:
        write_report(run)
    assert "\n" not in str(error.value)
