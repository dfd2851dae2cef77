"""Weights from a file into a network: strictly, and without running anything the file says."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError

WRAPPINGS = ("state_dict", "net_state_dict", "model_state_dict", "model")
COUNTER = "num_batches_tracked"  # of batch norms; decides nothing in eval mode, and old checkpoints lack it


def load_state(network: nn.Module, path: str | Path, *, key_prefix: str = "") -> None:
    """Fill `network` with the weights in `path`: a .safetensors file, or a PyTorch checkpoint of plain tensors.

    The usual wrappings (`{"state_dict": ...}` and the like) and a `module.` before every name are taken off. With
    `key_prefix`, only the names that begin with it are used, without it. Raises UserError when the file is missing,
    holds something else than tensors, or does not fit the network name by name and shape by shape; the network is then
    unchanged.
    """
    path = Path(path)
    state = _unprefixed(read_state(path), key_prefix, path)
    _check_fit(network, state, path)
    network.load_state_dict(state, strict=False)  # only batch norms' counters may differ by now


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors in a checkpoint, unwrapped, on the CPU; no pickled code is executed."""
    if not path.is_file():
        raise UserError(f"no weights at {path}: give the path of a .safetensors or PyTorch checkpoint file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, KeyError) as problem:
        raise UserError(
            f"{path} is not a checkpoint of plain tensors (anything else in it is refused, since reading it could "
            "run code): save network.state_dict() with torch.save or safetensors"
        ) from problem
    return _unwrapped(content, path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as problem:
        raise UserError(f"{path} is not a safetensors file: {problem}") from problem


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors
        inside = next((key for key in WRAPPINGS if isinstance(content.get(key), Mapping)), None)
        if inside is None:
            held = ", ".join(map(str, list(content)[:5])) or "nothing"
            raise UserError(
                f"{path} holds {held} but no state dict: expected one, bare or under {' / '.join(WRAPPINGS)}"
            )
        content = content[inside]
    raise UserError(f"{path} holds a {type(content).__name__}, not a state dict: save network.state_dict() instead")


def _unprefixed(state: Mapping[str, Tensor], key_prefix: str, path: Path) -> dict[str, Tensor]:
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    chosen = {key.removeprefix(key_prefix): value for key, value in state.items() if key.startswith(key_prefix)}
    if not chosen:
        raise UserError(f"no name in {path} begins with {key_prefix!r}; the names are {_some(list(state))}")
    return chosen


def _check_fit(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    expected = network.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in expected and not key.endswith(COUNTER)]
    reshaped = [
        f"{key} {list(state[key].shape)} for {list(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    named = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    wrong = "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in named if keys)
    if wrong:
        raise UserError(f"{path} does not fit {type(network).__name__}: {wrong}")


def _some(keys: Sequence[str], most: int = 3) -> str:
    return ", ".join(keys[:most]) + (", ..." if len(keys) > most else "")
