"""Backbones for heads that pool maps themselves: which options give maps, how wide they are, and a finer last stage."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from turncoat.core.errors import UserError

MAPS: Mapping[str, Mapping[str, object]] = {"timm": {"num_classes": 0, "global_pool": ""}}
"""By scheme, the options with which a network gives its last maps instead of class scores."""


def map_options(source: str, options: Mapping[str, object]) -> dict[str, object]:
    """`options` for a backbone named `source`, completed by those that make it give maps."""
    return {**MAPS.get(source.partition(":")[0], {}), **options}


def width_of(backbone: nn.Module, source: str, features: object = None) -> int:
    """The number of channels: as given, or as the backbone says (`num_features` of timm's, `features` of ours)."""
    known = (features, getattr(backbone, "num_features", None), getattr(backbone, "features", None))
    said = next((number for number in known if isinstance(number, int)), None)
    if said is None:
        raise UserError(f"{source} does not say how many channels it gives: write features: NUMBER among the options")
    return said


def set_last_stride(backbone: nn.Module, source: str, stride: object) -> None:
    """With 1, take the stride out of the last stage: its maps are twice as high and wide (PCB; Sun et al. 2018).

    For residual networks with a `layer4` (timm's and torchvision's ResNets). Weights fit as before, and nothing is
    dilated, unlike with timm's `output_stride`. With 2 everything stays.
    """
    if stride == 2:
        return
    stage = getattr(backbone, "layer4", None)
    if stride != 1 or not isinstance(stage, nn.Module):
        raise UserError(f"last_stride {stride} for {source}: it is 2, or 1 for a residual network with a layer4")
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
        elif isinstance(module, nn.AvgPool2d):  # in the shortcut of ResNet-D
            module.kernel_size = module.stride = 1
