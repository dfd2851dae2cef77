"""A network from the one line that names it: `scheme:name`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.models.backbones import map_options, set_last_stride, width_of
from turncoat.models.builtin import load_builtin
from turncoat.models.cifar_resnet import resnet20, resnet20_2d, resnet56
from turncoat.models.extras import optional
from turncoat.models.gem import GemNet
from turncoat.models.mobilefacenet import mobilefacenet
from turncoat.models.onnx_replay import load_onnx
from turncoat.models.pcb import PcbNet
from turncoat.models.reid_head import ReidNet
from turncoat.models.small import (
    small_2d,
    small_attributes,
    small_classifier,
    small_densenet,
    small_face,
    small_gem,
    small_pcb,
    small_reid,
)
from turncoat.models.state import load_state
from turncoat.models.torchscript import TorchScriptNetwork
from turncoat.models.torchvision_shim import prepare_torchvision
from turncoat.models.wide_resnet import wide_resnet

Options = Mapping[str, object]
Made = TypeVar("Made")


def load_network(
    source: str,
    *,
    weights: str | Path | None = None,
    options: Options | None = None,
    key_prefix: str = "",
    seed: int = 0,
) -> nn.Module:
    """Build the network that `source` names, and fill it with `weights` where given.

    `turncoat:NAME` one of ours (`NETWORKS`), `builtin:NAME` one that ships trained (`BUILTIN`),
    `timm:NAME` one of timm's, `python:package.module:function` whatever your
    function returns, `torchscript:PATH` and `onnx:PATH` a file that brings its own weights. `options` go to the
    constructor by name; `key_prefix` chooses a part of the checkpoint (see `load_state`). Initial weights are drawn
    from `seed`, so that every build begins alike, here and elsewhere; the global generator is left as it was. Raises
    UserError for what is not there or does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = _made(source, options or {}, filled=weights is not None)
    if weights is not None:
        load_state(network, weights, key_prefix=key_prefix)
    return network


def _made(source: str, options: Options, *, filled: bool = False) -> nn.Module:
    """The network with initial weights from the global generator; `filled` when it is to get others."""
    scheme, _, name = source.partition(":")
    if not name or scheme not in SCHEMES:
        known = ", ".join(f"{scheme}:..." for scheme in SCHEMES)
        raise UserError(f"cannot tell what network {source!r} is: name it as one of {known}")
    if scheme in ("torchscript", "onnx", "builtin") and (filled or options):
        raise UserError(f"{source} brings its own weights and settings: leave weights and options out")
    return SCHEMES[scheme](name, options)


def reid(backbone: str, **options: object) -> ReidNet:
    """The U-turn re-identification head on a backbone named as in `load_network`; see `ReidNet` for the options."""
    return _headed(ReidNet, backbone, options)


def pcb(backbone: str, **options: object) -> PcbNet:
    """PCB's parts and their heads on a backbone that gives maps; see `PcbNet` for the options."""
    return _headed(PcbNet, backbone, options)


def gem(backbone: str, **options: object) -> GemNet:
    """Generalised-mean pooling on a backbone that gives maps, for landmarks; see `GemNet` for the options."""
    return _headed(GemNet, backbone, options)


def _headed(head: Callable[..., Made], source: str, options: Options) -> Made:
    """A head on a backbone, which gives maps where we know how to ask for them.

    `backbone_options` go to the backbone, `last_stride` 1 makes the maps of a ResNet finer, `features` is the number of
    channels and may be left out where the backbone says it; the rest is the head's.
    """
    inner = options.get("backbone_options") or {}
    if not isinstance(inner, Mapping):
        raise UserError(f"backbone_options: a mapping is needed, not {inner!r}")
    trunk = _made(source, map_options(source, inner))
    set_last_stride(trunk, source, options.get("last_stride", 2))
    width = width_of(trunk, source, options.get("features"))
    rest = {key: value for key, value in options.items() if key not in ("backbone_options", "last_stride", "features")}
    return _call(partial(head, trunk, width), f"the head on {source}", rest)


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "gem": gem,
    "mobilefacenet": mobilefacenet,
    "pcb": pcb,
    "reid": reid,
    "resnet20": resnet20,
    "resnet20_2d": resnet20_2d,
    "resnet56": resnet56,
    "small_2d": small_2d,
    "small_attributes": small_attributes,
    "small_classifier": small_classifier,
    "small_densenet": small_densenet,
    "small_face": small_face,
    "small_gem": small_gem,
    "small_pcb": small_pcb,
    "small_reid": small_reid,
    "wide_resnet": wide_resnet,
}


def _ours(name: str, options: Options) -> nn.Module:
    if name not in NETWORKS:
        raise UserError(f"turncoat has no network {name!r}; it has {', '.join(NETWORKS)}")
    return _call(NETWORKS[name], f"turncoat:{name}", options)


def _timm(name: str, options: Options) -> nn.Module:
    """A network of timm's."""
    prepare_torchvision()
    timm = optional("timm", extra="timm", purpose=f"timm:{name}")
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.partition('.')[0]}*")[:5])
        raise UserError(f"timm has no network {name!r}" + (f"; near it: {near}" if near else ""))
    create: Callable[..., nn.Module] = timm.create_model
    return _call(create, f"timm:{name}", {"model_name": name, **options})


def _python(name: str, options: Options) -> nn.Module:
    """What a function of yours returns: python:package.module:function."""
    module, _, function = name.partition(":")
    if not function:
        raise UserError(f"python:{name} must name a function: python:package.module:function")
    try:
        build = getattr(importlib.import_module(module), function, None)
    except (ImportError, ValueError) as problem:
        raise UserError(
            f"cannot import {module} for python:{name} ({problem}): is it installed, or its folder on PYTHONPATH?"
        ) from problem
    if not callable(build):
        raise UserError(f"{module} has no function {function!r}")
    network = _call(build, f"python:{name}", options)
    if not isinstance(network, nn.Module):
        raise UserError(f"python:{name} returned a {type(network).__name__}, not a torch.nn.Module")
    return network


def _torchscript(name: str, _: Options) -> nn.Module:
    """A TorchScript file."""
    return TorchScriptNetwork(name)


def _onnx(name: str, _: Options) -> nn.Module:
    """An ONNX file, replayed in torch so that it has gradients, or else as onnxruntime runs it."""
    return load_onnx(name)


def _builtin(name: str, _: Options) -> nn.Module:
    return load_builtin(name)


SCHEMES: Mapping[str, Callable[[str, Options], nn.Module]] = {
    "turncoat": _ours,
    "builtin": _builtin,
    "timm": _timm,
    "python": _python,
    "torchscript": _torchscript,
    "onnx": _onnx,
}


def _call(build: Callable[..., Made], name: str, options: Options) -> Made:
    try:
        return build(**options)
    except (TypeError, ValueError, RuntimeError) as problem:
        if isinstance(problem, UserError):
            raise
        raise UserError(f"{name} cannot be built with options {dict(options)}: {problem}") from problem
