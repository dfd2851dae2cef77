"""ONNX operators that rearrange, cut and join values, or compute with shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from turncoat.models.onnx_attributes import Attributes, Run, UnsupportedError

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float16, 11: torch.float64}


def flatten(a: Attributes) -> Run:
    axis = a.integer("axis", 1)

    def run(x: Tensor) -> Tensor:
        rows = x.shape[: axis if axis >= 0 else x.dim() + axis].numel()
        return x.reshape(rows, -1)

    return run


def reshape(a: Attributes) -> Run:
    copies = not a.integer("allowzero")

    def run(x: Tensor, shape: Tensor) -> Tensor:
        sizes = whole(shape)
        return x.reshape([x.shape[i] if size == 0 and copies else size for i, size in enumerate(sizes)])

    return run


def transpose(a: Attributes) -> Run:
    order = a.integers("perm")
    return lambda x: x.permute(order or tuple(reversed(range(x.dim()))))


def concat(a: Attributes) -> Run:
    axis = a.integer("axis")
    return lambda *parts: torch.cat(parts, axis)


def split(a: Attributes) -> Run:
    axis, fixed, parts = a.integer("axis"), a.integers("split"), a.outputs

    def run(x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        given = fixed if sizes is None else whole(sizes)
        pieces: tuple[Tensor, ...] = torch.split(x, given or -(-x.shape[axis] // parts), axis)
        return pieces

    return run


def cut(a: Attributes) -> Run:
    """Slice; up to version 9 the bounds are attributes."""
    fixed = [a.integers(name) for name in ("starts", "ends", "axes")]

    def run(x: Tensor, *given: Tensor | None) -> Tensor:
        columns = [None if part is None else whole(part) for part in given] if given else fixed
        starts, ends, axes, steps = [*columns, None, None][:4]
        for i, (start, end) in enumerate(zip(starts or [], ends or [], strict=True)):
            axis, step = (axes[i] if axes else i), (steps[i] if steps else 1)
            rows = list(range(x.shape[axis]))[slice(start, end, step)]
            if step == 1:
                x = x.narrow(axis, rows[0] if rows else 0, len(rows))
            else:
                x = x.index_select(axis, torch.tensor(rows, dtype=torch.int64, device=x.device))
        return x

    return run


def gather(a: Attributes) -> Run:
    axis = a.integer("axis")

    def run(x: Tensor, rows: Tensor) -> Tensor:
        where = axis % x.dim()
        chosen = (rows.to(x.device) % x.shape[where]).flatten()
        return x.index_select(where, chosen).reshape([*x.shape[:where], *rows.shape, *x.shape[where + 1 :]])

    return run


def over_axes(change: Callable[[Tensor, Sequence[int]], Tensor]) -> Callable[[Attributes], Run]:
    """An operator whose axes are an attribute or, from version 13 on, an input."""

    def build(a: Attributes) -> Run:
        fixed = a.integers("axes") or []
        return lambda x, axes=None: change(x, fixed if axes is None else whole(axes))

    return build


def squeeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    return x.squeeze(tuple(axes)) if axes else x.squeeze()


def unsqueeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def expand(x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, whole(shape)))


def shape(a: Attributes) -> Run:
    start, end = a.integer("start"), (a.integer("end") if "end" in a.values else None)
    return lambda x: torch.tensor(x.shape[start:end], dtype=torch.int64)


def cast(a: Attributes) -> Run:
    kind = TYPES.get(a.integer("to"))
    if kind is None:
        raise UnsupportedError(f"it casts to type {a.integer('to')}")
    return lambda x: x.to(kind)


def whole(values: Tensor) -> list[int]:
    """A vector of sizes or axes as Python integers."""
    return [int(value) for value in values.tolist()]
