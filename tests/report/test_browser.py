"""The report opened in a real browser: the figures draw, the pictures load, and nothing complains."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tiny_maps import tiny_map, transferred, with_maps
from tiny_run import albums, audit, finished
from turncoat.report.page import write_report

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
)
_CONSOLE = re.compile(r"^.*:CONSOLE.*$", flags=re.M)


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser; where it is missing the tests are skipped, except in continuous integration."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "no chromium to open the report with: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def _open(chromium: str, page: Path, profile: Path, *more: str) -> tuple[str, list[str]]:
    """The document after its scripts have run, and what the console logged."""
    command = [chromium, *_FLAGS, f"--user-data-dir={profile}", *more, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, _CONSOLE.findall(done.stderr)


@pytest.fixture(scope="module")
def opened(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    tasks = ("classification", "attributes", "verification", "retrieval")
    rows = [{**one, "task": task} for task in tasks for one in audit()]
    run = with_maps(finished(tmp_path_factory.mktemp("run"), rows, albums=albums()), [tiny_map()])
    return _open(chromium, write_report(run), tmp_path_factory.mktemp("profile"))


def test_every_figure_draws_its_traces(opened: tuple[str, list[str]]) -> None:
    document, _ = opened
    places = re.findall(r'data-drawing="([^"]+)"', document)
    assert len(places) == 4 * (1 + 2 + 1) + 4
    assert f'data-drawn="{len(places)}"' in document
    drawn = re.split(r"(?=<div [^>]*data-drawing=)", document)[1:]
    for place, part in zip(places, drawn, strict=True):
        assert "js-plotly-plot" in part, place
        assert '<svg class="main-svg"' in part, place
        assert re.search(r'class="trace (scatter|bars)', part), place


# Virtual time hardly ever draws, and what is animated waits for that.
_CLOCK = "<script>window.requestAnimationFrame = act => setTimeout(() => act(performance.now()), 16);</script>"
_MOVE = """<script>
const plane = document.querySelector('[data-drawing$="map0-plane"]');
const ridges = document.querySelector('[data-drawing$="map0-cosines"]');
const seen = [];
const note = () => seen.push([
  document.querySelector(".told").textContent, document.querySelector(".reel .at").textContent,
  plane.data.slice(-3).flatMap(trace => trace.x), ridges.data[0].customdata,
]);
const slider = document.querySelector(".reel input");
const steps = [
  note,
  () => { slider.value = 0; slider.dispatchEvent(new Event("input")); }, note,
  () => document.querySelector(".play").click(), note,
  () => document.querySelector("[data-attack]").click(), note,
];
steps.forEach((step, i) => setTimeout(() => {
  step();
  document.title = JSON.stringify(seen);
}, 6000 * i + 1000));
</script>"""


def test_slider_attack_and_play_move_every_figure(chromium: str, tmp_path: Path) -> None:
    rows = [{**one, "task": "retrieval"} for one in audit()]
    page = write_report(with_maps(finished(tmp_path / "run", rows), [tiny_map()]))
    text = page.read_text(encoding="utf-8").replace("<style>", f"{_CLOCK}<style>", 1)
    page.write_text(text.replace("</body>", f"{_MOVE}</body>"), encoding="utf-8")
    document, logged = _open(chromium, page, tmp_path / "profile", "--virtual-time-budget=60000")
    assert logged == []
    title = re.findall(r"<title>(.*?)</title>", document)[0]  # Plotly has titles of its own
    first, clean, played, noise = json.loads(html.unescape(title))
    assert [told.split(":")[0] for told, *_ in (first, clean, played, noise)] == [
        "pgd at 8/255",
        "Clean images",
        "pgd at 8/255",
        "sign_noise at 8/255",
    ]
    assert [at for _, at, *_ in (first, clean, played, noise)] == ["8/255", "0", "8/255", "8/255"]
    before = [0.3, 1.0, 0.8, -0.2, -1.0]  # the stranger first
    assert clean[2] == pytest.approx(before)
    assert first[2] == played[2] == pytest.approx([-x for x in before])
    assert noise[2] == pytest.approx([0.8 * x for x in before])
    assert [counts for *_, counts in (first, clean, played)] == [[3, 1, 0], [0, 0, 4], [3, 1, 0]]


def test_matrices_are_seen_one_budget_at_a_time(chromium: str, tmp_path: Path) -> None:
    rows = [*transferred(), *({**one, "eps": 2 / 255} for one in transferred() if "surrogate" in one)]
    page = write_report(finished(tmp_path / "run", rows))
    document, logged = _open(chromium, page, tmp_path / "profile")
    assert logged == []
    assert [" hidden" in tag for tag in re.findall(r'<div class="matrices"[^>]*>', document)] == [True, False]


def test_every_picture_has_its_file(opened: tuple[str, list[str]]) -> None:
    pictures = re.findall(r"<img [^>]*data-image=[^>]*>", opened[0])
    assert len(pictures) == 3 + 3 + 4 + 3 + 6
    assert all('src="data:image/png;base64,' in picture for picture in pictures)


def test_the_console_is_silent(opened: tuple[str, list[str]]) -> None:
    assert opened[1] == []


def test_a_console_error_would_be_noticed(chromium: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>nothing.there()</script>")
    _, logged = _open(chromium, page, tmp_path / "profile")
    assert any("nothing is not defined" in line for line in logged)


def test_a_name_that_is_a_script_does_not_run(chromium: str, tmp_path: Path) -> None:
    evil = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    rows = [{**one, "victim": evil, "data": evil} for one in audit()]
    rows = [{**one, "attack": evil if one["attack"] == "pgd" else one["attack"]} for one in rows]
    rows = [{**one, "defense": evil if one["defense"] == "jpeg" else one["defense"]} for one in rows]
    pictures = [{**one, "data": evil, "attack": evil} for one in albums(evil, evil)]
    run = finished(tmp_path / "run", rows, albums=pictures[:1])
    document, logged = _open(chromium, write_report(run), tmp_path / "profile")
    assert "<title>A made-up run · Turncoat</title>" in document
    assert logged == []
    assert "js-plotly-plot" in document
    assert "&lt;script&gt;document.title" in document
