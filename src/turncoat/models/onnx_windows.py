"""ONNX operators that slide a window or move pixels: convolution, pooling, padding, resizing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from turncoat.models.onnx_attributes import Attributes, Run, UnsupportedError

Window = Callable[..., Tensor]
CONVOLUTIONS: Mapping[int, Window] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED: Mapping[int, Window] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOLS: Mapping[int, Window] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOLS: Mapping[int, Window] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def conv(a: Attributes) -> Run:
    place, groups = _Placement(a), a.integer("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        space = x.dim() - 2
        stride, dilation = place.per_axis(space)
        begins, ends = place.padding(x.shape[2:], weight.shape[2:])
        if begins != ends:
            x, begins = F.pad(x, _torch_order(begins, ends)), [0] * space
        return CONVOLUTIONS[space](x, weight, bias, stride, begins, dilation, groups)

    return run


def conv_transpose(a: Attributes) -> Run:
    a.only("auto_pad", "NOTSET")
    if "output_shape" in a.values:
        raise UnsupportedError("its output_shape is given")
    place, groups, extra = _Placement(a), a.integer("group", 1), a.integers("output_padding")

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        space = x.dim() - 2
        stride, dilation = place.per_axis(space)
        begins, ends = place.padding(x.shape[2:], weight.shape[2:])
        full = TRANSPOSED[space](x, weight, bias, stride, 0, extra or 0, groups, dilation)
        return F.pad(full, _torch_order([-begin for begin in begins], [-end for end in ends]))

    return run


def max_pool(a: Attributes) -> Run:
    a.only("storage_order", 0)
    place, kernel, ceil = _Placement(a), a.integers("kernel_shape") or [], bool(a.integer("ceil_mode"))

    def run(x: Tensor) -> Tensor:
        stride, dilation = place.per_axis(len(kernel))
        begins, ends = place.padding(x.shape[2:], kernel)
        if begins != ends or any(2 * begin > size for begin, size in zip(begins, kernel, strict=True)):
            x, begins = F.pad(x, _torch_order(begins, ends), value=float("-inf")), [0] * len(kernel)
        return MAX_POOLS[len(kernel)](x, kernel, stride, begins, dilation, ceil)

    return run


def average_pool(a: Attributes) -> Run:
    place, kernel, ceil = _Placement(a), a.integers("kernel_shape") or [], bool(a.integer("ceil_mode"))
    a.only("dilations", [1] * len(kernel))
    count_padding = bool(a.integer("count_include_pad"))

    def run(x: Tensor) -> Tensor:
        pool, stride = AVERAGE_POOLS[len(kernel)], place.per_axis(len(kernel))[0]
        begins, ends = place.padding(x.shape[2:], kernel)
        if begins == ends and all(2 * begin <= size for begin, size in zip(begins, kernel, strict=True)):
            return pool(x, kernel, stride, begins, ceil, count_padding)
        order = _torch_order(begins, ends)
        total = pool(F.pad(x, order), kernel, stride, 0, ceil, True)
        return total if count_padding else total / pool(F.pad(torch.ones_like(x), order), kernel, stride, 0, ceil, True)

    return run


def pad(a: Attributes) -> Run:
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
    a.only("mode", *modes)
    mode, fixed, value = modes[a.text("mode", "constant")], a.integers("pads"), a.number("value", 0)

    def run(x: Tensor, pads: Tensor | None = None, fill: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
        sizes = (fixed or []) if pads is None else pads.tolist()
        where = range(x.dim()) if axes is None else [axis % x.dim() for axis in axes.tolist()]
        begins, ends = [0] * x.dim(), [0] * x.dim()
        for axis, begin, end in zip(where, sizes[: len(sizes) // 2], sizes[len(sizes) // 2 :], strict=True):
            begins[axis], ends[axis] = begin, end
        if mode == "constant":
            return F.pad(x, _torch_order(begins, ends), value=value if fill is None else fill.item())
        return F.pad(x, _torch_order(begins[2:], ends[2:]), mode=mode)

    return run


def resize(a: Attributes) -> Run:
    """Only the settings that PyTorch's own resizing means exactly: what exporters write for `interpolate`."""
    place = a.text("coordinate_transformation_mode", "half_pixel")
    settings = {
        ("linear", "half_pixel"): ("linear", False),
        ("linear", "pytorch_half_pixel"): ("linear", False),
        ("linear", "align_corners"): ("linear", True),
        ("nearest", "asymmetric"): ("nearest", None),
    }
    chosen = settings.get((a.text("mode", "nearest"), place))
    if chosen is None or (chosen[0] == "nearest" and a.text("nearest_mode", "round_prefer_floor") != "floor"):
        raise UnsupportedError(f"its mode is {a.text('mode', 'nearest')} with {place} coordinates")
    if a.integer("antialias") or "axes" in a.values or a.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedError("it is antialiased, keeps the aspect ratio or names axes")
    linear = {1: "linear", 2: "bilinear", 3: "trilinear"}

    def run(x: Tensor, _: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None) -> Tensor:
        mode = linear[x.dim() - 2] if chosen[0] == "linear" else chosen[0]
        size = None if sizes is None else sizes.tolist()[2:]
        factor = None if size is not None or scales is None else scales.tolist()[2:]
        return F.interpolate(x, size, factor, mode, chosen[1], recompute_scale_factor=False if factor else None)

    return run


class _Placement:
    """Where windows are put: strides, dilations and padding, explicit or automatic."""

    def __init__(self, a: Attributes) -> None:
        a.only("auto_pad", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
        self.auto = a.text("auto_pad", "NOTSET")
        self.strides, self.dilations, self.pads = (a.integers(name) for name in ("strides", "dilations", "pads"))

    def per_axis(self, space: int) -> tuple[list[int], list[int]]:
        return self.strides or [1] * space, self.dilations or [1] * space

    def padding(self, sides: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[int]]:
        """Padding before and after each spatial axis."""
        space = len(sides)
        if not self.auto.startswith("SAME"):
            pads = self.pads if self.pads and self.auto == "NOTSET" else [0] * (2 * space)
            return pads[:space], pads[space:]
        totals = [
            max((-(-side // stride) - 1) * stride + (size - 1) * dilation + 1 - side, 0)
            for side, size, stride, dilation in zip(sides, kernel, *self.per_axis(space), strict=True)
        ]
        less, more = [total // 2 for total in totals], [-(-total // 2) for total in totals]
        return (less, more) if self.auto == "SAME_UPPER" else (more, less)


def _torch_order(begins: Sequence[int], ends: Sequence[int]) -> list[int]:
    """ONNX lists all begins, then all ends, first axis first; PyTorch pairs them, last axis first."""
    return [size for pair in zip(reversed(begins), reversed(ends), strict=True) for size in pair]
