"""Files of a run: whole or not at all, equal for equal content, and read back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.study.store import Store

KEYS = ["a", "b", "c"]


def _columns(first: int = 0) -> dict[str, Tensor]:
    generator = seeded(first)
    return {
        "index": torch.arange(first, first + 3),
        "score": torch.tensor([0.25, float("nan"), 1.0], dtype=torch.float64),
        "linf": torch.rand(3, generator=generator),
        "same": torch.tensor([True, False, True]),
        "attributes": torch.randint(-1, 2, (3, 5), generator=generator),
        "decided": torch.rand(3, 5, generator=generator) < 0.5,
    }


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("function", ["write_table", "replace"])
def test_a_crash_while_writing_leaves_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    store = Store(tmp_path)

    def torn(_: object, where: Path) -> None:
        Path(where).write_bytes(b"PAR1 half of it")
        raise KeyboardInterrupt

    def crash(source: Path, target: Path) -> None:
        if str(target).endswith(".parquet"):
            raise KeyboardInterrupt
        rename(source, target)

    rename = os.replace
    if function == "write_table":
        monkeypatch.setattr(pq, "write_table", torn)
    else:
        monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        store.write_shard("k", _columns(), KEYS, 1.0)
    monkeypatch.undo()
    assert not store.has("k")
    assert not list(tmp_path.rglob("*.parquet"))
    store.write_shard("k", _columns(), KEYS, 1.0)
    assert store.has("k")
    assert list(store.read(["k"])["key"]) == KEYS


def test_a_crash_leaves_the_json_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.write_json("summary.json", {"seconds": 1.0})
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.write_json("summary.json", {"seconds": 2.0})
    assert store.read_json("summary.json") == {"seconds": 1.0}


def test_equal_records_are_equal_bytes_however_long_they_took(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in "ab"]
    for seconds, store in enumerate(stores):
        store.write_shard("k", _columns(), KEYS, float(seconds))
    assert stores[0].records("k").read_bytes() == stores[1].records("k").read_bytes()
    assert [store.seconds(["k"]) for store in stores] == [0.0, 1.0]
    assert stores[0].seconds(["k", "k"]) == 0.0


def test_records_come_back_as_they_were_in_the_order_of_the_samples(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_shard("later", _columns(3), ["d", "e", "f"], 0.0)
    store.write_shard("sooner", _columns(0), KEYS, 0.0)
    read = store.read(["later", "sooner"])
    expected = {name: torch.cat([_columns(0)[name], values]) for name, values in _columns(3).items()}
    assert list(read["key"]) == [*KEYS, "d", "e", "f"]
    for name, values in expected.items():
        found = np.stack(list(read[name]))
        assert found.dtype == values.numpy().dtype, name
        np.testing.assert_array_equal(found, values.numpy())


def test_clearing_forgets_records_and_keeps_what_is_not_computed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_shard("k", _columns(), KEYS, 0.0)
    store.write_bytes("notes.txt", b"mine")
    store.write_json("study.json", {})
    store.clear()
    assert not store.has("k")
    assert _files(tmp_path) == ["notes.txt", "study.json"]
    store.clear()


def test_only_a_run_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "album.txt").write_text("mine")
    with pytest.raises(UserError, match="is not a run: choose another --out"):
        Store(tmp_path).clear()
    assert _files(tmp_path) == ["album.txt"]
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        Store(tmp_path / name).clear()


def test_a_number_that_json_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Store(tmp_path).write_json("x.json", {"value": float("nan")})
    assert _files(tmp_path) == []
