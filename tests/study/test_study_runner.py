"""A whole study: what is written, what the rows say, and what a second run does again."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tiny_world import Passes, bench_of, describe
from turncoat.study.cells import ADAPTIVE, CLEAN, OBLIVIOUS
from turncoat.study.estimate import estimate
from turncoat.study.plan import Study
from turncoat.study.runner import Tick, benches, run
from turncoat.study.store import Store
from turncoat.study.summary import Row

pytestmark = pytest.mark.usefixtures("in_memory")

TASKS = ["classification", "attributes", "retrieval", "verification"]
Group = tuple[object, ...]


def _run(described: Mapping[str, Any], folder: Path) -> tuple[list[Row], list[Tick]]:
    study = Study.model_validate(described)
    ticks: list[Tick] = []
    return run(study, benches(study, Path()), Store(folder), tick=ticks.append), ticks


def _value(row: Row, name: str) -> float | None:
    metrics = cast("Mapping[str, Mapping[str, float | None]]", row["metrics"])
    return metrics[name]["value"]


def _records(described: Mapping[str, Any], folder: Path) -> dict[Group, Mapping[str, NDArray[Any]]]:
    """The records of every cell, by defence, stance, attack, eps and seed."""
    bench, store = bench_of(described), Store(folder)
    return {
        (cell.defense, cell.stance, cell.attack, cell.eps, cell.seed): store.read(
            [bench.key(cell, shard) for shard in bench.shards()]
        )
        for cell in bench.cells()
    }


@pytest.mark.parametrize("task", TASKS)
def test_every_row_tells_what_its_records_say(task: str, tmp_path: Path) -> None:
    described = describe(task, defenses=["bit_depth"])
    rows, _ = _run(described, tmp_path)
    records = _records(described, tmp_path)
    bench = bench_of(described)
    assert [row["attack"] for row in rows[: len(records)]] == [place[2] for place in records]
    for row, ((defense, stance, attack, eps, seed), columns) in zip(rows, records.items(), strict=False):
        assert (row["defense"], row["stance"], row["attack"], row["eps"], row["seed"]) == (
            defense, stance, attack, eps, seed,
        )  # fmt: skip
        assert (row["task"], row["data"], row["victim"], row["n"]) == (task, "memory", "tiny", 12)
        assert _value(row, bench.task.headline) == pytest.approx(np.nanmean(columns["score"]))
        assert list(columns["key"]) == [f"m{index}" for index in range(12)]
        assert row["forwards"] == columns["forwards"].sum()
        assert row["backwards"] == columns["backwards"].sum()
        assert (columns["linf"] <= cast("float", eps) + 1e-6).all()
    assert all(next(iter(cast("dict[str, object]", row["metrics"]))) == bench.task.headline for row in rows)


def test_both_success_rates_are_counted_naively(tmp_path: Path) -> None:
    described = describe(defenses=["bit_depth"], attacks=[{"name": "pgd", "steps": 5, "spend": True}])
    rows, _ = _run(described, tmp_path)
    records = _records(described, tmp_path)
    for row, ((defense, _, attack, _, _), columns) in zip(rows, records.items(), strict=False):
        if attack == CLEAN:
            assert "success_all" not in cast("dict[str, object]", row["metrics"])
            continue
        clean = records[defense, "none", CLEAN, 0.0, 0]
        wrong = [prediction != label for prediction, label in zip(columns["prediction"], columns["label"], strict=True)]
        right = [prediction == label for prediction, label in zip(clean["prediction"], clean["label"], strict=True)]
        hits = [bool(bad) for bad, good in zip(wrong, right, strict=True) if good]
        assert _value(row, "success_all") == pytest.approx(sum(wrong) / len(wrong))
        assert _value(row, "success_conditional") == pytest.approx(sum(hits) / len(hits))
        assert 0 < len(hits) < len(wrong)


def test_the_worst_row_is_the_lowest_score_of_every_sample(tmp_path: Path) -> None:
    described = describe(
        "attributes",
        defenses=["bit_depth"],
        attacks=["sign_noise", "noise", {"name": "pgd", "norm": "l2", "steps": 2, "budgets": [0.3]}],
        budgets=["8/255", "64/255"],
        seeds=[0, 1],
    )
    rows, _ = _run(described, tmp_path)
    groups: dict[Group, list[Mapping[str, NDArray[Any]]]] = defaultdict(list)
    for (defense, stance, attack, eps, _), columns in _records(described, tmp_path).items():
        if attack != CLEAN:
            known = ADAPTIVE if stance == OBLIVIOUS else stance  # who knows of a defence can do what the other does
            groups[defense, known, "l2" if attack == "pgd" else "linf", eps].append(columns)
    worst = [row for row in rows if row["attack"] == "worst"]
    assert {(row["defense"], row["stance"], row["norm"], row["eps"]) for row in worst} == set(groups)
    assert len(worst) == len(groups) == 6
    lower = 0
    for row in worst:
        members = groups[row["defense"], row["stance"], row["norm"], row["eps"]]
        scores = np.stack([columns["score"] for columns in members])
        assert _value(row, "accuracy") == pytest.approx(scores.min(0).mean())
        assert row["forwards"] == sum(columns["forwards"].sum() for columns in members)
        assert (row["seed"], row["n"]) == (None, 12)
        lower += scores.min(0).mean() < scores.mean(1).min()
    assert lower, "one attack was the worst on every sample: this test shows nothing"


def test_a_label_does_not_decide_the_norm(tmp_path: Path) -> None:
    attacks = [{"name": "fgsm", "label": "cw"}, {"name": "cw", "label": "smallest", "steps": 5, "searches": 2}]
    described = describe(attacks=attacks, budgets=[math.inf], limit=4)
    described["audits"][0]["attacks"][0]["budgets"] = [0.1]
    rows, _ = _run(described, tmp_path)
    norms = {row["attack"]: (row["norm"], row["eps"]) for row in rows if row["attack"] != "worst"}
    assert norms == {"clean": ("linf", 0.0), "cw": ("linf", 0.1), "smallest": ("l2", None)}


def test_an_unbounded_budget_is_written(tmp_path: Path) -> None:
    described = describe(attacks=[{"name": "cw", "steps": 5, "searches": 2}], budgets=[math.inf], limit=4)
    rows, _ = _run(described, tmp_path)
    written = json.loads((tmp_path / "study.json").read_text())
    assert Study.model_validate(written) == Study.model_validate(described)
    assert [row["eps"] for row in rows] == [0.0, None, None]


def test_a_finished_study_is_not_run_again(tmp_path: Path) -> None:
    described = describe("verification", defenses=["bit_depth", "jpeg"])
    rows, ticks = _run(described, tmp_path)
    assert not any(tick.reused for tick in ticks)
    before = {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    with Passes() as passes:
        again, ticks = _run(described, tmp_path)
    assert all(tick.reused for tick in ticks)
    assert (passes.forwards, passes.backwards) == (1, 0)  # the look at one image before the work begins
    assert again == rows
    assert {path.name: path.read_bytes() for path in (tmp_path / "records").iterdir()} == before


def test_another_attack_is_added_to_what_is_there(tmp_path: Path) -> None:
    first, _ = _run(describe(attacks=["fgsm"], defenses=["jpeg"]), tmp_path)
    second, ticks = _run(describe(attacks=["fgsm", "bim"], defenses=["bit_depth", "jpeg"]), tmp_path)
    done = {(tick.cell.defense, tick.cell.attack) for tick in ticks if tick.reused}
    assert done == {("none", "clean"), ("jpeg75", "clean"), ("none", "fgsm"), ("jpeg75", "fgsm")}
    kept = [row for row in second if row["attack"] != "worst" and row in first]
    assert len(kept) == len([row for row in first if row["attack"] != "worst"])


def test_a_limit_takes_samples_from_the_whole_set(tmp_path: Path) -> None:
    described = describe(limit=5)
    rows, _ = _run(described, tmp_path)
    assert {row["n"] for row in rows} == {5}
    for columns in _records(described, tmp_path).values():
        assert list(columns["key"]) == ["m0", "m3", "m6", "m8", "m11"]
        assert columns["index"].tolist() == [0, 1, 2, 3, 4]


def test_a_limited_run_does_not_spoil_the_whole_one(tmp_path: Path) -> None:
    whole, _ = _run(describe(shard=1), tmp_path / "whole")
    _run(describe(shard=1, limit=3), tmp_path / "both")
    both, ticks = _run(describe(shard=1), tmp_path / "both")
    assert any(tick.reused for tick in ticks)
    assert _timeless(both) == _timeless(whole)


def test_two_runs_merge_by_copying_their_records(tmp_path: Path) -> None:
    described = describe(attacks=["fgsm", "bim"])
    whole, _ = _run(described, tmp_path / "whole")
    for name in ("fgsm", "bim"):
        _run(describe(attacks=[name]), tmp_path / name)
        for path in (tmp_path / name / "records").iterdir():
            target = tmp_path / "merged" / "records" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    merged, ticks = _run(described, tmp_path / "merged")
    assert all(tick.reused for tick in ticks)
    assert _timeless(merged) == _timeless(whole)


def test_ticks_tell_how_many_samples_are_broken(tmp_path: Path) -> None:
    described = describe(attacks=["fgsm"], shard=5)
    _, ticks = _run(described, tmp_path)
    records = _records(described, tmp_path)["none", "none", "fgsm", 8 / 255, 0]
    attacked = [tick for tick in ticks if tick.cell.attack == "fgsm"]
    assert [tick.samples for tick in attacked] == [5, 5, 2]
    scores = np.split(records["score"], [5, 10])
    assert [tick.broken for tick in attacked] == [(part < 0.5).sum() for part in scores]
    assert all(tick.broken == 0 for tick in ticks if tick.cell.attack == CLEAN)


def test_global_random_state_decides_nothing_and_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first, _ = _run(describe(), tmp_path / "a")
    drawn = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    assert (torch.rand(1), np.random.rand()) == drawn
    second, _ = _run(describe(), tmp_path / "b")
    assert _timeless(first) == _timeless(second)


@pytest.mark.parametrize(
    "shape",
    [{}, {"defenses": ["dim", "jpeg"]}, {"attacks": ["uturn", {"name": "apgd_targeted", "steps": 3, "targets": 2}]}],
)
def test_the_estimate_is_never_exceeded(tmp_path: Path, shape: dict[str, object]) -> None:
    attacks = [
        "sign_noise",
        "fgsm",
        {"name": "pgd", "steps": 4, "restarts": 2, "spend": True},
        {"name": "cw", "steps": 3, "searches": 2},
    ]
    described = describe(**{"attacks": attacks, "budgets": [0.01, 0.1], "shard": 5, **shape})
    bench, store = bench_of(described), Store(tmp_path)
    bench.check()
    costs = estimate(bench, store)
    assert [cost.cell for cost in costs] == bench.cells()
    assert all(cost.samples == 12 for cost in costs)
    study = Study.model_validate(described)
    passes = Passes()
    spent: dict[object, list[int]] = defaultdict(lambda: [0, 0])

    def tick(done: Tick) -> None:
        passes.__exit__()
        spent[repr(done.cell)][0] += passes.forwards
        spent[repr(done.cell)][1] += passes.backwards
        passes.__enter__()

    passes.__enter__()
    run(study, [bench], store, tick=tick)
    spent[repr(bench.cells()[0])][0] -= 1  # the look at one image before the work begins
    for cost in costs:
        assert spent[repr(cost.cell)][0] <= cost.forwards, cost
        assert spent[repr(cost.cell)][1] <= cost.backwards, cost
    assert sum(back for _, back in spent.values()) > 0
    assert all(cost.samples == cost.forwards == cost.backwards == 0 for cost in estimate(bench, store))
    assert [cost.samples for cost in estimate(bench, None)] == [12] * len(costs)


def test_the_estimate_counts_shared_images_where_they_are_still_to_be_made(tmp_path: Path) -> None:
    pgd = [{"name": "pgd", "steps": 3}]
    _run(describe(attacks=pgd, defenses=["jpeg"], shard=12), tmp_path)
    bench = bench_of(describe(attacks=pgd, defenses=["jpeg", "silent", "dim"], shard=12))
    costs = {cost.cell.defense: cost for cost in estimate(bench, Store(tmp_path)) if cost.cell.stance == OBLIVIOUS}
    assert {name: cost.backwards for name, cost in costs.items()} == {"jpeg75": 0, "silent": 36, "dim": 0}
    assert (costs["jpeg75"].forwards, costs["dim"].forwards) == (0, 12)


def _timeless(rows: list[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
