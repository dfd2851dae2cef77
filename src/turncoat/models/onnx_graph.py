"""An ONNX file, opened: its graph, the shape of images it takes, and a hash of all it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.models.extras import optional

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

Answer = Tensor | dict[str, Tensor]


@dataclass(frozen=True)
class OnnxFile:
    """`sides` are the declared sizes of the one image input `[N, C, H, W]`, None where they are free."""

    path: Path
    model: ModelProto
    input: str
    sides: tuple[int | None, ...]
    outputs: tuple[str, ...]
    fingerprint: str

    def feed(self, run: Callable[[Tensor], list[Tensor]], images: Tensor) -> Answer:
        """`run` on the images: one output as it is, several as a dict by name.

        A graph exported for a fixed batch gets the images in parts of that size, as its shapes may be written into it.
        """
        wrong = [b for a, b in zip(images.shape[1:], self.sides[1:], strict=False) if b not in (None, a)]
        if wrong or images.dim() != len(self.sides):
            wanted = ", ".join("any" if side is None else str(side) for side in self.sides[1:])
            raise UserError(
                f"{self.path.name} takes images [N, {wanted}], but got {list(images.shape)}: set size=(h, w)"
            )
        batch = self.sides[0]
        if batch in (None, len(images)):
            found = run(images)
        elif len(images) % batch:
            raise UserError(
                f"{self.path.name} was exported for batches of {batch}, but got {len(images)} images: "
                "export it with a free batch size"
            )
        else:
            found = [torch.cat(parts) for parts in zip(*map(run, images.split(batch)), strict=True)]
        return found[0] if len(found) == 1 else dict(zip(self.outputs, found, strict=True))


def open_onnx(path: str | Path) -> OnnxFile:
    """Read and check an ONNX file; UserError when it is missing, no ONNX file, or takes more than one image tensor."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no ONNX file at {path}")
    onnx = optional("onnx", extra="onnx", purpose=f"onnx:{path.name}")
    try:
        model: ModelProto = onnx.load(str(path))
    except Exception as problem:  # protobuf's own error type has moved between versions
        raise UserError(f"{path} cannot be read as an ONNX file: {problem}") from problem
    stored = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(value.name for value in inputs) or "none"
        raise UserError(f"{path} must have one input, the images, and an output; its inputs are: {names}")
    sides = tuple(dim.dim_value or None for dim in inputs[0].type.tensor_type.shape.dim)
    outputs = tuple(value.name for value in model.graph.output)
    return OnnxFile(path, model, inputs[0].name, sides, outputs, _fingerprint(path, model.graph))


def _fingerprint(path: Path, graph: GraphProto) -> str:
    state = hashlib.blake2b(path.read_bytes(), digest_size=16)
    for tensor in graph.initializer:  # weights may lie in files beside the graph
        state.update(tensor.raw_data)
    return state.hexdigest()


def operator_set(model: ModelProto) -> int:
    """The version of the standard operators the graph is written for."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def stored_tensors(graph: GraphProto) -> Mapping[str, Tensor]:
    """The initializers of a graph by name."""
    return {tensor.name: to_tensor(tensor) for tensor in graph.initializer}


def to_tensor(proto: object) -> Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(numpy_helper.to_array(proto).copy())  # type: ignore[arg-type]
