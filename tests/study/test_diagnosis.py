"""Each sign of a misleading number is found where it is, and not where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny_run import Row, audit, row
from tiny_world import describe
from turncoat.study.diagnosis import Finding, diagnose, write_diagnosis
from turncoat.study.plan import Study
from turncoat.study.runner import benches, run
from turncoat.study.specs import VictimSpec
from turncoat.study.store import Store

ADAPTIVE = {"stance": "adaptive", "defense": "jpeg"}


def _texts(rows: list[Row], level: str) -> list[str]:
    return [f"{one.subject}: {one.text}" for one in diagnose(rows) if one.level == level]


def _replaced(rows: list[Row], value: float, width: float = 0.04, **where: object) -> list[Row]:
    """The rows with another headline where all of `where` holds; at least one must."""
    hit = [all(one[key] == wanted for key, wanted in where.items()) for one in rows]
    assert any(hit)
    figure = row(value, width=width)["metrics"]
    return [{**one, "metrics": figure} if found else one for one, found in zip(rows, hit, strict=True)]


def test_a_believable_audit_has_one_warning_that_the_gain_of_the_defence_vanishes() -> None:
    (warning,) = _texts(audit(), "warning")
    assert warning.startswith("net behind jpeg: Its gain at 8/255 vanishes")
    assert "60.0 %" in warning
    assert "2.0 %" in warning
    assert _texts(audit(), "good") == []


def test_findings_say_where_they_belong() -> None:
    (finding,) = [one for one in diagnose(audit(data="other")) if one.level == "warning"]
    assert finding.front == ("classification", "other", "net")


def test_an_attack_no_better_than_noise_at_every_budget_is_named() -> None:
    rows = _replaced(_replaced(audit(), 0.87, attack="pgd", stance="none"), 0.87, attack="worst", stance="none")
    assert any("net, pgd: No better than noise" in text for text in _texts(rows, "warning"))
    once = _replaced(audit(), 0.87, attack="pgd", stance="none", eps=2 / 255)
    assert not any("No better than noise" in text for text in _texts(once, "warning"))


def test_an_informed_attack_that_does_less_than_an_ignorant_one_suggests_masking() -> None:
    clearly = _replaced(audit(), 0.75, attack="pgd", stance="adaptive", eps=8 / 255)
    assert any("net behind jpeg, pgd: Weaker when it knows" in text for text in _texts(clearly, "warning"))
    slightly = _replaced(audit(), 0.63, attack="pgd", stance="adaptive", eps=8 / 255)
    assert any("Slightly weaker" in text for text in _texts(slightly, "note"))
    assert not any("Weaker when it knows" in text for text in _texts(slightly, "warning"))


def test_a_budget_that_changes_nothing_is_a_warning_except_at_the_floor() -> None:
    flat = _replaced(audit(), 0.39, attack="worst", stance="none", eps=8 / 255)
    assert any("A larger budget does not lower top1" in text for text in _texts(flat, "warning"))
    floor = _replaced(audit(), 0.01, attack="worst", stance="none")
    assert not any("larger budget" in text for text in _texts(floor, "warning"))


def test_a_headline_that_rises_with_the_budget_is_a_warning() -> None:
    rows = _replaced(audit(), 0.7, attack="worst", stance="none", eps=8 / 255)
    assert any("rises with the budget at 8/255" in text for text in _texts(rows, "warning"))


def test_a_bare_victim_that_stands_at_eight_levels_is_suspicious_but_not_at_two() -> None:
    standing = _replaced(audit(), 0.6, attack="worst", stance="none", eps=8 / 255)
    assert any("no defence at all" in text for text in _texts(standing, "warning"))
    small = [one for one in audit() if one["eps"] != 8 / 255]
    assert not any("no defence at all" in text for text in _texts(_replaced(small, 0.6, attack="worst"), "warning"))


def test_a_defence_that_costs_clean_performance_is_noted() -> None:
    assert not any("Costs" in text for text in _texts(audit(), "note"))
    rows = _replaced(audit(), 0.7, attack="clean", defense="jpeg")
    assert any("net behind jpeg: Costs clean top1: 70.0 %" in text for text in _texts(rows, "note"))


def test_a_gain_against_the_adaptive_attacker_is_good() -> None:
    rows = _replaced(audit(), 0.5, attack="worst", stance="adaptive", eps=8 / 255)
    assert any("net behind jpeg: Keeps 50.0 %" in text for text in _texts(rows, "good"))
    assert not any("vanishes" in text for text in _texts(rows, "warning"))


def test_a_wide_interval_is_noted() -> None:
    rows = _replaced(audit(), 0.3, width=0.3, attack="worst", stance="none", eps=8 / 255)
    assert any("n = 100" in text and "30 points wide" in text for text in _texts(rows, "note"))
    assert not any("points wide" in text for text in _texts(audit(), "note"))


def test_a_purifier_without_adaptive_rows_is_not_evaluated() -> None:
    rows = [one for one in audit() if one["stance"] != "adaptive"]
    assert any("net behind jpeg: Not evaluated adaptively" in text for text in _texts(rows, "warning"))
    assert _texts(rows, "good") == []


def test_noise_alone_is_no_attack() -> None:
    rows = [one for one in audit() if one["attack"] != "pgd" and one["defense"] == "none"]
    assert any("Only noise was tried" in text for text in _texts(rows, "warning"))


def test_a_model_that_is_never_right_gets_that_one_warning() -> None:
    rows = [row(0.05, attack="clean"), *(row(0.05, attack=name) for name in ("sign_noise", "pgd", "worst"))]
    (warning,) = _texts(rows, "warning")
    assert "hardly anything to break" in warning


def test_numbers_that_were_not_measured_decide_nothing() -> None:
    rows = [row(None, attack="clean"), row(None), row(None, attack="worst"), row(None, attack="sign_noise")]
    assert all("better than noise" in one.text for one in diagnose(rows))


def test_warnings_come_before_what_is_good() -> None:
    rows = _replaced(audit(), 0.5, attack="worst", stance="adaptive", eps=8 / 255)
    rows = _replaced(rows, 0.6, attack="worst", stance="none", eps=2 / 255)
    levels = [one.level for one in diagnose([*rows, *audit(victim="other")])]
    assert levels == sorted(levels, key=["warning", "note", "good"].index)
    assert {"warning", "good"} <= set(levels)


def test_diagnosis_json_holds_findings_and_verdicts_with_null_for_nothing(tmp_path: Path) -> None:
    write_diagnosis([row(None, attack="clean")], Store(tmp_path))
    content = json.loads((tmp_path / "diagnosis.json").read_text())
    assert content["verdicts"][0]["attacked"] == {"value": None, "low": None, "high": None}
    write_diagnosis(audit(), Store(tmp_path))
    content = json.loads((tmp_path / "diagnosis.json").read_text())
    told = [Finding(one["level"], one["subject"], one["text"], tuple(one["front"])) for one in content["findings"]]
    assert told == diagnose(audit())


def test_figures_of_a_random_network_are_a_warning_once() -> None:
    (said,) = [text for text in _texts(audit(untrained=True), "warning") if "random" in text]
    assert said == "net: It has no weights: its figures are those of a random network."
    assert not any("random" in text for text in _texts(audit(), "warning"))


@pytest.mark.parametrize(
    ("spec", "untrained"),
    [
        ({"source": "turncoat:small_reid"}, True),
        ({"source": "turncoat:small_reid", "weights": "w.safetensors"}, False),
        ({"source": "turncoat:reid", "options": {"backbone": "timm:resnet50"}}, False),
        ({"source": "timm:resnet18"}, True),
        ({"source": "timm:resnet18", "options": {"pretrained": False}}, True),
        ({"source": "timm:resnet18", "options": {"pretrained": True}}, False),
        ({"source": "builtin:street_reid"}, False),
        ({"source": "python:mine:network"}, False),
    ],
)
def test_who_is_known_to_have_no_weights(spec: dict[str, object], untrained: bool) -> None:
    assert VictimSpec.model_validate({"name": "net", **spec}).untrained == untrained


@pytest.mark.usefixtures("in_memory")
def test_a_run_tells_of_a_network_without_weights(tmp_path: Path) -> None:
    described = describe(attacks=["fgsm"])
    described["audits"][0]["victims"] = [
        {"name": "tiny", "source": "python:tiny_world:net", "reads": "logits"},
        {"name": "drawn", "source": "turncoat:small_classifier", "options": {"classes": 5}},
    ]
    study = Study.model_validate(described)
    found = diagnose(run(study, benches(study, Path()), Store(tmp_path)))
    assert [one.subject for one in found if "random network" in one.text] == ["drawn"]
