"""Reading pickled dicts of byte arrays without running anything that the pickle asks for.

A pickle may name any function and have it called. Here the few names that a numpy array needs are answered
by stand-ins that only keep bytes, and every other name is refused. Even numpy's own rebuilding is not used:
a crafted dtype state could make it read bytes as object pointers.
"""

from __future__ import annotations

import codecs
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from turncoat.core.errors import UserError


class _Dtype:
    """Stands in for numpy's dtype: bytes are the only kind allowed, and its state changes nothing."""

    def __init__(self, code: object, *_flags: object) -> None:
        if _text(code) not in ("u1", "|u1"):
            raise pickle.UnpicklingError(f"an array of type {_text(code)!r} where only bytes (u1) are allowed")

    def __setstate__(self, state: object) -> None:
        pass


class _Array:
    """Stands in for a numpy array and for the function that makes an empty one."""

    def __init__(self, *_arguments: object) -> None:
        self.value: npt.NDArray[np.uint8] = np.zeros(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _version, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array that is not made of plain bytes")
        self.value = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which data has no need of; it was not run")
        return _ALLOWED[module, name]


def load_arrays(path: Path) -> dict[str, object]:
    """The pickled dict at `path`: text keys, values of plain Python types or uint8 arrays.

    Protocols 0 to 4 are read. Byte strings of Python 2 stay bytes, as keys they become text. UserError for
    anything else, before it is run.
    """
    try:
        with path.open("rb") as file:
            content = _Restricted(file, encoding="bytes").load()
    # Broken bytes can make the unpickler raise nearly anything, and all of it means the same to the user.
    except Exception as error:
        raise UserError(f"{path}: refused as a pickle of arrays ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: the pickle holds a {type(content).__name__}, not a dict")
    return {_text(key): value.value if isinstance(value, _Array) else value for key, value in content.items()}


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
