"""Stopping at any shard and going on equals the uninterrupted run, byte for byte (contract, point 13)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tiny_world import Passes, bench_of, describe
from turncoat.study.cells import OBLIVIOUS
from turncoat.study.plan import Study
from turncoat.study.runner import Tick, benches, run
from turncoat.study.store import Store

pytestmark = pytest.mark.usefixtures("in_memory")

Whole = tuple[dict[str, object], list[str]]  # the files of a run, and the stances of its shards in order
STUDIES: dict[str, dict[str, Any]] = {
    "classification": {"defenses": ["jpeg", "bit_depth"], "pictures": 2},
    "attributes": {"attacks": [{"name": "pgd", "steps": 2}], "shard": 6},
    "retrieval": {"attacks": ["uturn"], "defenses": ["bit_depth"]},
    "verification": {"defenses": [{"name": "bit_depth", "bits": 1}, {"name": "bit_depth", "bits": 3}]},
}


def _go(described: Mapping[str, Any], folder: Path, tick: Callable[[Tick], None] = lambda _: None) -> None:
    study = Study.model_validate(described)
    run(study, benches(study, Path()), Store(folder), tick=tick)


def _content(folder: Path) -> dict[str, object]:
    """Every file of a run; of the seconds only that they are there."""
    content: dict[str, object] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == "summary.json":
            content[name] = [{**row, "seconds": None} for row in json.loads(path.read_text())]
        elif name.startswith("records/") and name.endswith(".json"):
            content[name] = sorted(json.loads(path.read_text()))
        else:
            content[name] = path.read_bytes()
    return content


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    @cache
    def once(task: str) -> Whole:
        folder = tmp_path_factory.mktemp(task)
        ticks: list[Tick] = []
        _go(describe(task, **STUDIES[task]), folder, ticks.append)
        return _content(folder), [tick.cell.stance for tick in ticks]

    return once


@pytest.mark.parametrize("place", [0, 1, 2, OBLIVIOUS])
@pytest.mark.parametrize("task", STUDIES)
def test_an_interrupted_study_goes_on_to_the_same_bytes(
    task: str, place: int | str, tmp_path: Path, uninterrupted: Callable[[str], Whole]
) -> None:
    described = describe(task, **STUDIES[task])
    expected, stances = uninterrupted(task)
    if isinstance(place, int):
        left = random.Random(place).randrange(1, len(stances))
    elif OBLIVIOUS in stances:  # between two cells that share their images
        left = stances.index(OBLIVIOUS) + 1
    else:
        return
    first: list[Tick] = []

    def stop(done: Tick) -> None:
        first.append(done)
        if len(first) == left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _go(described, tmp_path, stop)
    assert not (tmp_path / "summary.json").exists()
    assert len(list((tmp_path / "records").glob("*.parquet"))) == left
    second: list[Tick] = []
    _go(described, tmp_path, second.append)
    assert [tick.cell for tick in second if tick.reused][:left] == [tick.cell for tick in first]
    assert sum(tick.reused for tick in second) == left
    found = _content(tmp_path)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("left", [1, 4, 7])
def test_going_on_costs_what_was_missing(left: int, tmp_path: Path) -> None:
    described = describe(attacks=[{"name": "pgd", "steps": 3}, "sign_noise"])
    stopped = 0

    def stop(_: Tick) -> None:
        nonlocal stopped
        stopped += 1
        if stopped == left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _go(described, tmp_path, stop)
    bench, store = bench_of(described), Store(tmp_path)
    missing = [
        (cell, bench.key(cell, shard))
        for cell in bench.cells()
        for shard in bench.shards()
        if not store.has(bench.key(cell, shard))
    ]
    with Passes() as passes:
        _go(described, tmp_path)
    backwards, forwards = 0, 1  # the look at one image before the work begins
    for cell, key in missing:
        records = store.read([key])
        backwards += int(records["backwards"].sum())
        forwards += int(records["forwards"].sum()) + (4 if cell.spec else 0)  # the judgement
    assert (passes.forwards, passes.backwards) == (forwards, backwards)


def test_a_crash_in_the_middle_of_a_shard_loses_that_shard_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = describe("verification")
    whole = tmp_path / "whole"
    _go(described, whole)
    written, write = 0, Store.write_shard

    def crash(self: Store, *arguments: Any) -> None:
        nonlocal written
        written += 1
        if written == 6:
            raise KeyboardInterrupt
        write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write_shard", crash)
        with pytest.raises(KeyboardInterrupt):
            _go(described, tmp_path / "torn")
    assert len(list((tmp_path / "torn" / "records").glob("*.parquet"))) == 5
    _go(described, tmp_path / "torn")
    assert _content(tmp_path / "torn") == _content(whole)
