"""Which images are seen together, in which order, and how they are moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import BatchSampler, Dataset, SequentialSampler

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.tasks.samples import Samples
from turncoat.training.schedule import Schedule


def mixed(seed: int, what: str, number: int) -> int:
    """A seed of its own for every use and every turn."""
    digest = hashlib.blake2b(f"{seed} {what} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Rows(Dataset[dict[str, Tensor]]):
    """Samples as rows of uint8 image and truth."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        truth = {name: values[row] for name, values in self.samples.truth.items()}
        return {"images": self.samples.read(row), **truth}

    def together(self, rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Rows as one batch."""
        sizes = {tuple(row["images"].shape[1:]) for row in rows}
        if len(sizes) > 1:
            raise UserError(
                f"the images of {self.samples.name} differ in size and cannot share a batch: "
                "give the data a size: [height, width]"
            )
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


class Batches(BatchSampler):
    """The rows of every batch of one epoch, which follow from `seed` and `epoch` alone.

    All rows in a new order, the last incomplete batch left out where there is another. With `images`, each batch holds
    that many pictures of each of `batch / images` classes instead (drawn again where a class has fewer), and an epoch
    has as many batches as it would have otherwise.
    """

    def __init__(self, samples: Samples, batch: int, *, seed: int, images: int = 0) -> None:
        super().__init__(SequentialSampler(range(len(samples))), batch, drop_last=len(samples) > batch)
        self.rows, self.seed, self.images, self.epoch = len(samples), seed, images, 0
        self.classes = _classes(samples, batch, images) if images else []
        held = batch // images * images if images else min(batch, len(samples))
        if held < 2:
            raise UserError(
                f"a batch of {held} cannot be trained on, at least 2 images are needed: "
                f"the schedule asks for {batch}, and {samples.name} has {len(samples)}"
            )

    def __iter__(self) -> Iterator[list[int]]:
        generator = seeded(mixed(self.seed, "order", self.epoch))
        if self.images:
            yield from self._grouped(generator)
            return
        order = torch.randperm(self.rows, generator=generator).tolist()
        for turn in range(len(self)):
            yield order[turn * self.batch_size : (turn + 1) * self.batch_size]

    def __len__(self) -> int:
        return max(self.rows // self.batch_size, 1)

    def _grouped(self, generator: torch.Generator) -> Iterator[list[int]]:
        each = self.batch_size // self.images
        waiting: list[int] = []
        for _ in range(len(self)):
            if len(waiting) < each:  # nobody twice in one batch
                waiting = torch.randperm(len(self.classes), generator=generator).tolist()
            chosen, waiting = waiting[:each], waiting[each:]
            yield [int(row) for one in chosen for row in _some(self.classes[one], self.images, generator)]


def _classes(samples: Samples, batch: int, images: int) -> list[Tensor]:
    """The rows of every class."""
    if "label" not in samples.truth:
        raise UserError(f"{samples.name} has no labels, but batches of {images} images per class need them")
    labels = samples.truth["label"]
    rows = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    if not images <= batch <= images * len(rows):
        raise UserError(
            f"a batch of {batch} cannot hold {images} images per class of the {len(rows)} classes of {samples.name}: "
            f"choose one from {images} to {images * len(rows)}"
        )
    return rows


def _some(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many of the rows, each as seldom as possible."""
    orders = [torch.randperm(len(rows), generator=generator) for _ in range(-(-count // len(rows)))]
    return rows[torch.cat(orders)[:count]]


def augmented(images: Tensor, schedule: Schedule, generator: torch.Generator) -> Tensor:
    """Float images from uint8 ones, each flipped with probability one half and moved by up to `shift` pixels."""
    seen = images.float() / 255
    if schedule.flip:
        turned = torch.rand(len(seen), generator=generator).to(seen.device) < 0.5
        seen = torch.where(turned[:, None, None, None], seen.flip(-1), seen)
    return shifted(seen, schedule.shift, generator, border=schedule.border) if schedule.shift else seen


def shifted(images: Tensor, most: int, generator: torch.Generator, *, border: str = "edge") -> Tensor:
    """Every image padded by `most` pixels on each side and cut at a place of its own."""
    height, width = images.shape[-2:]
    padded = F.pad(images, (most,) * 4, mode="replicate" if border == "edge" else "constant")
    corners = torch.randint(2 * most + 1, (len(images), 2), generator=generator).tolist()
    pairs = zip(padded, corners, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in pairs])
