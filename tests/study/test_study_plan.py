"""What a study file may say, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from turncoat.core.errors import UserError
from turncoat.study.plan import Study, load_study

SINGLE = """
task: classification
data: {name: mnist, folder: digits}
victims: {name: v, source: "python:a:b"}
attacks: [fgsm, {name: pgd, steps: 3, label: short}]
budgets: [1/255, 0.5, " 8 / 255 "]
"""
DOUBLE = """
name: two
audits:
  - {task: classification, data: mnist, victims: {name: v, source: x}, attacks: fgsm, budgets: 8/255}
  - {task: {name: verification, far: 0.1}, data: [{name: lfw, folder: f}], victims: [{name: w, source: y}],
     attacks: [fgsm], budgets: [0]}
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "street.yaml"
    path.write_text(SINGLE, encoding="utf-8")
    return path


def _error(path: Path, *settings: str) -> str:
    with pytest.raises(UserError) as caught:
        load_study(path, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_fraction_is_the_number_it_means(written: Path) -> None:
    assert load_study(written).audits[0].budgets == (1 / 255, 0.5, 8 / 255)


def test_short_forms_are_the_long_ones(written: Path) -> None:
    long = SINGLE.replace("data: {", "data: [{").replace("digits}", "digits}]").replace("[fgsm", "[{name: fgsm}")
    long = long.replace('victims: {name: v, source: "python:a:b"}', 'victims: [{name: v, source: "python:a:b"}]')
    long = "name: street\naudits:\n" + "".join(
        ("  - " if number == 0 else "    ") + line + "\n"
        for number, line in enumerate(
            long.replace("task: classification", "task: {name: classification}").split("\n")[1:-1]
        )
    )
    short = load_study(written)
    written.write_text(long, encoding="utf-8")
    assert load_study(written) == short
    assert short.name == "street"
    assert [spec.options for spec in short.audits[0].attacks] == [{}, {"steps": 3}]
    assert short.audits[0].data[0].options == {"folder": "digits"}


def test_several_audits_stand_in_a_list(written: Path) -> None:
    written.write_text(DOUBLE, encoding="utf-8")
    study = load_study(written)
    assert study.name == "two"
    assert [audit.task.name for audit in study.audits] == ["classification", "verification"]
    assert study.audits[1].task.options == {"far": 0.1}
    assert study.audits[0].budgets == (8 / 255,)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("seedz: [1]", "seedz: this key is unknown"),
        ("limit: 0", "limit: "),
        ("seeds: [1.5]", "seeds.0: "),
        ("seeds: []", "seeds: at least one"),
        ("shard: many", "shard: "),
        ("budgets: [4/0]", "budgets.0: "),
        ("budgets: [1.2.3/4]", "budgets.0: "),
        ("budgets: [-1]", "budgets.0: "),
        ("budgets: [.nan]", "budgets.0: "),
        ("budgets: []", "budgets: none"),
        ("name: a/b", "name: "),
        ("name: ..", "name: "),
        ("name: a..b", "name: "),
        ("name: .hidden", "name: "),
        ("name: -rf", "name: "),
        ("seeds: [3, 1, 3]", "seeds: 3 is there twice"),
        ("budgets: [1/255, 2/510]", "budgets: 0.00392"),
        ("attacks: [{name: pgd, budgets: [0.5, 1/2]}]", "attacks: budgets of pgd: 0.5 is there twice"),
        ("data: []", "data: at least one"),
        ("data: {folder: x}", "data.0.name: field required"),
        ("data: [mnist, {name: mnist, folder: other}]", "data holds 'mnist' twice"),
        ("victims: {name: v}", "victims.0.source: field required"),
        ("victims: {name: v, source: s, weight: w}", "victims.0.weight: this key is unknown"),
        ("victims: [{name: v, source: s}, {name: v, source: t}]", "victims holds 'v' twice"),
        ("attacks: [{name: pgd, steps: 1}, {name: pgd, steps: 2}]", "attacks holds 'pgd' twice"),
        ("attacks: [{name: pgd, label: worst}]", "attacks: the label 'worst' is taken"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(written: Path, wrong: str, told: str) -> None:
    key = wrong.partition(":")[0]
    kept = [line for line in SINGLE.strip().split("\n") if not line.startswith(key)]
    written.write_text("\n".join([*kept, wrong]), encoding="utf-8")
    message = _error(written)
    assert message.startswith(f"{written}: {told}"), message


def test_the_audit_of_a_mistake_is_named_where_there_are_several(written: Path) -> None:
    written.write_text(DOUBLE.replace("budgets: [0]", "budgets: [0], wrong: 3"), encoding="utf-8")
    assert "audits.1.wrong: this key is unknown" in _error(written)


@pytest.mark.parametrize("content", ["", "- a\n", "name: [", "audits: []", "\x00"])
def test_what_is_no_study_is_told(written: Path, content: str) -> None:
    written.write_text(content, encoding="utf-8")
    assert str(written) in _error(written)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "nowhere.yaml" in _error(tmp_path / "nowhere.yaml")


def test_settings_change_values_lists_and_members_of_lists(written: Path) -> None:
    changes = ("seeds=[3,4]", "budgets=2/255", "attacks.1.steps=7", "attacks.0=bim", "limit=5", "victims.name=w")
    study = load_study(written, changes)
    (audit,) = study.audits
    assert audit.seeds == (3, 4)
    assert audit.budgets == (2 / 255,)
    assert [(spec.name, spec.options) for spec in audit.attacks] == [("bim", {}), ("pgd", {"steps": 7})]
    assert study.limit == 5
    assert audit.victims[0].name == "w"


def test_a_setting_reaches_into_one_of_several_audits(written: Path) -> None:
    written.write_text(DOUBLE, encoding="utf-8")
    study = load_study(written, ("audits.1.budgets=[1/255, 2/255]",))
    assert [audit.budgets for audit in study.audits] == [(8 / 255,), (1 / 255, 2 / 255)]


@pytest.mark.parametrize(
    "setting",
    ["seeds", "=3", "attacks.9.steps=1", "attacks.0.steps=1", "data.0.0.x=1", "seeds=[0,1", "attacks.2=bim"],
)
def test_a_setting_that_cannot_be_made_is_told(written: Path, setting: str) -> None:
    assert setting in _error(written, setting)


def test_an_unknown_key_set_is_told_as_one_in_the_file(written: Path) -> None:
    assert "limt: this key is unknown" in _error(written, "limt=3")
    assert "nowhere: this key is unknown" in _error(written, "nowhere.deep=1")


def test_a_setting_makes_the_mappings_on_its_way(written: Path) -> None:
    settings = ("victims.taps.embedding=linear:in", "victims.0.options.deep.er=1")
    (victim,) = load_study(written, settings).audits[0].victims
    assert victim.taps == {"embedding": "linear:in"}
    assert victim.options == {"deep": {"er": 1}}


@pytest.mark.parametrize("data", ["{name: mnist, folder: digits}", "[{name: mnist, folder: digits}]"])
@pytest.mark.parametrize("setting", ["data.size=[4,4]", "data.0.size=[4,4]"])
def test_one_thing_may_be_set_with_its_number_or_without(written: Path, data: str, setting: str) -> None:
    written.write_text(SINGLE.replace("{name: mnist, folder: digits}", data), encoding="utf-8")
    assert load_study(written, (setting,)).audits[0].data[0].options == {"folder": "digits", "size": [4, 4]}
    written.write_text(DOUBLE, encoding="utf-8")
    setting = setting.replace("data", "audits.1.data")
    assert load_study(written, (setting,)).audits[1].data[0].options == {"folder": "f", "size": [4, 4]}


def test_which_of_several_must_be_said(written: Path) -> None:
    written.write_text(SINGLE.replace("{name: mnist, folder: digits}", "[mnist, cifar10]"), encoding="utf-8")
    assert "--set data.size=3: there is no data.size" in _error(written, "data.size=3")


def test_two_audits_must_not_have_rows_of_the_same_names(written: Path) -> None:
    again = DOUBLE.replace("task: {name: verification, far: 0.1}", "task: classification").replace("lfw", "mnist")
    written.write_text(again, encoding="utf-8")
    assert len(load_study(written).audits) == 2
    written.write_text(again.replace("name: w", "name: v"), encoding="utf-8")
    assert "audits: classification of mnist of v is there twice" in _error(written)
    written.write_text(again.replace("name: w", "name: v").replace("folder: f", "folder: f, label: other"))
    assert len(load_study(written).audits) == 2


def test_the_written_study_reads_back_as_itself(written: Path) -> None:
    study = load_study(written, ("attacks=[{name: cw, budgets: [.inf]}, fgsm]",))
    assert Study.model_validate_json(study.model_dump_json()) == study
