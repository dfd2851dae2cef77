"""Weights on disk: whole or not at all, equal for equal weights, and loadable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from turncoat.models.builtin import BUILTIN
from turncoat.models.state import load_state
from turncoat.training.builtin import SCHEDULES, TRAINING_SETS
from turncoat.training.save import save_weights


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    network, other = _network(), _network()
    path = save_weights(network, tmp_path / "deep" / "w.safetensors")
    load_state(other, path)
    for name, values in network.state_dict().items():
        assert torch.equal(values, other.state_dict()[name])
    assert [file.name for file in path.parent.iterdir()] == ["w.safetensors"]


def test_equal_weights_are_equal_bytes_in_any_memory_layout(tmp_path: Path) -> None:
    network = _network()
    first = save_weights(network, tmp_path / "a.safetensors").read_bytes()
    for values in network.parameters():
        if values.ndim == 4:
            values.data = values.data.contiguous(memory_format=torch.channels_last)
    second = save_weights(network, tmp_path / "b.safetensors").read_bytes()
    assert first == second


@pytest.mark.parametrize("where", ["write", "rename"])
def test_a_crash_leaves_the_weights_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    path = save_weights(_network(), tmp_path / "w.safetensors")
    before = path.read_bytes()

    def torn(target: Path, content: bytes) -> None:
        with target.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    if where == "write":
        monkeypatch.setattr(Path, "write_bytes", torn)
    else:
        monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save_weights(_network(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_every_built_in_victim_can_be_trained_again() -> None:
    assert SCHEDULES.keys() == TRAINING_SETS.keys() == BUILTIN.keys()
