"""A study as cells: who is attacked how, and what the attacker knows."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import torch

from tiny_world import bench_of, describe, pixels, write_idx
from turncoat.core.errors import UserError
from turncoat.study.cells import ADAPTIVE, NONE, OBLIVIOUS, cells
from turncoat.study.plan import Study
from turncoat.study.runner import benches


def _study(**changes: object) -> Study:
    return Study.model_validate(describe(**changes))


def test_every_attack_meets_every_front_at_every_budget_and_seed() -> None:
    attacks = ["fgsm", {"name": "pgd", "budgets": [0.5], "label": "wide"}]
    (audit,) = _study(attacks=attacks, budgets=[0.1, 0.2], seeds=[3, 4]).audits
    found = cells(0, audit, audit.data[0], audit.victims[0], [("soft", True), ("odd", False)])
    fronts = {("none", NONE), ("soft", OBLIVIOUS), ("soft", ADAPTIVE), ("odd", OBLIVIOUS)}
    clean = {(front, NONE, "clean", 0.0, 0) for front in ("none", "soft", "odd")}
    budgets = [("fgsm", 0.1), ("fgsm", 0.2), ("wide", 0.5)]
    attacked = {(*front, *budget, seed) for front, budget, seed in product(fronts, budgets, (3, 4))}
    listed = [(cell.defense, cell.stance, cell.attack, cell.eps, cell.seed) for cell in found]
    assert len(listed) == len(set(listed))
    assert set(listed) == clean | attacked
    assert all((cell.spec is None) == (cell.attack == "clean") for cell in found)


def test_a_bench_for_each_victim_on_each_data_set() -> None:
    victims = [{"name": name, "source": "python:tiny_world:net"} for name in "ab"]
    data = [{"name": "memory", "label": name} for name in "xy"]
    pairs = [(bench.spec.name, bench.data.label) for bench in benches(_study(victims=victims, data=data), Path())]
    assert sorted(pairs) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


@pytest.mark.usefixtures("in_memory")
def test_defences_of_one_name_are_refused() -> None:
    bench = bench_of(describe(defenses=["jpeg", {"name": "jpeg", "quality": 75}]))
    with pytest.raises(UserError, match="jpeg75, jpeg75"):
        bench.check()


@pytest.mark.usefixtures("in_memory")
def test_shards_are_the_samples_in_order() -> None:
    bench = bench_of(describe(shard=5))
    assert [list(shard) for shard in bench.shards()] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


def test_paths_start_at_the_study_or_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for place, folder in (("beside", tmp_path / "studies" / "beside"), ("~/there", tmp_path / "home" / "there")):
        write_idx(folder, pixels(3, seed=0)[:, 0], torch.arange(3))
        bench = bench_of(describe(data={"name": "mnist", "folder": place}), tmp_path / "studies")
        assert len(bench.samples) == 3
