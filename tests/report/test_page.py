"""What the report page says, from a run made up by hand."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest

from tiny_run import albums, audit, finished, row
from turncoat.core.errors import UserError
from turncoat.report.figures import attack_styles, cost_bars, headline_curve, metric_panel
from turncoat.report.page import write_report
from turncoat.study.lines import lines

EVIL = "<script>alert(1)</script>"


class _Text(HTMLParser):
    """The words, tags and links of a page, without scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.words.append(data)
        elif self.inside[-1] == "script":
            self.scripts.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = [{**one, "task": task} for task in ("classification", "attributes") for one in audit()]
    run = finished(tmp_path_factory.mktemp("run"), made, albums=albums())
    return write_report(run).read_text(encoding="utf-8")


def test_the_headline_is_the_adaptive_worst_at_the_largest_budget(page: str) -> None:
    text = _Text(page).text
    assert "net behind jpeg: top1 falls from 88.0 % to 2.0 % [0.0, 4.0] at 8/255 (adaptive, worst of 2 attacks)" in text
    assert "jpeg 88.0 → 2.0 % top-1 accuracy [0.0, 4.0] at 8/255, adaptive, worst of 2 attacks" in text
    assert "bare 90.0 → 1.0 %" in text


def test_findings_versions_settings_and_costs_are_there(page: str) -> None:
    text = _Text(page).text
    assert "Warning net behind jpeg Its gain at 8/255 vanishes" in text
    assert "2 warnings below" in text
    for said in ("turncoat 0.1.0", "torch 2.13.0", "python 3.11.9", "name: made-up", "About these numbers", "24,000"):
        assert said in text
    assert "limit: null" not in text


def test_each_row_of_the_summary_is_a_row_of_the_table(page: str) -> None:
    rows = re.findall(r"<tr class=.*?</tr>", page, flags=re.S)
    assert len(rows) == 2 * len(audit())
    (worst,) = [
        _Text(one).text for one in rows[: len(audit())] if 'class="worst"' in one and ">8/255<" in one and "bare" in one
    ]
    assert worst == "bare worst of all no defence 8/255 100 1.0 [0.0, 3.0] 99.0 1,000 1.5"


def test_pictures_tell_what_was_said_before_and_after(page: str) -> None:
    text = _Text(page).text
    assert "truly cat ✓ clean: cat 90 % ✗ attacked: dog 90 %" in text
    assert "change ×15" in text
    assert "2 right when clean, 0 after lost −cat −hat wrongly gained +beard" in text


