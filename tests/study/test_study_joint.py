"""Audits of all threats to a ranking in one study, and the score they make together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_world import bench_of, describe, memory
from turncoat.core.errors import UserError
from turncoat.study.craft import Crafting
from turncoat.study.diagnosis import diagnose
from turncoat.study.lines import lines
from turncoat.study.plan import Study
from turncoat.study.registry import make_attack, make_task
from turncoat.study.runner import benches, run
from turncoat.study.settings import every_threat
from turncoat.study.specs import AttackSpec
from turncoat.study.store import Store
from turncoat.study.verdicts import verdicts
from turncoat.tasks.classification import Classification
from turncoat.tasks.metrics.ers import PLAIN, TERMS, ers
from turncoat.tasks.threats import SCORED

pytestmark = pytest.mark.usefixtures("in_memory")

ATTACKS = ["sign_noise", {"name": "robrank", "steps": 3}]
RETRIEVAL = {"name": "memory", "task": "retrieval"}


def _study(**options: object) -> dict[str, object]:
    task = {"name": "ranking", "threat": "all", **options}
    return describe("ranking", task=task, data=RETRIEVAL, attacks=ATTACKS, budgets=["16/255"])


def test_all_threats_are_nine_audits_that_are_told_apart() -> None:
    study = Study.model_validate(_study(itself=True))
    assert [audit.task.options["threat"] for audit in study.audits] == list(SCORED)
    assert all(audit.task.options["itself"] is True for audit in study.audits)
    assert len({audit.task.title for audit in study.audits}) == 9
    single = {key: value for key, value in _study().items() if key != "audits"} | dict(_study()["audits"][0])  # type: ignore[index]
    assert [audit.task for audit in Study.model_validate(single).audits] == [
        audit.task for audit in Study.model_validate(_study()).audits
    ]
    with pytest.raises(ValueError, match="ranking es of memory of tiny is there twice"):
        Study.model_validate(
            {
                **_study(),
                "audits": [*_study()["audits"], {**_study()["audits"][0], "task": {"name": "ranking", "threat": "es"}}],
            }
        )  # type: ignore[index, misc]


def test_other_audits_stay_as_they_are() -> None:
    others = [{"task": "retrieval"}, {"task": {"name": "ranking", "threat": "es"}}, {}, 3]
    assert every_threat(others) == others
    assert every_threat(None) is None


def test_the_score_is_that_of_the_nine_audits(tmp_path: Path) -> None:
    study, store = Study.model_validate(_study(others=2)), Store(tmp_path)
    rows = run(study, benches(study, tmp_path, store), store)
    joint = {str(row["attack"]): row for row in rows if row["task"] == "ranking ERS"}
    assert list(joint) == ["clean", "sign_noise", "robrank", "worst"]
    for attack, row in joint.items():
        parts = [one for one in rows if one["attack"] == attack and one["task"] != "ranking ERS"]
        assert len(parts) == 9
        assert row["forwards"] == sum(one["forwards"] for one in parts)  # type: ignore[misc]
        metrics = row["metrics"]
        assert list(metrics) == ["ers", *TERMS]  # type: ignore[call-overload]
        printed = {name: metrics[name]["value"] * (1 if name in PLAIN else 100) for name in TERMS}  # type: ignore[index]
        assert metrics["ers"]["value"] == pytest.approx(ers(printed) / 100)  # type: ignore[index]
        by_task = {str(one["task"]): one["metrics"] for one in parts}
        assert metrics["QA-"] == by_task["ranking qa-"]["rank"]  # type: ignore[index]
        assert metrics["ES:R"] == by_task["ranking es"]["recall@1"]  # type: ignore[index]
        assert metrics["GTT"] == by_task["ranking gtt"]["kept@4"]  # type: ignore[index]
    values = {attack: row["metrics"]["ers"]["value"] for attack, row in joint.items()}  # type: ignore[index]
    assert values["worst"] <= values["robrank"] < values["clean"]
    told = [one.sentence for one in verdicts(rows) if one.task == "ranking ERS"]
    assert len(told) == 1
    assert "ers falls from" in told[0]
    assert {line.task for line in lines(rows)} == {"ranking ERS", *(str(row["task"]) for row in rows)}
    diagnose(rows)


def test_one_threat_less_makes_no_score(tmp_path: Path) -> None:
    described = _study()
    study = Study.model_validate(described)
    fewer = study.model_copy(update={"audits": study.audits[1:3]})
    rows = run(fewer, benches(fewer, tmp_path), Store(tmp_path))
    assert {row["task"] for row in rows} == {"ranking ca-", "ranking qa+"}


def test_a_result_among_themselves_depends_on_every_sample() -> None:
    """Without a gallery the key of a shard must know the others; another key when one of them changes."""

    def keys(threat: str) -> list[str]:
        task = {"name": "ranking", "threat": threat}
        bench = bench_of(describe("ranking", task=task, data={"name": "memory", "task": "classification"}))
        cell = next(cell for cell in bench.cells() if cell.spec is not None)
        return [bench.key(cell, shard) for shard in bench.shards()]

    before = keys("qa_plus")
    assert len(set(before)) == 3
    assert all(a != b for a, b in zip(before, keys("qa_minus"), strict=True))
    task = {"name": "ranking", "threat": "qa_plus"}
    poked = bench_of(describe("ranking", task=task, data={"name": "memory", "task": "classification", "poke": 1}))
    cell = next(cell for cell in poked.cells() if cell.spec is not None)
    assert all(a != poked.key(cell, shard) for a, shard in zip(before, poked.shards(), strict=True))


def test_the_attack_sees_the_gallery_but_its_recipe_does_not() -> None:
    task = make_task(
        bench_of(describe("ranking", task={"name": "ranking", "threat": "qa_plus"}, data=RETRIEVAL)).audit.task
    )
    spec = AttackSpec.model_validate("robrank")
    crowd = {"gallery": torch.eye(4), "owner": torch.arange(4)}
    bare, informed = make_attack(spec, 0.1, task), make_attack(spec, 0.1, task, crowd)
    assert repr(bare) == repr(informed)
    assert len(informed.objective.crowd) == 4  # type: ignore[attr-defined]


def test_an_attack_that_wants_guides_gets_them_from_the_task() -> None:
    attacks = [{"name": name, "steps": 3} for name in ("fna", "tma_targeted", "es")]
    bench = bench_of(
        describe("retrieval", task={"name": "retrieval", "junk": "none"}, attacks=attacks, budgets=["16/255"])
    )
    bench.check()
    crafting = Crafting(bench, range(4), Store(Path()))
    for cell in bench.cells():
        if cell.spec is not None:
            columns, _ = crafting.records(cell)
            assert (columns["objective"] > columns["objective_clean"]).all()
    with pytest.raises(UserError, match="fna wants push, pull, which classification does not give"):
        make_attack(AttackSpec(name="fna"), 0.1, Classification())


def test_the_score_needs_no_gallery(tmp_path: Path) -> None:
    task = {"name": "ranking", "threat": "all"}
    described = describe("ranking", task=task, data={"name": "memory", "task": "classification"}, attacks=ATTACKS)
    study = Study.model_validate(described)
    rows = run(study, benches(study, tmp_path), Store(tmp_path))
    clean = next(row for row in rows if row["task"] == "ranking ERS" and row["attack"] == "clean")
    assert clean["n"] == len(memory())
    assert np.isfinite(clean["metrics"]["ers"]["low"])  # type: ignore[index]
