"""The tables that a run prints."""

from __future__ import annotations

import pytest

from tiny_run import audit, row
from turncoat.report.console import print_tables


def _printed(rows: list[dict[str, object]], capsys: pytest.CaptureFixture[str]) -> str:
    print_tables(rows)
    return capsys.readouterr().out


def test_a_table_fits_a_hundred_columns_with_every_interval_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("accuracy", "eer", "dodging_all", "impersonation_all", "success_conditional", "far_reached")
    figure = {"value": 1.0, "low": 0.98, "high": 1.0}
    rows = [{**one, "metrics": dict.fromkeys(names, figure), "forwards": 12_345_678} for one in audit()]
    lines = _printed(rows, capsys).splitlines()
    assert max(map(len, lines)) <= 100
    (adaptive,) = [line for line in lines if line.split()[:4] == ["jpeg", "adaptive", "worst", "8/255"]]
    assert adaptive.split()[4:] == ["100.0", "[98,100]"] * 3 + ["12.3M"]


def test_what_all_rows_share_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _printed(audit(data="letters"), capsys).splitlines()
    assert lines[0].strip() == "classification · letters · net · n = 100"
    assert sum("letters" in line for line in lines) == 1


def test_each_victim_has_its_table_verdicts_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(_printed([*audit(), *audit(victim="[bold]other[/bold]")], capsys).split())
    assert said.count("n = 100") == 2
    assert "net behind jpeg: top1 falls from 88.0 % to 2.0 % [0.0, 4.0] at 8/255 (adaptive, worst of 2 attacks)" in said
    assert "[bold]other[/bold]: top1 falls from 90.0 %" in said
    assert said.count("warning: classification,") == 2


def test_what_was_not_measured_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _printed([row(None, attack="clean")], capsys).splitlines()
    assert next(line.split() for line in lines if "clean" in line) == ["-", "clean", "-", "1k"]
