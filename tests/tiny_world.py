"""A network and data sets of a few images for tests of whole studies, and a count of every pass the network makes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.seeds import seeded
from turncoat.data.load import DATASETS
from turncoat.defenses.purifier import Purifier, Surrogate
from turncoat.study import registry
from turncoat.study.bench import Bench
from turncoat.study.plan import Study
from turncoat.study.runner import benches
from turncoat.tasks.metrics.estimate import bootstrap
from turncoat.tasks.samples import Samples

CLASSES = 4
SIDE = 12
Described = dict[str, Any]


class Tiny(nn.Module):
    """A convolution and a linear layer with seeded weights; `seen` and `answered` count images and gradients."""

    seen: ClassVar[int] = 0
    answered: ClassVar[int] = 0

    def __init__(self, *, seed: int = 0, classes: int = CLASSES, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.conv = nn.Conv2d(3, 6, 3, stride=2)
        self.head = nn.Linear(24, classes)
        generator = seeded(seed)
        for values in self.parameters():
            values.data = torch.randn(values.shape, generator=generator) * 0.4

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        Tiny.seen += len(images)
        if images.requires_grad:
            images.register_hook(self._answer)
        embedding = F.adaptive_avg_pool2d(F.elu(self.conv(images - 0.5) * self.gain), 2).flatten(1)
        return {"embedding": embedding, "logits": self.head(embedding - 0.3)}

    def _answer(self, gradient: Tensor) -> None:
        Tiny.answered += len(gradient)


class Dim(Purifier):
    """Darker and mirrored; an attacker may take it for darker alone, or for mirrored alone, and is wrong both times."""

    name = "dim"

    def forward(self, images: Tensor) -> Tensor:
        return 0.8 * images.flip(-1)

    def adaptive(self) -> Sequence[Surrogate]:
        return Surrogate("darker", Darker(), exact=False), Surrogate("mirrored", Mirrored(), exact=False)


class Darker(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 0.8 * images


class Mirrored(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1)


class Silent(Purifier):
    """Names no way to attack it."""

    name = "silent"

    def forward(self, images: Tensor) -> Tensor:
        return images


def net(**options: Any) -> Tiny:
    """What a study names as `python:tiny_world:net`."""
    return Tiny(**options)


@dataclass
class Passes:
    """The passes of all tiny networks while a block ran."""

    forwards: int = 0
    backwards: int = 0

    def __enter__(self) -> Passes:
        self.forwards, self.backwards = -Tiny.seen, -Tiny.answered
        return self

    def __exit__(self, *_: object) -> None:
        self.forwards += Tiny.seen
        self.backwards += Tiny.answered


def pixels(n: int, *, seed: int, side: int = SIDE) -> Tensor:
    """Smooth random images, uint8 `[N, 3, side, side]`."""
    coarse = torch.rand(n, 3, 4, 4, generator=seeded(seed))
    return (F.interpolate(coarse, size=(side, side), mode="bilinear") * 255).round().to(torch.uint8)


def memory(task: str = "classification", *, n: int = 12, seed: int = 0, poke: int = 0) -> Samples:
    """A data set of any task in memory; `poke` is added to one pixel of image 1.

    The truth of classification and attributes is mostly what the network of seed 0 says, so that it is mostly right.
    """
    images = pixels(n, seed=seed)
    images[1, 0, 0, 0] += poke
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        logits = Tiny()(images.float() / 255)["logits"]
    Tiny.seen -= n
    rows = torch.arange(n)
    truth: dict[str, Tensor] = {}
    against = None
    if task == "classification":
        truth = {"label": (logits.argmax(1) + (rows % 5 == 4)) % CLASSES}
    elif task == "attributes":
        truth = {"attributes": ((logits > 0) ^ (rows % 5 == 4)[:, None]).long()}
    elif task == "retrieval":
        truth = {"person": rows % 5, "camera": torch.zeros_like(rows)}
        others = _near(images, seed=seed + 1)
        people = {"person": rows % 4, "camera": (rows % 3).clamp(max=1)}
        against = Samples("gallery", [f"g{row}" for row in rows], lambda row: others[row], people)
    else:
        same = rows % 2 == 0
        others = torch.where(same[:, None, None, None], _near(images, seed=seed + 1), pixels(n, seed=seed + 2))
        truth = {"same": same, "fold": rows % 3, "person": rows // 2, "person_b": rows // 2 + (~same).long()}
        against = Samples("second", [f"b{row}" for row in rows], lambda row: others[row], {})
    return Samples("memory", [f"m{row}" for row in rows], lambda row: images[row], truth, against=against)


def _near(images: Tensor, *, seed: int) -> Tensor:
    noise = torch.randint(-25, 26, images.shape, generator=seeded(seed))
    return (images.long() + noise).clamp(0, 255).to(torch.uint8)


def describe(task: str = "classification", /, **changes: Any) -> Described:
    """A study on the data set in memory, as YAML would give it; `changes` replace keys of its only audit."""
    audit = {
        "task": task,
        "data": {"name": "memory", "task": task},
        "victims": {"name": "tiny", "source": "python:tiny_world:net", "reads": "logits"},
        "attacks": ["sign_noise", {"name": "pgd", "steps": 3}],
        "budgets": ["8/255"],
        "shard": 4,
    }
    own = {key: changes.pop(key) for key in ("limit", "pictures") if key in changes}
    return copy.deepcopy({"name": "tiny", "pictures": 0, **own, "audits": [{**audit, **changes}]})


def bench_of(described: Mapping[str, Any], root: Path = Path()) -> Bench:
    """The only bench of a study."""
    (bench,) = benches(Study.model_validate(described), root)
    return bench


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `memory` and the purifiers `dim` and `silent` can be named, and intervals are quick and rough."""
    monkeypatch.setitem(DATASETS, "memory", memory)
    monkeypatch.setattr(registry, "DEFENSES", {**registry.DEFENSES, "dim": Dim, "silent": Silent})
    monkeypatch.setitem(bootstrap.__kwdefaults__ or {}, "resamples", 20)


def write_idx(folder: Path, images: Tensor, labels: Tensor) -> None:
    """Grey images `[N, H, W]` and their labels as MNIST's test files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        array = values.numpy().astype(np.uint8)
        header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
        (folder / name).write_bytes(header + array.tobytes())
