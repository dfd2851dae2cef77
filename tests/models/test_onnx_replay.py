"""An ONNX graph replayed in PyTorch says what onnxruntime says, and has the right gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.models.onnx_graph import open_onnx
from turncoat.models.onnx_replay import OnnxNetwork, load_onnx
from turncoat.models.onnx_runtime import OnnxRuntimeNetwork

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = onnx.helper

NEWEST = 19
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a graph of `nodes` from "x" to "y" with the given stored arrays, and give its path."""

    def write(nodes: list, stored: dict, *, shape=("n", 3, 8, 8), version: int = NEWEST, outputs=("y",)) -> Path:
        floats = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", floats, list(shape))],
            [helper.make_tensor_value_info(name, floats, None) for name in outputs],
            [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
        onnx.save(model, str(tmp_path / "graph.onnx"))
        return tmp_path / "graph.onnx"

    return write


def node(kind: str, inputs: str = "x", outputs: str = "y", **attributes: object) -> object:
    """A node with space-separated names; "_" stands for an optional input that is left out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), **attributes)


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*(shape or (2, 3, 8, 8)), generator=torch.Generator().manual_seed(seed))


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


STAY = {"s": weights(3, 1, 1)}
BATCH_NORM = {"g": weights(3), "b": weights(3, seed=2), "m": weights(3, seed=3), "v": np.abs(weights(3, seed=4)) + 0.1}
# operator, inputs, stored arrays, attributes, operator set
CASES = [
    ("Conv", "x w b", {"w": weights(4, 3, 3, 3), "b": weights(4)}, {"pads": [1, 1, 1, 1], "strides": [2, 2]}, NEWEST),
    ("Conv", "x w", {"w": weights(4, 3, 3, 3)}, {"pads": [0, 1, 2, 1], "dilations": [2, 1]}, NEWEST),
    ("Conv", "x w", {"w": weights(4, 3, 3, 3)}, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, NEWEST),
    ("Conv", "x w", {"w": weights(4, 3, 3, 3)}, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, NEWEST),
    ("Conv", "x w", {"w": weights(3, 1, 3, 3)}, {"group": 3}, NEWEST),
    ("ConvTranspose", "x w", {"w": weights(3, 2, 3, 3)}, {"strides": [2, 2], "pads": [1, 0, 1, 1]}, NEWEST),
    ("BatchNormalization", "x g b m v", BATCH_NORM, {"epsilon": 1e-3}, NEWEST),
    ("InstanceNormalization", "x g b", {"g": weights(3), "b": weights(3, seed=2)}, {}, NEWEST),
    ("LayerNormalization", "x g b", {"g": weights(8), "b": weights(8, seed=2)}, {}, NEWEST),
    ("MaxPool", "x", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, NEWEST),
    ("MaxPool", "x", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}, NEWEST),
    ("MaxPool", "x", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, NEWEST),
    ("AveragePool", "x", {}, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, NEWEST),
    ("AveragePool", "x", {}, {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1]}, NEWEST),
    ("AveragePool", "x", {}, {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "count_include_pad": 1}, NEWEST),
    ("GlobalAveragePool", "x", {}, {}, NEWEST),
    ("GlobalMaxPool", "x", {}, {}, NEWEST),
    ("Clip", "x low high", {"low": np.float32(-0.5), "high": np.float32(0.7)}, {}, NEWEST),
    ("Clip", "x _ high", {"high": np.float32(0.7)}, {}, NEWEST),
    ("Clip", "x", {}, {"min": 0.0, "max": 6.0}, 10),
    ("LeakyRelu", "x", {}, {"alpha": 0.3}, NEWEST),
    ("PRelu", "x s", STAY, {}, NEWEST),
    ("Elu", "x", {}, {"alpha": 0.5}, NEWEST),
    ("HardSigmoid", "x", {}, {"alpha": 1 / 6}, NEWEST),
    ("Softmax", "x", {}, {"axis": 1}, NEWEST),
    ("Softmax", "x", {}, {"axis": 1}, 11),
    ("LogSoftmax", "x", {}, {}, NEWEST),
    ("Add", "x s", STAY, {}, NEWEST),
    ("Sub", "s x", STAY, {}, NEWEST),
    ("Mul", "x s", STAY, {}, NEWEST),
    ("Div", "s x", STAY, {}, NEWEST),
    ("Max", "x s x", STAY, {}, NEWEST),
    ("Min", "x s", STAY, {}, NEWEST),
    ("Sum", "x s x", STAY, {}, NEWEST),
    ("Pow", "x p", {"p": np.float32(2)}, {}, NEWEST),
    ("MatMul", "x w", {"w": weights(8, 5)}, {}, NEWEST),
    ("Flatten", "x", {}, {"axis": 2}, NEWEST),
    ("Flatten", "x", {}, {"axis": -1}, NEWEST),
    ("Reshape", "x r", {"r": ints(0, -1, 4)}, {}, NEWEST),
    ("Transpose", "x", {}, {"perm": [0, 2, 3, 1]}, NEWEST),
    ("Transpose", "x", {}, {}, NEWEST),
    ("Concat", "x x", {}, {"axis": -1}, NEWEST),
    (
        "Slice",
        "x a b c d",
        {"a": ints(1, -1), "b": ints(2**60, -(2**60)), "c": ints(2, 3), "d": ints(2, -3)},
        {},
        NEWEST,
    ),
    ("Slice", "x a b", {"a": ints(0, 1), "b": ints(1, -1)}, {}, NEWEST),
    ("Slice", "x", {}, {"starts": [1], "ends": [-1], "axes": [2]}, 9),
    ("Gather", "x i", {"i": ints(2, -3)}, {"axis": 1}, NEWEST),
    ("Gather", "x i", {"i": np.int64(-1)}, {"axis": 1}, NEWEST),
    ("Unsqueeze", "x i", {"i": ints(1, -1)}, {}, NEWEST),
    ("Unsqueeze", "x", {}, {"axes": [0, 3]}, 11),
    ("Squeeze", "x i", {"i": ints(0)}, {}, NEWEST),
    ("ReduceMean", "x i", {"i": ints(-1, 2)}, {"keepdims": 0}, NEWEST),
    ("ReduceMean", "x", {}, {"axes": [2, 3]}, 13),
    ("ReduceSum", "x i", {"i": ints(1)}, {}, NEWEST),
    ("ReduceSum", "x", {}, {}, NEWEST),
    ("ReduceL2", "x", {}, {"axes": [1]}, 13),
    ("ReduceMax", "x i", {"i": ints(1)}, {}, NEWEST),
    ("ReduceMin", "x i", {"i": ints(1)}, {}, NEWEST),
    ("Expand", "x i", {"i": ints(4, 1, 3, 1, 1)}, {}, NEWEST),
    ("Pad", "x i", {"i": ints(0, 0, 1, 2, 0, 0, 3, 0)}, {}, NEWEST),
    ("Pad", "x i f", {"i": ints(0, 0, 1, 2, 0, 1, 3, 0), "f": np.float32(0.5)}, {}, NEWEST),
    ("Pad", "x i", {"i": ints(0, 0, 1, 2, 0, 0, 3, 0)}, {"mode": "reflect"}, NEWEST),
    ("Pad", "x", {}, {"pads": [0, 0, 1, 2, 0, 0, 3, 0], "mode": "edge"}, 10),
    ("Resize", "x _ f", {"f": np.float32([1, 1, 2, 1.5])}, {"mode": "linear"}, NEWEST),
    ("Resize", "x _ _ f", {"f": ints(2, 3, 5, 11)}, {"mode": "linear"}, NEWEST),
    (
        "Resize",
        "x _ _ f",
        {"f": ints(2, 3, 5, 11)},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        NEWEST,
    ),
    (
        "Resize",
        "x _ f",
        {"f": np.float32([1, 1, 2, 3])},
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        NEWEST,
    ),
    ("Gelu", "x", {}, {"approximate": "tanh"}, 20),
    ("Dropout", "x", {}, {}, NEWEST),
    *((kind, "x", {}, {}, NEWEST) for kind in ("Abs", "Erf", "Exp", "HardSwish", "Identity", "Mish", "Neg", "Relu")),
    *((kind, "x", {}, {}, NEWEST) for kind in ("Reciprocal", "Sigmoid", "Softplus", "Tanh")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operator_means_what_onnxruntime_says(case: tuple, save: Save) -> None:
    kind, inputs, stored, attributes, version = case
    shape = (1, 3, 8, 8) if kind == "Squeeze" else (2, 3, 8, 8)
    path = save([node(kind, inputs, **attributes)], stored, shape=(None, *shape[1:]), version=version)
    network = load_onnx(path)
    assert isinstance(network, OnnxNetwork)
    expected = OnnxRuntimeNetwork(open_onnx(path), reason="the reference")(images(*shape))
    torch.testing.assert_close(network(images(*shape)).detach(), expected, rtol=1e-4, atol=1e-5)


def test_roots_and_logarithms(save: Save) -> None:
    path = save([node("Abs", "x", "a"), node("Sqrt", "a", "s"), node("Log", "s", "y")], {})
    expected = OnnxRuntimeNetwork(open_onnx(path), reason="the reference")(images())
    torch.testing.assert_close(load_onnx(path)(images()), expected)


@pytest.mark.parametrize("version", [11, 13, 19])
def test_split_in_every_form(version: int, save: Save) -> None:
    sizes = {"split": [1, 2]} if version < 13 else {}
    inputs, stored = ("x", {}) if version < 13 else ("x i", {"i": ints(1, 2)})
    cut = node("Split", inputs, "p q", axis=1, **sizes)
    path = save([cut, node("Mul", "p q", "y")], stored, version=version)
    torch.testing.assert_close(load_onnx(path)(images()), images()[:, :1] * images()[:, 1:])


def classifier() -> tuple[list, dict]:
    """Convolution, norm, a residual gate, pooling, a reshape by computed shape, a norm on [N, C] and a dense layer."""
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c g b m v", "n"),
        node("Tanh", "n", "t"),
        node("GlobalAveragePool", "t", "p"),
        node("Sigmoid", "p", "gate"),
        node("Mul", "t gate", "gated"),
        node("Add", "gated t", "r"),
        node("AveragePool", "r", "a", kernel_shape=[4, 4], strides=[4, 4]),
        node("Shape", "a", "shape"),
        node("Constant", "", "zero", value=onnx.numpy_helper.from_array(np.int64(0))),
        node("Gather", "shape zero", "count"),
        node("Constant", "", "first", value_ints=[0]),
        node("Unsqueeze", "count first", "rows"),
        node("Constant", "", "rest", value_ints=[-1]),
        node("Concat", "rows rest", "target", axis=0),
        node("Reshape", "a target", "flat"),
        node("Gemm", "flat k l", "d", transB=1, alpha=0.5, beta=2.0),
        node("BatchNormalization", "d g b m v", "y"),
    ]
    stored = {"w": weights(3, 3, 3, 3), "k": weights(3, 12), "l": weights(3), **BATCH_NORM}
    return nodes, stored


def test_a_whole_network_agrees_for_any_batch(save: Save) -> None:
    path = save(*classifier())
    network, reference = load_onnx(path), OnnxRuntimeNetwork(open_onnx(path), reason="the reference")
    for count in (1, 5):
        x = images(count, 3, 8, 8)
        torch.testing.assert_close(network(x).detach(), reference(x), rtol=1e-4, atol=1e-5)


def test_its_gradient_agrees_with_finite_differences(save: Save) -> None:
    network = load_onnx(save(*classifier())).double()
    x = images(2, 3, 8, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(network, (x,), fast_mode=True)


def test_weights_are_parameters_and_running_statistics_buffers(save: Save) -> None:
    network = load_onnx(save(*classifier()))
    assert sum(p.numel() for p in network.parameters()) == 81 + 36 + 3 + 3 + 3
    assert sum(b.numel() for b in network.buffers()) == 6


def test_values_are_dropped_after_their_last_use_and_never_before(save: Save) -> None:
    network = load_onnx(save(*classifier()))
    assert isinstance(network, OnnxNetwork)
    alive = {network._image}
    for step in network._steps:
        computed = set(step.reads) - set(network._keys) - set(network._fixed) - {0}
        assert computed <= alive
        alive = (alive | set(step.fills)) - set(step.spent)
    assert alive == set(network._outputs)


def test_two_graphs_with_equal_weights_have_different_fingerprints(save: Save) -> None:
    first = load_onnx(save([node("MaxPool", "x", kernel_shape=[2, 2])], {})).fingerprint
    assert first == load_onnx(save([node("MaxPool", "x", kernel_shape=[2, 2])], {})).fingerprint
    assert first != load_onnx(save([node("MaxPool", "x", kernel_shape=[3, 3])], {})).fingerprint


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (lambda: [node("Sin", "x")], "Sin"),
        (lambda: [node("Resize", "x _ f", mode="cubic")], "Resize is not covered where its mode is cubic"),
        (lambda: [node("MaxPool", "x", "y i", kernel_shape=[2, 2])], "MaxPool has 2 outputs"),
    ],
)
def test_what_is_not_covered_runs_without_gradients_and_says_why(nodes: Callable, reason: str, save: Save) -> None:
    network = load_onnx(save(nodes(), {"f": np.float32([1, 1, 2, 2])}))
    assert isinstance(network, OnnxRuntimeNetwork)
    assert reason in network.reason
    assert not network.differentiable
    assert not network(images().requires_grad_()).requires_grad


def test_onnxruntime_gives_the_graphs_values(save: Save) -> None:
    torch.testing.assert_close(load_onnx(save([node("Sin", "x")], {}))(images()), images().sin())


def test_a_graph_for_a_fixed_batch_takes_any_multiple(save: Save) -> None:
    network = load_onnx(save([node("Reshape", "x r")], {"r": ints(2, -1)}, shape=(2, 3, 8, 8)))
    torch.testing.assert_close(network(images(4, 3, 8, 8)), images(4, 3, 8, 8).flatten(1))
    with pytest.raises(UserError, match="batches of 2"):
        network(images(3, 3, 8, 8))


def test_several_outputs_come_by_name(save: Save) -> None:
    nodes = [node("Relu", "x", "embedding"), node("Neg", "embedding", "logits")]
    found = load_onnx(save(nodes, {}, outputs=("logits", "embedding")))(images())
    assert set(found) == {"logits", "embedding"}
    torch.testing.assert_close(found["logits"], -images().relu())


def test_images_of_another_size_are_refused_with_the_right_one(save: Save) -> None:
    network = load_onnx(save([node("Relu", "x")], {}, shape=("n", 3, 8, 4)))
    with pytest.raises(UserError, match=r"\[N, 3, 8, 4\], but got \[2, 3, 8, 8\]"):
        network(images())


def test_files_that_are_no_graph(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no ONNX file at"):
        load_onnx(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("not a graph at all")
    with pytest.raises(UserError, match=r"text\.onnx"):
        load_onnx(tmp_path / "text.onnx")


@pytest.mark.real
def test_a_published_reid_network_agrees(real_data: Path) -> None:
    for path in sorted((real_data / "osnet_onnx").glob("*.onnx")):
        network, x = load_onnx(path), torch.rand(2, 3, 256, 128, generator=torch.Generator().manual_seed(0))
        assert isinstance(network, OnnxNetwork)
        expected = OnnxRuntimeNetwork(open_onnx(path), reason="the reference")(x)
        assert (network(x) - expected).abs().max() < 1e-3
