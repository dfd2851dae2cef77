"""What a victim says about a batch of images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.errors import UserError

KINDS = ("logits", "embedding", "similarity", "maps")


@dataclass(frozen=True)
class Outputs:
    """The tensors a victim gives, by kind, first dimension N; asking for another kind is a clear error.

    `logits` are class or attribute scores `[N, K]`; `embedding` is the descriptor `[N, D]`, or `[N, P, D]` for P parts;
    `similarity` holds image-text scores `[N, A]`; `maps` are activation maps `[N, K, H, W]`.
    """

    given: Mapping[str, Tensor]
    source: str = "the victim"

    @property
    def logits(self) -> Tensor:
        return self._get("logits")

    @property
    def embedding(self) -> Tensor:
        return self._get("embedding")

    @property
    def descriptor(self) -> Tensor:
        """The unit descriptor `[N, D]` of the embedding, which is what rankings and pairs compare."""
        return unit_descriptor(self.embedding)

    @property
    def similarity(self) -> Tensor:
        return self._get("similarity")

    @property
    def maps(self) -> Tensor:
        return self._get("maps")

    def _get(self, kind: str) -> Tensor:
        if kind not in self.given:
            has = ", ".join(self.given) or "nothing"
            raise UserError(
                f"{self.source} gives {has}, but {kind} is needed: choose another attack, task or recipe, or a network "
                f"(or options of it) that gives {kind}, or name the layer with taps={{'{kind}': 'layer.name'}}"
            )
        return self.given[kind]

    def detach(self) -> Outputs:
        return Outputs({kind: value.detach() for kind, value in self.given.items()}, self.source)


def unit_descriptor(embedding: Tensor) -> Tensor:
    """Embeddings `[N, D]` as unit rows; P parts `[N, P, D]` weigh alike in one row (PCB; Sun et al. 2018)."""
    unit = F.normalize(embedding, dim=-1)
    return unit if unit.ndim == 2 else unit.flatten(1) / math.sqrt(unit.shape[1])


def concatenate(parts: list[Outputs]) -> Outputs:
    """Outputs of consecutive batches as one."""
    first = parts[0]
    joined = {kind: torch.cat([part.given[kind] for part in parts]) for kind in first.given}
    return Outputs(joined, first.source)
