"""Weights from files: every usual wrapping loads, everything else is one clear line, and nothing is executed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.models.state import load_state

State = dict[str, Tensor]


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def filled(value: float, width: int = 4) -> State:
    return {name: torch.full_like(entry, value) for name, entry in network(width).state_dict().items()}


def holds(module: nn.Module, value: float) -> bool:
    return all(bool((entry == value).all()) for entry in module.state_dict().values())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "best_prec1": 91.7},
        lambda state: {"epoch": 68, "net_state_dict": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}, "ema": 3},
    ],
)
def test_usual_wrappings_come_off(wrap: Callable[[State], object], tmp_path: Path) -> None:
    torch.save(wrap(filled(3)), tmp_path / "weights.pth")
    target = network()
    load_state(target, tmp_path / "weights.pth")
    assert holds(target, 3)


def test_the_old_format_and_safetensors_load(tmp_path: Path) -> None:
    torch.save(filled(2), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    save_file(filled(5), tmp_path / "new.safetensors")
    for file, value in (("old.pth", 2), ("new.safetensors", 5)):
        target = network()
        load_state(target, tmp_path / file)
        assert holds(target, value)


def test_a_part_is_chosen_by_prefix(tmp_path: Path) -> None:
    whole = {f"backbone.{name}": value for name, value in filled(4).items()} | {"head.weight": torch.ones(2)}
    save_file(whole, tmp_path / "whole.safetensors")
    target = network()
    load_state(target, tmp_path / "whole.safetensors", key_prefix="backbone.")
    assert holds(target, 4)
    with pytest.raises(UserError, match=r"begins with 'trunk\.'"):
        load_state(target, tmp_path / "whole.safetensors", key_prefix="trunk.")


def test_counters_of_batch_norms_may_be_absent(tmp_path: Path) -> None:
    save_file({name: value for name, value in filled(3).items() if "tracked" not in name}, tmp_path / "a.safetensors")
    load_state(network(), tmp_path / "a.safetensors")


def test_a_misfit_is_told_in_one_line_and_changes_nothing(tmp_path: Path) -> None:
    state = filled(3, width=5)
    state["0.scale"] = state.pop("0.bias")
    save_file(state, tmp_path / "other.safetensors")
    target = network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_state(target, tmp_path / "other.safetensors")
    line = str(caught.value)
    assert "\n" not in line
    assert "other.safetensors does not fit Sequential" in line
    assert "1 missing: 0.bias" in line
    assert "1 unexpected: 0.scale" in line
    assert "5 of another shape: 0.weight [5, 3, 3, 3] for [4, 3, 3, 3], 1.weight [5] for [4]" in line
    assert line.endswith("...")
    assert all(torch.equal(before[name], value) for name, value in target.state_dict().items())


class Trap:
    """When unpickled, makes the file it names."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("form", ["zip", "legacy", "bare"])
def test_code_in_a_pickle_is_refused_and_never_runs(form: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "evil.pth"
    content = {"state_dict": filled(1), "extra": Trap(mark)}
    if form == "bare":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UserError, match=r"evil\.pth is not a checkpoint of plain tensors"):
        load_state(network(), path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["text.pth", "empty.pth", "text.safetensors", "empty.safetensors"])
def test_files_that_are_no_checkpoint_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("just words" if name.startswith("text") else "")
    with pytest.raises(UserError, match=name):
        load_state(network(), tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}, torch.ones(3), {"state_dict": {"lr": 0.1}}])
def test_checkpoints_without_weights_are_named(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd\.pth holds .* state dict"):
        load_state(network(), tmp_path / "odd.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no weights at .*absent\.pth"):
        load_state(network(), tmp_path / "absent.pth")