def test_nothing_comes_from_the_network(page: str) -> None:
    tags = _Text(page).tags
    assert not [tag for tag, _ in tags if tag in ("link", "iframe", "object", "embed", "base")]
    outward = [value for _, found in tags for name, value in found.items() if name in ("src", "href") and value]
    assert outward
    assert all(value.startswith("#") for value in outward)
    policy = next(found["content"] for _, found in tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_plotly_is_there_once(page: str) -> None:
    big = [script for script in _Text(page).scripts if len(script) > 1_000_000]
    assert len(big) == 1
    assert len(page) < len(big[0]) + 500_000


def test_every_figure_that_a_place_names_is_there_and_plotly_knows_its_words(page: str) -> None:
    read = _Text(page)
    places = [found["data-drawing"] for _, found in read.tags if "data-drawing" in found]
    drawings = next(json.loads(one) for one in read.scripts if one.startswith('{"s1-'))
    assert set(places) == set(drawings)
    assert len(places) == 2 * (1 + 2 + 1)
    for drawing in drawings.values():
        go.Figure(drawing)  # raises for a property that Plotly does not have


def test_what_has_no_adaptive_row_is_not_called_robust(tmp_path: Path) -> None:
    run = finished(tmp_path, [one for one in audit() if one["stance"] != "adaptive"])
    text = _Text(write_report(run).read_text(encoding="utf-8")).text
    assert "jpeg 88.0 → ? top-1 accuracy not evaluated adaptively" in text
    assert "says nothing about robustness" in text


def test_names_from_outside_are_shown_and_not_run(tmp_path: Path) -> None:
    evil = f"{EVIL}\"'&</script><img src=x onerror=alert(2)>"
    names = {"victim": evil, "data": evil}
    rows = [{**one, **names, "attack": evil if one["attack"] == "pgd" else one["attack"]} for one in audit()]
    rows = [{**one, "defense": evil if one["defense"] == "jpeg" else one["defense"]} for one in rows]
    pictures = [{**one, "data": evil, "attack": evil} for one in albums(evil, evil)]
    path = write_report(finished(tmp_path, rows, albums=pictures[:1]))
    page = path.read_text(encoding="utf-8")
    plain = write_report(finished(tmp_path / "plain", audit(), albums=albums()[:1])).read_text(encoding="utf-8")
    assert EVIL not in page
    assert "<img src=x" not in page
    assert page.count("<script") == plain.count("<script")
    read = _Text(page)
    assert evil in read.text
    assert not [found for _, found in read.tags if any(name.startswith("on") for name in found)]
    drawings = json.dumps([json.loads(one) for one in read.scripts if one.startswith('{"s1-')])
    assert "<script" not in drawings  # Plotly reads tags in its labels
    assert "&lt;script&gt;" in drawings


@pytest.mark.parametrize(
    ("missing", "said"),
    [("study.json", "there is no run"), ("summary.json", "is not finished"), ("diagnosis.json", "is not finished")],
)
def test_a_run_that_is_not_there_or_not_finished_is_one_line(tmp_path: Path, missing: str, said: str) -> None:
    run = finished(tmp_path, audit())
    (run / missing).unlink()
    with pytest.raises(UserError, match=said) as error:
        write_report(run)
    assert "\n" not in str(error.value)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("content", ["{", "[]", '[{"metrics": 3}]', '{"findings": 3}'])
@pytest.mark.parametrize("name", ["summary.json", "diagnosis.json"])
def test_a_damaged_run_is_one_line(tmp_path: Path, name: str, content: str) -> None:
    run = finished(tmp_path, audit())
    (run / name).write_text(content)
    with pytest.raises(UserError, match="damaged") as error:
        write_report(run)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["../secret.json", "pictures/../../secret.json", "/{root}/secret.json", "study.json", "pictures/0.json\n", 3],
)
def test_albums_outside_the_run_are_not_read(tmp_path: Path, name: str | int) -> None:
    run = finished(tmp_path / "run", audit(), albums=albums()[:1])
    (tmp_path / "secret.json").write_bytes((run / "pictures/0.json").read_bytes())
    told = name.replace("/{root}", str(tmp_path)) if isinstance(name, str) else name
    (run / "pictures.json").write_text(json.dumps([told]))
    with pytest.raises(UserError, match="damaged"):
        write_report(run)


def test_pictures_outside_the_run_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    album = albums()[0]
    run = finished(tmp_path / "run", audit(), albums=[album])
    text = (run / "pictures/0.json").read_text().replace(f"pictures/{0:024x}.png", "pictures/../../secret.png")
    (run / "pictures/0.json").write_text(text)
    page = write_report(run).read_text(encoding="utf-8")
    assert "c2VjcmV0" not in page


def test_a_second_report_is_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    run = finished(tmp_path, audit(), albums=albums())
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not list(run.glob(".report*"))


def test_the_headline_curve_starts_clean_and_ends_at_the_adaptive_worst() -> None:
    data = headline_curve(lines(audit()))["data"]
    assert isinstance(data, list)
    curves = {one["name"]: (one["x"], one["y"]) for one in data if "name" in one}
    assert curves["jpeg, adaptive"] == ([0, 2 / 255, 8 / 255], [0.88, 0.5, 0.02])
    assert curves["bare"] == ([0, 2 / 255, 8 / 255], [0.9, 0.4, 0.01])
    assert curves["jpeg, oblivious"] == ([0, 2 / 255, 8 / 255], [0.88, 0.8, 0.6])


def test_a_panel_draws_every_attack_and_leaves_out_what_has_no_budget_or_value() -> None:
    table = lines([*audit(), row(0.0, attack="cw", eps=None), row(None, attack="fgsm")])
    data = metric_panel(table, "top1")["data"]
    assert isinstance(data, list)
    names = {(one["meta"], one["name"]) for one in data}
    assert (1, "pgd, oblivious") in names
    assert (0, "worst of all") in names
    (pgd,) = [one for one in data if (one["meta"], one["name"]) == (0, "pgd")]
    assert pgd["error_y"]["array"] == pytest.approx([0.02, 0.02, 0.02])
    assert {len(one["x"]) for one in data if one["name"] in ("cw", "fgsm")} <= {1}
    assert set(attack_styles(table)) == {"worst", "sign_noise", "pgd", "cw", "fgsm"}


def test_cost_counts_passes_per_sample_and_budget() -> None:
    data = cost_bars(lines(audit()))["data"]
    assert isinstance(data, list)
    assert [one["name"] for one in data] == ["forward", "backward"]
    assert set(data[0]["x"]) == {7.0}
    assert set(data[1]["x"]) == {3.0}
