"""The report opened in a real browser: the figures draw, the pictures load, and nothing complains."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
    run = finished(tmp_path_factory.mktemp("run"), rows, albums=albums())
    return _open(chromium, write_report(run), tmp_path_factory.mktemp("profile"))


def test_every_figure_draws_its_traces(opened: tuple[str, list[str]]) -> None:
    document, _ = opened
    places = re.findall(r'data-drawing="([^"]+)"', document)
    assert len(places) == 4 * (1 + 2 + 1)
    assert f'data-drawn="{len(places)}"' in document
    drawn = re.split(r"(?=<div [^>]*data-drawing=)", document)[1:]
    for place, part in zip(places, drawn, strict=True):
        assert "js-plotly-plot" in part, place
        assert '<svg class="main-svg"' in part, place
        assert re.search(r'class="trace (scatter|bars)', part), place


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
