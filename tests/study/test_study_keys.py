"""The name of a shard: equal for equal records, and another as soon as anything that decides them is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tiny_world import Tiny, bench_of, describe
from turncoat.study.cells import Cell

pytestmark = pytest.mark.usefixtures("in_memory")

Keys = dict[tuple[str, str, str, int], str]
PGD = {"name": "pgd", "steps": 3}


def _keys(described: Mapping[str, Any], root: Path = Path()) -> Keys:
    """The names of all shards by defence, stance, attack and place."""
    bench = bench_of(described, root)
    return {
        (cell.defense, cell.stance, cell.attack, shard.start): bench.key(cell, shard)
        for cell in bench.cells()
        for shard in bench.shards()
    }


def _victim(**changes: object) -> dict[str, object]:
    return {"name": "tiny", "source": "python:tiny_world:net", "reads": "logits", **changes}


def test_equal_studies_have_equal_keys_and_all_differ() -> None:
    described = describe(defenses=["jpeg", "bit_depth"], seeds=[0, 1])
    first = _keys(described)
    assert first == _keys(described)
    everything = [
        bench.key(cell, shard) for bench in [bench_of(described)] for cell in bench.cells() for shard in bench.shards()
    ]
    assert len(set(everything)) == len(everything)


CHANGES: dict[str, dict[str, Any]] = {
    "weights": {"victims": _victim(options={"seed": 1})},
    "what weights do not show": {"victims": _victim(options={"gain": 2.0})},
    "normalisation": {"victims": _victim(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])},
    "input size": {"victims": _victim(size=[10, 10])},
    "task": {"task": {"name": "attributes"}, "data": {"name": "memory", "task": "attributes"}},
}
ATTACK_CHANGES: dict[str, dict[str, Any]] = {
    "eps": {"budgets": ["4/255"]},
    "seed": {"seeds": [1]},
    "option": {"attacks": [{"name": "pgd", "steps": 4}]},
    "objective": {"attacks": [{**PGD, "objective": "margin"}]},
    "spend": {"attacks": [{**PGD, "spend": True}]},
    "attack": {"attacks": [{"name": "bim", "steps": 3, "label": "pgd"}]},
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_decides_every_record_changes_every_key(what: str) -> None:
    before, after = _keys(describe(attacks=[PGD])), _keys(describe(attacks=[PGD], **CHANGES[what]))
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize("what", ATTACK_CHANGES)
def test_what_decides_an_attack_changes_its_keys_and_not_the_clean_ones(what: str) -> None:
    described = describe(attacks=[PGD])
    before = _keys(described)
    described["audits"][0].update(ATTACK_CHANGES[what])
    after = _keys(described)
    same = {place[2] for place, key in before.items() if after[place] == key}
    other = {place[2] for place, key in before.items() if after[place] != key}
    assert same == {"clean"}
    assert other == {"pgd"}


def test_a_task_option_changes_the_keys() -> None:
    loose, strict = (_keys(describe("verification", task={"name": "verification", "far": far})) for far in (0.1, 0.01))
    assert not set(loose.values()) & set(strict.values())


def test_one_pixel_changes_its_own_shard_only() -> None:
    before, after = (_keys(describe(data={"name": "memory", "poke": poke})) for poke in (0, 1))
    assert {place[3] for place, key in before.items() if after[place] != key} == {0}


def test_one_pixel_changes_every_shard_where_thresholds_come_from_all_pairs() -> None:
    data = {"name": "memory", "task": "verification"}
    before, after = (_keys(describe("verification", data={**data, "poke": poke})) for poke in (0, 1))
    assert not set(before.values()) & set(after.values())


def test_new_weights_in_the_same_file_change_the_keys(tmp_path: Path) -> None:
    network = Tiny()
    found = []
    for _ in range(2):
        save_file(network.state_dict(), tmp_path / "w.safetensors")
        found.append(set(_keys(describe(victims=_victim(weights="w.safetensors")), tmp_path).values()))
        network.head.bias.data += 1e-3
    assert not found[0] & found[1]


def test_an_option_of_a_defence_changes_its_keys_only() -> None:
    before = _keys(describe(defenses=[{"name": "jpeg", "quality": 75}, "bit_depth"]))
    after = _keys(describe(defenses=[{"name": "jpeg", "quality": 74}, "bit_depth"]))
    assert not {key for place, key in before.items() if place[0] == "jpeg75"} & set(after.values())
    assert all(after[place] == key for place, key in before.items() if place[0] != "jpeg75")


def test_names_and_company_do_not_change_keys() -> None:
    """A label, another attack or defence, or the order of them decides nothing about a record."""
    alone = _keys(describe(attacks=[PGD], defenses=["jpeg"]))
    described = describe(
        attacks=["fgsm", {**PGD, "label": "mine"}], defenses=["bit_depth", "jpeg"], victims=_victim(name="other")
    )
    company = set(_keys(described).values())
    assert set(alone.values()) <= company


def test_the_same_rows_at_another_place_have_another_key() -> None:
    """Otherwise the records of a limited run would carry their old places into an unlimited one."""
    described = describe(shard=1)
    whole, limited = _keys(described), _keys({**described, "limit": 3})
    clean = ("none", "none", "clean")
    assert whole[*clean, 0] == limited[*clean, 0]
    assert limited[*clean, 2] not in whole.values()


def test_the_stance_changes_the_key() -> None:
    bench = bench_of(describe(defenses=["jpeg"], attacks=[PGD]))
    shard = bench.shards()[0]
    by_stance: dict[str, Cell] = {cell.stance: cell for cell in bench.cells() if cell.defense == "jpeg75" and cell.spec}
    oblivious, adaptive = by_stance["oblivious"], by_stance["adaptive"]
    assert replace(oblivious, stance="adaptive") == adaptive
    assert bench.key(oblivious, shard) != bench.key(adaptive, shard)


def test_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    _keys(describe(defenses=["jpeg"]))
    assert torch.equal(torch.rand(1), expected)
