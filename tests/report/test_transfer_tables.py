"""Images made on one victim and judged on another have tables of their own, and count nowhere else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tiny_maps import transferred
from tiny_run import finished, row
from turncoat.report.console import print_tables
from turncoat.report.markdown import markdown
from turncoat.report.page import write_report
from turncoat.report.transfer import harm, transfers
from turncoat.study.diagnosis import diagnose
from turncoat.study.lines import in_order, lines
from turncoat.study.verdicts import verdicts
from turncoat.tasks.metrics.estimate import Estimate


class _Cells(HTMLParser):
    """The rows of the first table with this class, cell by cell."""

    def __init__(self, page: str, name: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.name, self.inside = name, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table" and not self.rows and dict(attrs).get("class") == self.name:
            self.inside = True
        if self.inside and tag == "tr":
            self.rows.append([])
        if self.inside and tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "table"

    def handle_data(self, data: str) -> None:
        if self.inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data}".strip()


def _page(folder: Path, rows: list[dict[str, object]]) -> str:
    return write_report(finished(folder, rows)).read_text(encoding="utf-8")


def test_the_matrix_holds_the_rows_and_on_its_diagonal_what_the_victims_own_attack_leaves() -> None:
    (one,) = transfers(lines(transferred()))
    (matrix,) = one.matrices
    assert (matrix.attack, matrix.eps, matrix.metric) == ("pgd", 8 / 255, "top1")
    assert list(matrix.surrogates) == ["a", "b", "a+b"]
    assert list(matrix.targets) == ["a", "b"]
    figures = {pair: figure.value for pair, figure in matrix.figures.items() if pair[1] in matrix.targets}
    expected = {("a", "a"): 0.1, ("b", "b"): 0.2, ("a", "b"): 0.5, ("b", "a"): 0.51, ("a+b", "a"): 0.52}
    assert figures == {**expected, ("a+b", "b"): 0.53}
    assert matrix.clean["a"].value == 0.9


def test_the_members_of_an_ensemble_are_told_from_strangers() -> None:
    study = {"audits": [{"transfer": {"ensembles": {"a+b": ["a", "b"]}}}, {"transfer": None}]}
    (one,) = transfers(lines(transferred()), study)
    pairs = [("a", "a"), ("a", "b"), ("a+b", "a"), ("a+b", "c")]
    assert [one.kind(*pair) for pair in pairs] == ["own", "", "member", ""]


def test_harm_is_the_share_of_the_clean_figure_that_is_gone() -> None:
    def of(value: float) -> Estimate:
        return Estimate(value, value, value)

    assert harm(of(0.2), "top1", of(0.8)) == 75
    assert harm(of(0.9), "top1", of(0.8)) == 0
    assert harm(of(0.3), "eer", of(0.1)) == 30
    assert harm(of(0.3), "top1", None) == 0


def test_without_transfer_nothing_changes_but_its_own_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = transferred()
    own = [one for one in rows if "surrogate" not in one]
    assert verdicts(rows) == verdicts(own)
    assert diagnose(rows) == diagnose(own)
    plain = markdown(lines(own))
    assert markdown(lines(rows)).startswith(plain)
    print_tables(own)
    alone = capsys.readouterr().out
    print_tables(rows)
    both = capsys.readouterr().out
    assert "transfer" not in alone
    assert [line for line in both.splitlines() if line in alone.splitlines()] == alone.splitlines()
    first, second = _page(tmp_path / "own", own), _page(tmp_path / "rows", rows)
    assert re.findall(r'<section id="s.*?</section>', first, re.S) == re.findall(
        r'<section id="s.*?</section>', second, re.S
    )
    drawings = r'<script id="drawings".*?</script>'
    assert re.findall(drawings, first, re.S) == re.findall(drawings, second, re.S)


def test_the_page_shows_the_matrix_with_intervals(tmp_path: Path) -> None:
    page = _page(tmp_path, transferred())
    assert _Cells(page, "matrix").rows == [
        ["made on", "a", "b"],
        ["clean images", "90.0 [88.0, 92.0]", "80.0 [78.0, 82.0]"],
        ["a", "10.0 [8.0, 12.0]", "50.0 [48.0, 52.0]"],
        ["b", "51.0 [49.0, 53.0]", "20.0 [18.0, 22.0]"],
        ["a+b", "52.0 [50.0, 54.0]", "53.0 [51.0, 55.0]"],
    ]
    assert page.count('class="heat own"') == 2


def test_console_and_markdown_print_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(transferred())
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["pgd", "8/255", "a+b", "52.0", "[50,54]", "53.0", "[51,55]"] in printed
    assert ["clean", "90.0", "[88,92]", "80.0", "[78,82]"] in printed
    written = markdown(lines(transferred()))
    assert "| pgd | 8/255 | b | 51.0 [49.0, 53.0] | 20.0 [18.0, 22.0] |" in written
    assert "| clean |  |  | 90.0 [88.0, 92.0] | 80.0 [78.0, 82.0] |" in written


def test_a_victim_that_only_others_images_were_tried_on_says_so() -> None:
    rows = [row(0.9, attack="clean"), row(0.5, surrogate="b", stance="transfer")]
    (one,) = verdicts(rows)
    assert not one.adaptive
    assert one.sentence.endswith("on clean images; it was attacked with images made on other victims only")


def test_names_of_surrogates_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>[bold]"
    rows = [
        {**one, "surrogate": evil if one.get("surrogate") == "a+b" else one.get("surrogate", "")}
        for one in transferred()
    ]
    page = _page(tmp_path, rows)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def _saved() -> list[dict[str, object]]:
    """A clean row that went through a file, put last and beside an attack with an earlier norm."""
    free = {"norm": "l2", "eps": None}
    rows = [row(0.9, attack="clean"), row(0.88, attack="sign_noise"), row(0.1), row(0.1, attack="worst")]
    rows += [row(0.0, attack="cw", **free), row(0.0, attack="worst", **free)]
    return [*rows, row(0.85, attack="clean, jpeg75", eps=0.0, control=False)]


def test_clean_images_that_were_saved_stand_below_the_clean_ones_and_are_no_attack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _saved()
    assert [line.attack for line in in_order(lines(rows))][:2] == ["clean", "clean, jpeg75"]
    assert verdicts(rows) == verdicts(rows[:-1])
    assert diagnose(rows) == diagnose(rows[:-1])
    print_tables(rows)
    printed = [line.split()[:7] for line in capsys.readouterr().out.splitlines()]
    assert ["-", "clean,", "as", "JPEG", "75", "85.0", "[83,87]"] in printed
    assert "| none | none | clean, as JPEG 75 |" in markdown(lines(rows))
    page = _page(tmp_path, rows)
    without = _page(tmp_path / "without", rows[:-1])
    drawings = r'<script id="drawings".*?</script>'
    assert re.findall(drawings, page, re.S) == re.findall(drawings, without, re.S)
    assert "<td>clean, as JPEG 75</td><td>–</td>" in page


def test_only_saved_images_are_no_attack_that_lacks_its_control() -> None:
    found = diagnose([row(0.9, attack="clean"), row(0.9, attack="clean, png", eps=0.0)])
    assert not [one for one in found if "noise" in one.text]


def test_threat_and_left_out_are_told_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"threat": "each query is perturbed on its own, the gallery is clean", "left_out": 3, "task": "retrieval"}
    rows = [{**one, **said} for one in (row(0.9, attack="clean"), row(0.1), row(0.1, attack="worst"))]
    print_tables(rows)
    facts = (
        "Threat: each query is perturbed on its own, the gallery is clean.",
        "3 queries have no right answer in the gallery and are left out.",
    )
    printed = capsys.readouterr().out
    for text in (printed, markdown(lines(rows)), _page(tmp_path, rows)):
        for fact in facts:
            assert fact in text
    one = [{**rows[0], "left_out": 1}]
    assert "1 query has no right answer in the gallery and is left out." in markdown(lines(one))
