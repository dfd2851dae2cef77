"""The descriptor that is ranked, where it is made of several looks: mirrored, at several scales, whitened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.reader import Fusion, Look
from turncoat.models.power import power_mean
from turncoat.models.state import read_state

NORM_EPS = 1e-6
MEANT = ("logits", "similarity")


class FusedViews(Fusion):
    """One embedding from `views` looks at each prepared image.

    `mirror` adds the embedding of the image flipped left to right, before any normalisation (U-turn's released code;
    parts `[N, P, D]` likewise). With several `scales` the image is resized by each (bilinear), each embedding made a
    unit vector v_s, and their fusion (mean over s of v_s^p)^(1/p) a unit vector again, with p = `power` (Radenović et
    al. 2018); p other than 1 needs embeddings without negative values, since a root of negative powers is undefined or
    has an infinite slope. `whitening` comes last, on a unit vector. Mirror alone leaves the length free.

    `logits` and `similarity` are the means over the looks; `maps` are those of the first.
    """

    def __init__(
        self,
        *,
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
        power: float = 1.0,
        whitening: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not scales or not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise UserError(f"scales: at least one factor above 0 is needed, not {list(scales)}")
        if not (math.isfinite(power) and power > 0):
            raise UserError(f"scale_power: a number above 0 is needed, not {power}")
        self.mirror = mirror
        self.scales = tuple(map(float, scales))
        self.power = float(power)
        self.whitens = whitening is not None
        if whitening is not None:
            self.register_buffer("mean", whitening[0].detach().clone())
            self.register_buffer("projection", whitening[1].detach().clone())
        self.views = len(self.scales) * (2 if mirror else 1)

    def forward(self, look: Look, images: Tensor) -> dict[str, Tensor]:
        looks: list[dict[str, Tensor]] = []
        embeddings: list[Tensor] = []
        for scale in self.scales:
            seen = _resized(images, scale)
            mine = [look(seen), look(seen.flip(-1))] if self.mirror else [look(seen)]
            looks += mine
            if "embedding" in mine[0]:
                embeddings.append(torch.stack([one["embedding"] for one in mine]).sum(0))
        fused = {kind: torch.stack([one[kind] for one in looks]).mean(0) for kind in looks[0] if kind in MEANT}
        if embeddings:
            fused["embedding"] = self._fuse(embeddings)
        return {**looks[0], **fused}

    def elsewhere(self) -> FusedViews:
        return FusedViews(mirror=self.mirror, scales=self.scales, power=self.power)

    def extra_repr(self) -> str:
        return f"mirror={self.mirror}, scales={self.scales}, power={self.power}"

    def _fuse(self, embeddings: list[Tensor]) -> Tensor:
        if len(embeddings) == 1 and not self.whitens:
            return embeddings[0]
        each = torch.stack([_unit(embedding) for embedding in embeddings])
        joint = _unit(each.mean(0) if self.power == 1 else self._power_mean(each))
        return self._whitened(joint) if self.whitens else joint

    def _power_mean(self, each: Tensor) -> Tensor:
        if bool((each < 0).any()):
            raise UserError(
                f"scale_power {self.power:g} needs an embedding without negative values (GeM before whitening), "
                "and this one has some: use scale_power 1"
            )
        return power_mean(each, self.power, dim=0)

    def _whitened(self, embedding: Tensor) -> Tensor:
        mean, projection = self.get_buffer("mean").to(embedding), self.get_buffer("projection").to(embedding)
        if embedding.shape[-1] != len(mean):
            raise UserError(f"the whitening is for {len(mean)} dimensions, the embedding has {embedding.shape[-1]}")
        return _unit(F.linear(embedding - mean, projection))


def read_whitening(path: str | Path) -> tuple[Tensor, Tensor]:
    """`mean` `[D]` and `projection` `[K, D]` from a .safetensors file."""
    held = read_state(Path(path))
    mean, projection = held.get("mean"), held.get("projection")
    if mean is None or projection is None or mean.ndim != 1 or projection.shape[1:] != mean.shape:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in list(held.items())[:4])
        raise UserError(f"{path} holds {shapes}: a whitening is mean [D] and projection [K, D]")
    return mean.float(), projection.float()


def _resized(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    if min(images.shape[2:]) * scale < 1:
        raise UserError(f"scale {scale:g} leaves nothing of images of {images.shape[2]}x{images.shape[3]}")
    return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)


def _unit(embedding: Tensor) -> Tensor:
    return F.normalize(embedding, dim=-1, eps=NORM_EPS)
