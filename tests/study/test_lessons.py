"""A universal perturbation in a study: learnt once, on the data that was named, and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tiny_world import Passes, bench_of, describe, memory
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.study.bench import Bench
from turncoat.study.cells import ADAPTIVE, OBLIVIOUS, Cell
from turncoat.study.craft import Crafting
from turncoat.study.estimate import estimate
from turncoat.study.lessons import Lesson
from turncoat.study.plan import Study
from turncoat.study.registry import make_attack
from turncoat.study.runner import benches, run
from turncoat.study.store import Store

pytestmark = pytest.mark.usefixtures("in_memory")

EPS = 24 / 255
TASKS = ["classification", "attributes", "retrieval", "verification"]


def _learns(task: str = "classification", **changes: Any) -> dict[str, Any]:
    learn_on = {"name": "memory", "task": task, "n": 10, "seed": 5}
    return {"name": "universal", "epochs": 2, "batch": 4, "size": "4/255", "learn_on": learn_on, **changes}


def _described(task: str = "classification", attack: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return describe(task, attacks=[attack or _learns(task)], budgets=[EPS], **changes)


def _bench(task: str = "classification", attack: dict[str, Any] | None = None, **changes: Any) -> Bench:
    return bench_of(_described(task, attack, **changes))


def _cell(bench: Bench, defense: str = "none", stance: str = "none") -> Cell:
    (cell,) = [one for one in bench.cells() if (one.defense, one.stance) == (defense, stance) and one.spec]
    return cell


def _learnt(store: Store) -> list[Path]:
    return sorted((store.folder / "learned").glob("*"))


@pytest.mark.parametrize("task", TASKS)
def test_every_shard_gets_what_was_learnt_from_the_other_data(task: str, tmp_path: Path) -> None:
    bench, store = _bench(task), Store(tmp_path)
    cell = _cell(bench)
    images = torch.cat([Crafting(bench, shard, store).records(cell)[1] for shard in bench.shards()])
    (path,) = _learnt(store)
    learnt = load_file(path)["perturbation"]
    wanted = (bench.samples.images() + learnt).clamp(0, 1)
    assert (images - wanted).abs().max() <= 0.5 / 255 + 1e-6
    assert (images - bench.samples.images()).abs().max() <= EPS + 1e-6

    attack, victim = make_attack(cell.spec, EPS, bench.task), bench.victim
    samples = memory(task, n=10, seed=5)
    order = torch.randperm(10, generator=seeded(0)).split(4)
    context = bench.task.context(victim, samples)
    lesson = [(samples.images(part.tolist()), bench.task.truth(samples, part.tolist(), context)) for part in order]
    assert torch.equal(learnt, attack.learn(victim, lesson, generator=seeded(0)))


def test_nothing_is_learnt_twice(tmp_path: Path) -> None:
    bench, store = _bench(), Store(tmp_path)
    first, second, _ = (Crafting(bench, shard, store) for shard in bench.shards())
    with Passes() as passes:
        columns, _ = first.records(_cell(bench))
    assert passes.backwards == 2 * 10
    with Passes() as passes:
        second.records(_cell(bench))
    assert passes.backwards == 0
    fresh = _bench()
    with Passes() as passes:
        again, _ = Crafting(fresh, fresh.shards()[0], store).records(_cell(fresh))
    assert passes.backwards == 0
    assert all(torch.equal(columns[name], again[name]) for name in columns)
    assert len(_learnt(store)) == 1


def test_each_victim_attacked_has_its_own_lesson(tmp_path: Path) -> None:
    bench, store = _bench(defenses=["dim"], seeds=[0]), Store(tmp_path)
    crafting = Crafting(bench, bench.shards()[0], store)
    crafting.records(_cell(bench))
    assert len(_learnt(store)) == 1
    crafting.records(_cell(bench, "dim", OBLIVIOUS))
    assert len(_learnt(store)) == 1
    crafting.records(_cell(bench, "dim", ADAPTIVE))
    assert len(_learnt(store)) == 3  # two ways through


CHANGES: dict[str, dict[str, Any]] = {
    "images": _learns(learn_on={"name": "memory", "n": 10, "seed": 5, "poke": 1}),
    "number": _learns(learn_on={"name": "memory", "n": 9, "seed": 5}),
    "epochs": _learns(epochs=3),
    "batch": _learns(batch=5),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_name_of_a_shard_and_of_a_lesson_holds_what_was_learnt_from(what: str) -> None:
    one, other = _bench(), _bench(attack=CHANGES[what])
    shard = one.shards()[0]
    assert one.key(_cell(one), shard) == _bench().key(_cell(one), shard)
    assert one.key(_cell(one), shard) != other.key(_cell(other), shard)
    keys = set()
    for bench in (
        one,
        other,
        _bench(seeds=[1]),
        _bench(victims={"name": "tiny", "source": "python:tiny_world:net", "reads": "logits", "options": {"seed": 1}}),
    ):
        cell = _cell(bench)
        keys.add(Lesson(bench, cell, bench.victim, bench.dataset.other(cell.spec.learn_on))._key(bench.victim))
    assert len(keys) == 4


def test_a_study_goes_on_without_learning_again(tmp_path: Path) -> None:
    study = Study.model_validate(_described(seeds=[0, 1], defenses=["bit_depth"]))
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    rows = run(study, benches(study, Path(), whole), whole)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, benches(study, Path(), broken), broken, tick=lambda tick: tick.cell.spec and stop(tick))
    assert len(_learnt(broken)) == 1
    kept = {path.name: path.read_bytes() for path in _learnt(broken)}
    resumed = run(study, benches(study, Path(), broken), broken)
    assert [{**row, "seconds": None} for row in rows] == [{**row, "seconds": None} for row in resumed]
    everything = {path.name: path.read_bytes() for path in _learnt(broken)}
    assert everything == {path.name: path.read_bytes() for path in _learnt(whole)}
    assert kept.items() <= everything.items()
    broken.clear()
    assert not _learnt(broken)


def test_a_retrieval_split_to_learn_from_needs_no_gallery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dataclasses import replace

    from turncoat.data.load import DATASETS

    alone = replace(memory("classification", n=8, seed=3), truth={})
    monkeypatch.setitem(DATASETS, "alone", lambda: alone)
    bench = _bench("retrieval", _learns(learn_on="alone"))
    bench.check()
    columns, _ = Crafting(bench, bench.shards()[0], Store(tmp_path)).records(_cell(bench))
    assert (columns["objective"] > columns["objective_clean"]).all()


def test_the_estimate_holds_what_learning_costs() -> None:
    bench = _bench(defenses=["dim"])
    costs = {(cost.cell.defense, cost.cell.stance): cost for cost in estimate(bench, None) if cost.cell.spec}
    lesson = 2 * 2 * 10, 2 * 10
    assert (costs["none", "none"].forwards, costs["none", "none"].backwards) == (12 * 3 + lesson[0], lesson[1])
    assert costs["dim", OBLIVIOUS].backwards == 0
    assert costs["dim", ADAPTIVE].backwards == 2 * lesson[1]


def test_mistakes_are_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="attack universal learns from other images than it attacks: name them"):
        _bench(attack={"name": "universal"}).check()
    with pytest.raises(UserError, match="attack pgd learns from no data"):
        _bench(attack={"name": "pgd", "learn_on": "memory"}).check()
    with pytest.raises(UserError, match="'label' is needed"):
        _bench(attack=_learns("attributes")).check()
    bench, store = _bench(), Store(tmp_path)
    Crafting(bench, bench.shards()[0], store).records(_cell(bench))
    (path,) = _learnt(store)
    path.write_bytes(b"broken")
    with pytest.raises(UserError, match="is damaged"):
        Crafting(fresh := _bench(), fresh.shards()[0], store).records(_cell(fresh))


def test_another_layer_is_attacked_where_a_study_says_so(tmp_path: Path) -> None:
    described = {"name": "uturn", "layer": "conv"}
    bench = _bench("retrieval", described)
    bench.check()
    _, images = Crafting(bench, bench.shards()[0], Store(tmp_path)).records(_cell(bench))
    attack = make_attack(bench.audit.attacks[0].model_copy(update={"layer": None}), EPS, bench.task)
    expected = attack(bench.victim.reading("conv"), bench.samples.images(bench.shards()[0]), generator=seeded(0))
    assert torch.equal(images, expected.images)
    assert bench.key(_cell(bench), bench.shards()[0]) != (plain := _bench("retrieval", {"name": "uturn"})).key(
        _cell(plain), bench.shards()[0]
    )
    with pytest.raises(UserError, match="has no layer 'neck"):
        _bench("retrieval", {**described, "layer": "neck"}).check()
    for name in ("pgd", "cw", "noise"):
        with pytest.raises(UserError, match="cannot be aimed at layer 'conv'"):
            _bench("classification", {"name": name, "layer": "conv"}).check()
