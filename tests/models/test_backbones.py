"""Heads on named backbones: which maps they get, how wide, and with which last stage."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.models.backbones import map_options, set_last_stride, width_of
from turncoat.models.load import load_network
from turncoat.models.victims import load_victim

IMAGES = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


class Staged(nn.Module):
    """A network with a strided `layer4` whose shortcut averages, as ResNet-D's."""

    num_features = 6

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.layer4 = nn.ModuleDict(
            {
                "conv": nn.Conv2d(4, width, 3, stride=2, padding=1),
                "short": nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(4, width, 1)),
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        return self.layer4["conv"](maps) + self.layer4["short"](maps)


@pytest.fixture(autouse=True)
def _factory(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("user_backbones")
    module.staged = Staged
    module.nameless = lambda: nn.Conv2d(3, 5, 3)
    monkeypatch.setitem(sys.modules, "user_backbones", module)


@pytest.mark.parametrize(("head", "shape"), [("reid", (2, 512)), ("pcb", (2, 6, 6)), ("gem", (2, 6))])
def test_every_head_stands_on_a_named_backbone(head: str, shape: tuple[int, ...]) -> None:
    options = {"backbone": "python:user_backbones:staged", "classes": 5}
    given = load_network(f"turncoat:{head}", options=options).eval()(IMAGES)
    assert given["embedding"].shape == shape
    assert given["logits"].shape == (2, 5)


def test_options_reach_the_backbone_and_a_width_may_be_told() -> None:
    options = {"backbone": "python:user_backbones:staged", "backbone_options": {"width": 9}, "features": 9}
    assert load_network("turncoat:gem", options=options)(IMAGES)["embedding"].shape == (2, 9)
    told = {"backbone": "python:user_backbones:nameless", "features": 5, "classes": 3}
    assert load_network("turncoat:pcb", options=told).eval()(IMAGES)["embedding"].shape == (2, 6, 5)


def test_a_last_stride_of_one_doubles_the_maps_and_keeps_the_weights() -> None:
    coarse, fine = Staged(), Staged()
    fine.load_state_dict(coarse.state_dict())
    set_last_stride(fine, "staged", 1)
    assert coarse(IMAGES).shape == (2, 6, 8, 4)
    assert fine(IMAGES).shape == (2, 6, 16, 8)
    inner = coarse.stem(IMAGES)
    expected = nn.functional.conv2d(inner, coarse.layer4["conv"].weight, coarse.layer4["conv"].bias, padding=1)
    torch.testing.assert_close(fine(IMAGES), expected + coarse.layer4["short"][1](inner))
    options = {"backbone": "python:user_backbones:staged", "last_stride": 1, "classes": 2}
    network = load_network("turncoat:pcb", options=options)
    assert network.backbone(IMAGES).shape == (2, 6, 16, 8)


def test_timm_is_asked_for_maps_unless_the_user_says_otherwise() -> None:
    assert map_options("timm:resnet50", {}) == {"num_classes": 0, "global_pool": ""}
    assert map_options("timm:resnet50", {"global_pool": "avg"}) == {"num_classes": 0, "global_pool": "avg"}
    assert map_options("python:a:b", {"width": 3}) == {"width": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "python:user_backbones:nameless"}, "write features: NUMBER among the options"),
        ({"backbone": "python:user_backbones:staged", "last_stride": 3}, "last_stride 3 for .*: it is 2, or 1"),
        ({"backbone": "turncoat:resnet20", "last_stride": 1}, "a residual network with a layer4"),
        ({"backbone": "python:user_backbones:staged", "backbone_options": 3}, "a mapping is needed, not 3"),
        ({"backbone": "python:user_backbones:staged", "depth": 3}, "the head on .* cannot be built .*depth"),
        ({}, "backbone"),
    ],
)
def test_mistakes_are_told_in_one_line(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_network("turncoat:gem", options=options)
    assert "\n" not in str(caught.value)


def test_the_width_is_the_one_given_or_the_one_said() -> None:
    assert width_of(Staged(), "staged") == 6
    assert width_of(Staged(), "staged", 11) == 11


@pytest.mark.parametrize(
    ("head", "name", "stride", "shape"),
    [
        ("reid", "resnet50", 2, (2, 512)),
        ("reid", "densenet121", 2, (2, 512)),
        ("pcb", "resnet50", 1, (2, 6, 2048)),
        ("gem", "resnet18", 2, (2, 512)),
    ],
)
def test_timm_itself(head: str, name: str, stride: int, shape: tuple[int, ...]) -> None:
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    options = {"backbone": f"timm:{name}", "last_stride": stride, "classes": 7}
    victim = load_victim(f"turncoat:{head}", options=options, mirror=True)
    leaf = IMAGES.clone().requires_grad_()
    given = victim(leaf)
    assert given.embedding.shape == shape
    assert given.logits.shape == (2, 7)
    (slope,) = torch.autograd.grad(given.descriptor[:, 0].sum(), leaf)
    assert slope.isfinite().all()
    assert slope.any()
