"""What each ONNX operator does, in PyTorch: a table from its name to a function that reads a node's attributes once.

Every entry takes the node's `Attributes` and gives the function to call on its inputs. Anything about a node that is
not covered raises `UnsupportedError`, at load. Meanings follow the ONNX operator specification; the older forms, in
which axes, bounds or sizes are attributes rather than inputs, are understood as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from turncoat.models import onnx_shapes as shapes
from turncoat.models import onnx_windows as windows
from turncoat.models.onnx_attributes import Attributes, Run

Build = Callable[[Attributes], Run]


def _plain(function: Run) -> Build:
    """An operator without attributes."""
    return lambda _: function


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Build:
    """An operator over any number of inputs."""

    def run(first: Tensor, *rest: Tensor) -> Tensor:
        for other in rest:
            first = function(first, other)
        return first

    return lambda _: run


def _divide(x: Tensor, y: Tensor) -> Tensor:
    whole = not (x.is_floating_point() or y.is_floating_point())
    return torch.div(x, y, rounding_mode="trunc" if whole else None)


def _clip(a: Attributes) -> Run:
    low, high = a.number("min", -torch.inf), a.number("max", torch.inf)

    def run(x: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
        if least is None and most is None:
            return torch.clamp(x, low, high)
        return torch.clamp(x, least, most)

    return run


def _prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, slope * x, x)


def _hard_sigmoid(a: Attributes) -> Run:
    alpha, beta = a.number("alpha", 0.2), a.number("beta", 0.5)
    return lambda x: (alpha * x + beta).clamp(0, 1)


def _gelu(a: Attributes) -> Run:
    approximate = a.text("approximate", "none")
    return lambda x: F.gelu(x, approximate=approximate)


def _leaky(a: Attributes) -> Run:
    slope = a.number("alpha", 0.01)
    return lambda x: F.leaky_relu(x, slope)


def _elu(a: Attributes) -> Run:
    alpha = a.number("alpha", 1.0)
    return lambda x: F.elu(x, alpha)


def _softmax(function: Callable[..., Tensor]) -> Build:
    def build(a: Attributes) -> Run:
        axis = a.integer("axis", -1 if a.version >= 13 else 1)
        if a.version >= 13:
            return lambda x: function(x, dim=axis)
        # Before version 13 all axes from this one on share one sum.
        return lambda x: function(x.flatten(axis), dim=-1).reshape(x.shape)

    return build


def _batch_norm(a: Attributes) -> Run:
    a.only("training_mode", 0)
    epsilon = a.number("epsilon", 1e-5)
    return lambda x, scale, bias, mean, var: F.batch_norm(x, mean, var, scale, bias, eps=epsilon)


def _instance_norm(a: Attributes) -> Run:
    epsilon = a.number("epsilon", 1e-5)
    return lambda x, scale, bias: F.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


def _layer_norm(a: Attributes) -> Run:
    axis, epsilon = a.integer("axis", -1), a.number("epsilon", 1e-5)
    return lambda x, scale, bias=None: F.layer_norm(x, x.shape[axis:], scale, bias, epsilon)


def _global(reduce: Callable[..., Tensor]) -> Build:
    return lambda _: lambda x: reduce(x, dim=tuple(range(2, x.dim())), keepdim=True)


def _reduce(reduce: Callable[..., Tensor]) -> Build:
    def build(a: Attributes) -> Run:
        fixed, keep = a.integers("axes") or [], bool(a.integer("keepdims", 1))
        skip = bool(a.integer("noop_with_empty_axes"))

        def run(x: Tensor, axes: Tensor | None = None) -> Tensor:
            chosen = fixed if axes is None else shapes.whole(axes)
            if not chosen and skip:
                return x
            return reduce(x, dim=tuple(chosen or range(x.dim())), keepdim=keep)

        return run

    return build


def _gemm(a: Attributes) -> Run:
    alpha, beta = a.number("alpha", 1.0), a.number("beta", 1.0)
    left, right = bool(a.integer("transA")), bool(a.integer("transB"))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        x, weight = (x.T if left else x), (weight.T if right else weight)
        if bias is None:
            return alpha * (x @ weight)
        return torch.addmm(bias, x, weight, beta=beta, alpha=alpha)

    return run


OPERATORS: Mapping[str, Build] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "AveragePool": windows.average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": shapes.cast,
    "Clip": _clip,
    "Concat": shapes.concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "Div": _plain(_divide),
    "Dropout": _plain(lambda x, *_: x),
    "Elu": _elu,
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _plain(shapes.expand),
    "Flatten": shapes.flatten,
    "Gather": shapes.gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(F.hardswish),
    "Identity": _plain(lambda x: x),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky,
    "Log": _plain(torch.log),
    "LogSoftmax": _softmax(F.log_softmax),
    "MatMul": _plain(torch.matmul),
    "Max": _fold(torch.maximum),
    "MaxPool": windows.max_pool,
    "Min": _fold(torch.minimum),
    "Mish": _plain(F.mish),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "PRelu": _plain(_prelu),
    "Pad": windows.pad,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceL2": _reduce(lambda x, dim, keepdim: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceMin": _reduce(torch.amin),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _plain(F.relu),
    "Reshape": shapes.reshape,
    "Resize": windows.resize,
    "Shape": shapes.shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": shapes.cut,
    "Softmax": _softmax(F.softmax),
    "Softplus": _plain(F.softplus),
    "Split": shapes.split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": shapes.over_axes(shapes.squeeze),
    "Sub": _plain(torch.sub),
    "Sum": _fold(torch.add),
    "Tanh": _plain(torch.tanh),
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.over_axes(shapes.unsqueeze),
}
