"""Networks and victims from one line."""

from __future__ import annotations

import builtins
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.models import load
from turncoat.models.load import load_network
from turncoat.models.victims import load_victim

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Mean(nn.Module):
    """The mean colour, scaled."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scale * images.mean((2, 3))


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """An importable module `user_models` with some functions to build networks."""
    module = types.ModuleType("user_models")
    module.mean = Mean
    module.word = lambda: "network"
    monkeypatch.setitem(sys.modules, "user_models", module)
    return module


def test_ours_are_built_with_options_and_filled_with_weights(tmp_path: Path) -> None:
    first = load_network("turncoat:resnet20", options={"classes": 7})
    nn.init.normal_(first.linear.bias)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "weights.pth")
    second = load_network("turncoat:resnet20", options={"classes": 7}, weights=tmp_path / "weights.pth")
    assert first.eval()(IMAGES).shape == (2, 7)
    assert torch.equal(first(IMAGES), second.eval()(IMAGES))


@pytest.mark.usefixtures("factory")
def test_the_reid_network_takes_a_named_backbone() -> None:
    options = {
        "backbone": "python:user_models:mean",
        "backbone_options": {"scale": 2.0},
        "features": 3,
        "classes": 5,
        "bottleneck": 16,
    }
    network = load_network("turncoat:reid", options=options)
    assert network.backbone.scale == 2.0
    assert network.eval()(IMAGES)["embedding"].shape == (2, 16)


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    load_network("turncoat:resnet20")
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_network_without_weights_is_the_same_one_everywhere_and_follows_its_seed() -> None:
    for source, given in (("turncoat:resnet20", {}), ("turncoat:small_classifier", {"classes": 3})):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            first = load_network(source, options=given).state_dict()
            torch.manual_seed(2)
            second = load_network(source, options=given).state_dict()
        assert all(torch.equal(values, second[name]) for name, values in first.items())
        other = load_network(source, options=given, seed=1).state_dict()
        assert any(not torch.equal(values, other[name]) for name, values in first.items())


@pytest.mark.usefixtures("factory")
def test_the_backbone_under_a_head_follows_the_seed_too(factory: types.ModuleType) -> None:
    factory.maps = lambda: nn.Conv2d(3, 4, 3)
    options = {"backbone": "python:user_models:maps", "features": 4, "classes": 3}
    weights = [load_network("turncoat:gem", options=options, seed=seed).backbone.weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.usefixtures("factory")
def test_a_function_of_the_users() -> None:
    network = load_network("python:user_models:mean", options={"scale": 3})
    torch.testing.assert_close(network(IMAGES), 3 * IMAGES.mean((2, 3)))


def scripted(path: Path, power: int) -> Path:
    class Powered(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (images**power).mean((2, 3))

    torch.jit.save(torch.jit.trace(Powered(), IMAGES), str(path))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_has_gradients_and_a_fingerprint_of_its_code(tmp_path: Path) -> None:
    squares, cubes = (load_victim(f"torchscript:{scripted(tmp_path / f'{p}.pt', p)}") for p in (2, 3))
    x = IMAGES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(squares(x).logits.sum(), x)
    torch.testing.assert_close(gradient, 2 * IMAGES / (32 * 32))
    assert squares.digest() != cubes.digest()


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("resnet20", {}, "cannot tell what network 'resnet20' is: name it as one of turncoat:..."),
        ("keras:resnet", {}, "cannot tell"),
        ("turncoat:resnet18", {}, "no network 'resnet18'; it has gem, mobilefacenet"),
        ("turncoat:small_reid", {}, "classes"),
        ("turncoat:resnet20", {"options": {"depth": 3}}, "depth"),
        ("torchscript:absent.pt", {}, "no TorchScript file at absent.pt"),
        ("torchscript:absent.pt", {"weights": "w.pth"}, "brings its own weights"),
        ("onnx:absent.onnx", {}, "no ONNX file at absent.onnx"),
        ("python:user_models", {}, "must name a function"),
        ("python:no_such_package:mean", {}, "cannot import no_such_package"),
        ("python:user_models:median", {}, "user_models has no function 'median'"),
        ("python:user_models:word", {}, "returned a str, not a torch.nn.Module"),
    ],
)
@pytest.mark.usefixtures("factory")
def test_mistakes_are_told_in_one_line(source: str, settings: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load_network(source, **settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_that_is_no_torchscript(tmp_path: Path) -> None:
    (tmp_path / "words.pt").write_text("words")
    with pytest.raises(UserError, match=r"words\.pt is not a TorchScript file"):
        load_network(f"torchscript:{tmp_path / 'words.pt'}")


@pytest.mark.parametrize(("missing", "extra"), [("timm", "timm"), ("onnx", "onnx")])
def test_a_missing_extra_is_named(missing: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"any")
    real = builtins.__import__

    def refuse(name: str, *args: object, **settings: object) -> object:
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named '{missing}'")
        return real(name, *args, **settings)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(importlib, "import_module", refuse)
    monkeypatch.setattr(load, "prepare_torchvision", lambda: None)
    source = f"onnx:{tmp_path / 'net.onnx'}" if missing == "onnx" else "timm:resnet18"
    with pytest.raises(UserError, match=rf"pip install turncoat\[{extra}\]"):
        load_network(source)


@pytest.fixture
def timm_like(factory: types.ModuleType) -> None:
    def build() -> nn.Module:
        network = Mean()
        network.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "input_size": (3, 8, 16)}
        return network

    factory.trained = build


@pytest.mark.usefixtures("timm_like")
def test_settings_that_travel_with_a_network_are_used_where_none_are_given() -> None:
    victim = load_victim("python:user_models:trained")
    assert (victim.size, victim.mean, victim.std) == ((8, 16), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    given = load_victim("python:user_models:trained", size=(4, 4), mean=(0, 0, 0), std=(1, 1, 1), name="mine")
    assert (given.size, given.mean, given.std, given.name) == ((4, 4), (0, 0, 0), (1, 1, 1), "mine")


@pytest.mark.usefixtures("factory")
def test_a_victim_reads_what_it_is_told() -> None:
    victim = load_victim("python:user_models:mean", reads="embedding", mean=(0.5,) * 3, std=(0.25,) * 3)
    torch.testing.assert_close(victim(IMAGES).embedding, ((IMAGES - 0.5) / 0.25).mean((2, 3)))
    assert victim.name == "python:user_models:mean"


def test_mean_without_std_is_refused() -> None:
    with pytest.raises(UserError, match="mean and std together"):
        load_victim("turncoat:resnet20", mean=(0.5, 0.5, 0.5))


def test_timm_itself() -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    victim = load_victim("timm:resnet18", size=(32, 32), taps={"embedding": "global_pool"})
    assert victim(IMAGES).logits.shape == (2, 1000)
    assert victim(IMAGES).embedding.shape == (2, 512)
    assert victim.mean == (0.485, 0.456, 0.406)
    with pytest.raises(UserError, match="timm has no network 'resnet18x'"):
        load_network("timm:resnet18x")
