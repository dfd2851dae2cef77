"""Reading pickled dicts of arrays and lists without running anything that the pickle asks for.

A pickle may name any function and have it called. Here the few names that a numpy array needs are answered
by stand-ins that only keep bytes, and every other name is refused. Even numpy's own rebuilding is not used:
a crafted dtype state could make it read bytes as object pointers.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from turncoat.core.errors import UserError

_NUMBERS = re.compile(r"[|<>=]?([uif][1248]|b1)")


class _Dtype:
    """Stands in for numpy's dtype: plain numbers are the only kind allowed, and of its state the byte order counts."""

    def __init__(self, code: object, *_flags: object) -> None:
        if not _NUMBERS.fullmatch(_text(code)):
            raise pickle.UnpicklingError(f"an array of type {_text(code)!r} where only numbers are allowed")
        self.value = np.dtype(_text(code))

    def __setstate__(self, state: object) -> None:
        order = _text(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("the state of an array type that numpy does not write")
        self.value = self.value.newbyteorder("<" if order == "<" else ">" if order == ">" else "=")


class _Array:
    """Stands in for a numpy array and for the function that makes an empty one."""

    def __init__(self, *_arguments: object) -> None:
        self.value: npt.NDArray[np.generic] = np.zeros(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _version, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes):
            raise pickle.UnpicklingError("an array that is not made of plain numbers")
        self.value = np.frombuffer(raw, dtype.value).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: object, raw: object) -> int | float | bool:
    """One number of numpy's, as Python's."""
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes) or len(raw) != dtype.value.itemsize:
        raise pickle.UnpicklingError("a number that is not plain")
    number: int | float | bool = np.frombuffer(raw, dtype.value)[0].item()
    return number


def _no_bytes() -> bytes:
    """How Python 3 writes the bytes of an empty array in the protocols of Python 2."""
    return b""


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): codecs.encode,
    ("__builtin__", "bytes"): _no_bytes,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which data has no need of; it was not run")
        return _ALLOWED[module, name]


def load_arrays(path: Path) -> dict[str, object]:
    """The pickled dict at `path`: text keys, values of plain Python types or arrays of numbers, also nested.

    Protocols 0 to 4 are read. Byte strings become text, which they were in Python 2. UserError for anything else,
    before it is run.
    """
    try:
        with path.open("rb") as file:
            content = _plain(_Restricted(file, encoding="bytes").load(), {})
    # Broken bytes can make the unpickler raise nearly anything, and all of it means the same to the user.
    except Exception as error:
        raise UserError(f"{path}: refused as a pickle of arrays ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: the pickle holds a {type(content).__name__}, not a dict")
    return content


def _plain(value: object, known: dict[int, object]) -> object:
    """The value without stand-ins; `known` keeps what is done, so that nested sharing costs nothing twice."""
    if id(value) in known:
        return known[id(value)]
    done: object = value
    if isinstance(value, _Array):
        done = value.value
    elif isinstance(value, bytes):
        done = _text(value)
    elif isinstance(value, dict):
        done = {_text(key): _plain(item, known) for key, item in value.items()}
    elif isinstance(value, (list, tuple)):
        done = [_plain(item, known) for item in value]
    known[id(value)] = done
    return done


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
