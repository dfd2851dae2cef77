"""One shard of one cell: what is attacked, who judges, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tiny_world import Darker, Mirrored, Passes, bench_of, describe
from turncoat.core.seeds import seeded
from turncoat.study.bench import Bench
from turncoat.study.cells import ADAPTIVE, OBLIVIOUS, Cell
from turncoat.study.craft import Crafting
from turncoat.study.registry import make_attack
from turncoat.study.store import Store

pytestmark = pytest.mark.usefixtures("in_memory")

EPS = 24 / 255
PGD = {"name": "pgd", "steps": 3}


NOWHERE = Store(Path("nowhere"))  # these cells neither write nor read there


def _bench(task: str = "classification", **changes: object) -> Bench:
    return bench_of(describe(task, budgets=[EPS], attacks=[PGD], shard=12, **changes))


def _cell(bench: Bench, defense: str, stance: str) -> Cell:
    (cell,) = [one for one in bench.cells() if (one.defense, one.stance) == (defense, stance) and one.spec]
    return cell


@pytest.mark.parametrize("task", ["classification", "attributes", "retrieval", "verification"])
def test_the_adaptive_row_keeps_the_worst_of_all_ways_per_sample(task: str) -> None:
    bench = _bench(task, defenses=["dim"])
    shard, cell = bench.shards()[0], _cell(bench, "dim", ADAPTIVE)
    columns, images = Crafting(bench, shard, NOWHERE).records(cell)
    deployed, clean = bench.defended["dim"], bench.samples.images()
    judge_context = bench.task.context(deployed, bench.samples)
    tried = []
    for module in (Darker(), Mirrored()):
        fooled = bench.victim.behind(module)
        truth = bench.task.truth(bench.samples, shard, judge_context)
        assert cell.spec is not None
        result = make_attack(cell.spec, EPS, bench.task)(fooled, clean, truth, generator=seeded(0))
        judged = bench.task.judge(deployed, result.images, bench.samples, shard, judge_context)
        tried.append((result, judged))
    (first, judged_a), (second, judged_b) = tried
    nan = judged_a["score"].isnan()
    rank_a, rank_b = (
        list(zip(*(one[name].tolist() for name in bench.task.harm), strict=True)) for one in (judged_a, judged_b)
    )
    wins = torch.tensor([b < a for a, b in zip(rank_a, rank_b, strict=True)])
    expected = torch.where(wins, judged_b["score"], judged_a["score"])
    assert torch.equal(columns["score"][~nan], expected[~nan])
    chosen = wins[:, None, None, None]
    assert torch.equal(images, torch.where(chosen, second.images, first.images))
    assert torch.equal(columns["forwards"], first.forwards + second.forwards)
    assert torch.equal(columns["backwards"], first.backwards + second.backwards)
    assert torch.equal(columns["objective"], torch.where(chosen.view(-1), second.objective, first.objective))
    if task != "retrieval":
        assert bool(chosen.any()), "the second way never won: this test shows nothing"


def test_every_surrogate_has_a_context_of_its_own() -> None:
    """Two purifiers with surrogates of one class: the thresholds of one must not serve for the other."""
    bench = _bench("verification", defenses=[{"name": "bit_depth", "bits": bits} for bits in (1, 4)])
    for name in ("bits1", "bits4"):
        ((_, victim),) = bench.surrogates[name]
        context, expected = bench.context(victim), bench.task.context(victim, bench.samples)
        assert all(torch.equal(context[key], expected[key]) for key in expected)
        assert bench.context(victim) is context, "computed twice"


def test_a_purifier_without_adaptive_attacks_has_no_adaptive_cell() -> None:
    bench = _bench(defenses=["silent", "jpeg"])
    stances = {(cell.defense, cell.stance) for cell in bench.cells() if cell.spec}
    assert stances == {("none", "none"), ("silent", OBLIVIOUS), ("jpeg75", OBLIVIOUS), ("jpeg75", ADAPTIVE)}


def test_oblivious_images_are_made_once_and_judged_by_every_defence() -> None:
    bench = _bench(defenses=["jpeg", "dim", "silent"])
    crafting, n = Crafting(bench, bench.shards()[0], NOWHERE), 12
    with Passes() as first:
        _, images = crafting.records(_cell(bench, "jpeg75", OBLIVIOUS))
    assert first.backwards == 3 * n
    for name in ("dim", "silent"):
        with Passes() as passes:
            columns, again = crafting.records(_cell(bench, name, OBLIVIOUS))
        assert (passes.forwards, passes.backwards) == (n, 0)
        assert torch.equal(again, images)
        judged = bench.defended[name].predict(images).logits
        assert torch.equal(columns["prediction"], judged.argmax(1))


def test_an_oblivious_record_does_not_depend_on_what_was_made_before() -> None:
    """An interrupted run goes on at any cell, and another study has other defences: the record must be the same."""
    bench = _bench(defenses=["jpeg", "dim"])
    cell, shard = _cell(bench, "dim", OBLIVIOUS), bench.shards()[0]
    alone, together = Crafting(bench, shard, NOWHERE), Crafting(bench, shard, NOWHERE)
    together.records(_cell(bench, "jpeg75", OBLIVIOUS))
    expected, found = alone.records(cell)[0], together.records(cell)[0]
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], values) for name, values in expected.items())


def test_oblivious_images_of_another_attack_are_not_taken() -> None:
    bench = _bench(defenses=["silent"])
    cell = _cell(bench, "silent", OBLIVIOUS)
    assert cell.spec is not None
    longer = replace(cell, spec=cell.spec.model_copy(update={"steps": 30}))
    crafting = Crafting(bench, bench.shards()[0], NOWHERE)
    _, few = crafting.records(cell)
    _, many = crafting.records(longer)
    assert not torch.equal(few, many)


def test_the_oblivious_attacker_spends_the_budget_and_the_other_stops() -> None:
    bench = _bench(defenses=["silent"])
    crafting = Crafting(bench, bench.shards()[0], NOWHERE)
    stopping, _ = crafting.records(_cell(bench, "none", "none"))
    spending, _ = crafting.records(_cell(bench, "silent", OBLIVIOUS))
    assert (spending["steps"] == 3).all()
    assert (stopping["steps"] < 3).any()
    clean = bench.task.judge(bench.victim, crafting.images, bench.samples, bench.shards()[0], {})
    assert (stopping["steps"][clean["score"] == 0] == 0).all()


def test_spend_is_as_the_study_says() -> None:
    bench = bench_of(describe(budgets=[EPS], attacks=[{**PGD, "spend": True}], shard=12))
    columns, _ = Crafting(bench, bench.shards()[0], NOWHERE).records(_cell(bench, "none", "none"))
    assert (columns["steps"] == 3).all()


def test_records_say_how_far_the_images_went() -> None:
    bench = _bench()
    crafting = Crafting(bench, bench.shards()[0], NOWHERE)
    columns, images = crafting.records(_cell(bench, "none", "none"))
    change = (images - bench.samples.images()).double().flatten(1)
    torch.testing.assert_close(columns["linf"].double(), change.abs().max(1).values)
    torch.testing.assert_close(columns["l2"].double(), change.square().sum(1).sqrt())
    assert columns["linf"].max() <= EPS + 1e-6
    assert columns["linf"].max() > 0
    assert columns["index"].tolist() == list(range(12))


def test_the_clean_row_is_the_image_itself() -> None:
    bench = _bench(defenses=["dim"])
    (cell,) = [one for one in bench.cells() if one.spec is None and one.defense == "dim"]
    columns, images = Crafting(bench, bench.shards()[0], NOWHERE).records(cell)
    assert torch.equal(images, bench.samples.images())
    assert (columns["linf"] == 0).all()
    assert (columns["forwards"] == 1).all()
    expected = bench.victim.network(0.8 * images.flip(-1))["logits"].argmax(1)
    assert torch.equal(columns["prediction"], expected)
