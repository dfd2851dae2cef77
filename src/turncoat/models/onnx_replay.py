"""An ONNX graph replayed node by node as PyTorch operations, so that gradients reach the images."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from turncoat.models.onnx_attributes import Attributes, Run, UnsupportedError
from turncoat.models.onnx_graph import Answer, OnnxFile, open_onnx, operator_set, stored_tensors, to_tensor
from turncoat.models.onnx_ops import OPERATORS
from turncoat.models.onnx_runtime import OnnxRuntimeNetwork

if TYPE_CHECKING:
    from onnx import NodeProto

ABSENT = 0  # the slot of an optional input that is left out: always None


@dataclass(frozen=True)
class Step:
    """One node: which slots it reads and fills, and which nobody reads after it."""

    run: Run
    reads: tuple[int, ...]
    fills: tuple[int, ...]
    spent: tuple[int, ...]


class OnnxNetwork(nn.Module):
    """Images to the graph's outputs: a tensor, or a dict by name where there are several.

    The order of work, and when a value can be dropped, is planned once, here. Stored floats are parameters (the running
    statistics of batch norms and constants are buffers); whole numbers are shapes and axes and stay on the CPU. Raises
    `UnsupportedError` with the operator that is to blame. Running the nodes is inference: batch norms never learn here.
    """

    differentiable = True

    def __init__(self, file: OnnxFile) -> None:
        super().__init__()
        graph = file.model.graph
        if graph.sparse_initializer:
            raise UnsupportedError("it stores sparse tensors")
        self.file = file
        self.fingerprint = file.fingerprint
        self._slots: dict[str, int] = {"": ABSENT}
        self._keys: dict[int, str] = {}
        self._fixed: dict[int, Tensor] = {}
        statistics = {n for node in graph.node if node.op_type == "BatchNormalization" for n in node.input[3:5]}
        for name, value in stored_tensors(graph).items():
            self._store(name, value, learned=name not in statistics)
        self._image = self._slot(file.input)
        self._steps = self._plan(graph.node, operator_set(file.model))
        self._outputs = [self._slot(name) for name in file.outputs]

    def extra_repr(self) -> str:
        return f"{self.file.path.name}, {len(self._steps)} nodes"

    def forward(self, images: Tensor) -> Answer:
        return self.file.feed(self._replay, images)

    def _replay(self, images: Tensor) -> list[Tensor]:
        values: list[Tensor | None] = [None] * len(self._slots)
        stored = {**self._parameters, **self._buffers}
        for slot, key in self._keys.items():
            values[slot] = stored[key]
        for slot, sizes in self._fixed.items():
            values[slot] = sizes
        values[self._image] = images
        for step in self._steps:
            made = step.run(*[values[slot] for slot in step.reads])
            for slot, part in zip(step.fills, (made,) if isinstance(made, Tensor) else made, strict=True):
                values[slot] = part
            for slot in step.spent:
                values[slot] = None
        return [value for slot in self._outputs if (value := values[slot]) is not None]

    def _slot(self, name: str) -> int:
        return self._slots.setdefault(name, len(self._slots))

    def _store(self, name: str, value: Tensor, *, learned: bool) -> None:
        slot = self._slot(name)
        if not value.is_floating_point():
            self._fixed[slot] = value
            return
        self._keys[slot] = key = f"{re.sub(r'[^0-9A-Za-z]+', '_', name)}_{slot}"
        if learned:
            self.register_parameter(key, nn.Parameter(value))
        else:
            self.register_buffer(key, value)

    def _plan(self, nodes: Iterable[NodeProto], version: int) -> list[Step]:
        drafts: list[tuple[Run, tuple[int, ...], tuple[int, ...]]] = []
        for node in nodes:
            attributes = _attributes(node, version)
            if node.op_type == "Constant":
                self._store(node.output[0], _constant(attributes), learned=False)
                continue
            run = _operator(node, attributes)
            reads = tuple(self._slot(name) for name in node.input)
            drafts.append((run, reads, tuple(self._slot(name) for name in node.output if name)))
        kept = {ABSENT, *self._keys, *self._fixed, *(self._slot(name) for name in self.file.outputs)}
        steps: list[Step] = []
        for run, reads, fills in reversed(drafts):
            spent = tuple({*reads, *fills} - kept)
            kept.update(spent)
            steps.append(Step(run, reads, fills, spent))
        return steps[::-1]


def load_onnx(path: str | Path) -> OnnxNetwork | OnnxRuntimeNetwork:
    """The graph as a network with gradients, or, where an operator is not covered, run by onnxruntime without them."""
    file = open_onnx(path)
    try:
        return OnnxNetwork(file)
    except UnsupportedError as reason:
        return OnnxRuntimeNetwork(file, reason=str(reason))


def _constant(attributes: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in attributes.values:
            return torch.as_tensor(attributes.values[name])
    raise UnsupportedError("a Constant is not made of numbers")


def _operator(node: NodeProto, attributes: Attributes) -> Run:
    build = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if build is None:
        raise UnsupportedError(f"the operator {node.op_type} is not covered")
    if attributes.outputs > 1 and node.op_type != "Split":
        raise UnsupportedError(f"{node.op_type} has {attributes.outputs} outputs")
    try:
        return build(attributes)
    except UnsupportedError as reason:
        raise UnsupportedError(f"{node.op_type} is not covered where {reason}") from None


def _attributes(node: NodeProto, version: int) -> Attributes:
    from onnx import TensorProto, helper

    values: dict[str, object] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode()
        values[attribute.name] = to_tensor(value) if isinstance(value, TensorProto) else value
    return Attributes(values, version, sum(1 for name in node.output if name))
