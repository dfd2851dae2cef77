"""A victim from one line: a named network with its input settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from turncoat.core.errors import UserError
from turncoat.core.victim import Victim
from turncoat.models.fused import FusedViews, read_whitening
from turncoat.models.load import load_network


@dataclass(frozen=True)
class Sight:
    """What a network sees of an image: resized to `size` (height, width) and normalised; None leaves it as it is."""

    size: tuple[int, int] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


def sight_of(
    network: nn.Module,
    *,
    size: tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Sight:
    """What is given, and where nothing is, what the network was trained with, if it says so as timm's do."""
    trained = getattr(network, "pretrained_cfg", None) or {}
    if mean is None and std is None and "mean" in trained:
        mean, std = trained["mean"], trained["std"]
    if size is None and "input_size" in trained:
        size = (trained["input_size"][1], trained["input_size"][2])
    return Sight(size, None if mean is None else tuple(mean), None if std is None else tuple(std))


def load_victim(
    source: str,
    *,
    weights: str | Path | None = None,
    reads: str = "logits",
    taps: Mapping[str, str] | None = None,
    size: tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str | None = None,
    options: Mapping[str, object] | None = None,
    key_prefix: str = "",
    mirror: bool = False,
    scales: Sequence[float] = (1.0,),
    scale_power: float | Literal["learned"] = 1.0,
    whitening: str | Path | None = None,
) -> Victim:
    """The network of `load_network`, seen from pixel space; `reads`, `taps`, `size`, `mean` and `std` as in `Victim`.

    A timm network knows the size (height, width), mean and std it was trained with, and these are used where none are
    given; for any other network none means that images are passed on as they are, in [0, 1].

    With `mirror`, several `scales` or a `whitening` (a .safetensors file with `mean` `[D]` and `projection` `[K, D]`)
    the embedding is that of `FusedViews`, with p = `scale_power`, where "learned" is the exponent of the network's GeM.
    """
    if (mean is None) != (std is None):
        raise UserError(f"{name or source}: give mean and std together, or neither")
    network = load_network(source, weights=weights, options=options, key_prefix=key_prefix)
    sight = sight_of(network, size=size, mean=mean, std=std)
    fused = FusedViews(
        mirror=mirror,
        scales=scales,
        power=_learned(network, source) if scale_power == "learned" else scale_power,
        whitening=None if whitening is None else read_whitening(whitening),
    )
    plain = not mirror and fused.scales == (1.0,) and whitening is None
    return Victim(
        network,
        name=name or source,
        reads=reads,
        taps=taps,
        size=sight.size,
        mean=sight.mean,
        std=sight.std,
        fusion=None if plain else fused,
    )


def _learned(network: nn.Module, source: str) -> float:
    exponent = getattr(network, "exponent", None)
    if not isinstance(exponent, float):
        raise UserError(f"scale_power: learned needs a network with GeM pooling, which {source} is not: give a number")
    return exponent
