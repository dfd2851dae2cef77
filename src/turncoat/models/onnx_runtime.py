"""An ONNX graph run by onnxruntime: any operator, no gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from turncoat.models.extras import optional
from turncoat.models.onnx_graph import Answer, OnnxFile

KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class OnnxRuntimeNetwork(nn.Module):
    """Images to the graph's outputs, on the CPU; `reason` says which operator kept the graph from being replayed.

    Nothing flows back to the images (`differentiable` is False), so only attacks that need no gradient can use it.
    """

    differentiable = False

    def __init__(self, file: OnnxFile, *, reason: str) -> None:
        super().__init__()
        runtime = optional("onnxruntime", extra="onnx", purpose=f"onnx:{file.path.name} ({reason})")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = runtime.InferenceSession(str(file.path), options, providers=["CPUExecutionProvider"])
        self.kind = KINDS.get(self.session.get_inputs()[0].type, np.float32)
        self.file = file
        self.reason = reason
        self.fingerprint = file.fingerprint

    def extra_repr(self) -> str:
        return f"{self.file.path.name}, no gradients: {self.reason}"

    def forward(self, images: Tensor) -> Answer:
        def run(part: Tensor) -> list[Tensor]:
            fed = {self.file.input: part.detach().cpu().numpy().astype(self.kind)}
            found = self.session.run(list(self.file.outputs), fed)
            return [torch.from_numpy(value).to(images) for value in found]

        return self.file.feed(run, images)
