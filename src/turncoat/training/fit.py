"""The one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.tasks.samples import Samples
from turncoat.training.recipe import Recipe


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: AdamW under one cycle of the rate; images flipped, and shifted by up to `shift` pixels."""

    epochs: int = 10
    batch: int = 64
    lr: float = 4e-3
    decay: float = 1e-2
    flip: bool = True
    shift: int = 4


@dataclass(frozen=True)
class Progress:
    """What the loop reports after every epoch."""

    epoch: int
    epochs: int
    loss: float


def fit(
    network: nn.Module,
    recipe: Recipe,
    samples: Samples,
    schedule: Schedule,
    *,
    seed: int,
    report: Callable[[Progress], None] = lambda _: None,
) -> nn.Module:
    """Train `network` (images in [0, 1] to outputs by kind) by `recipe`.

    The same seed and machine give the same weights. Raises UserError when the loss is no longer a number.
    """
    from accelerate import Accelerator

    if not len(samples):
        raise UserError(f"{samples.name} has no samples to train on")
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    generator = seeded(seed)
    loader: DataLoader[dict[str, Tensor]] = DataLoader(
        _Rows(samples),
        batch_size=schedule.batch,
        shuffle=True,
        drop_last=len(samples) > schedule.batch,
        generator=generator,
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.lr, weight_decay=schedule.decay)
    turns = schedule.epochs * len(loader)
    cycle = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda turn: _one_cycle(turn / max(turns, 1)))
    network, optimiser, loader = accelerator.prepare(network, optimiser, loader)
    with torch.random.fork_rng():  # dropout draws from the global state: it is put back afterwards
        torch.manual_seed(seed)
        step = 0
        for epoch in range(schedule.epochs):
            network.train()
            total = 0.0
            for batch in _augmented(loader, schedule, generator):
                loss = recipe(network, batch, step)
                if not bool(loss.total.isfinite()):
                    raise UserError(
                        f"the loss is {loss.total.item()} at step {step}, learning rate {cycle.get_last_lr()[0]:.2g}"
                    )
                optimiser.zero_grad()
                accelerator.backward(loss.total)
                optimiser.step()
                cycle.step()
                total += float(loss.total.detach())
                step += 1
            report(Progress(epoch + 1, schedule.epochs, total / len(loader)))
    trained: nn.Module = accelerator.unwrap_model(network)
    return trained.eval()


class _Rows(Dataset[dict[str, Tensor]]):
    """Samples as rows of uint8 image and truth."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        truth = {name: values[row] for name, values in self.samples.truth.items()}
        return {"images": self.samples.read(row), **truth}


def _augmented(
    loader: DataLoader[dict[str, Tensor]], schedule: Schedule, generator: torch.Generator
) -> Iterator[dict[str, Tensor]]:
    """Batches with float images, each flipped with probability one half and moved by up to `shift` pixels."""
    for batch in loader:
        images = batch["images"].float() / 255
        if schedule.flip:
            turned = torch.rand(len(images), generator=generator).to(images.device) < 0.5
            images = torch.where(turned[:, None, None, None], images.flip(-1), images)
        if schedule.shift:
            images = _shifted(images, schedule.shift, generator)
        yield {**batch, "images": images}


def _shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    height, width = images.shape[-2:]
    padded = F.pad(images, (most,) * 4, mode="replicate")
    corners = torch.randint(2 * most + 1, (len(images), 2), generator=generator).tolist()
    pairs = zip(padded, corners, strict=True)
    return torch.stack([image[:, top : top + height, left : left + width] for image, (top, left) in pairs])


def _one_cycle(share: float) -> float:
    """The learning rate's factor: up in the first fifth, then down by half a cosine (Smith and Topin 2019)."""
    rise = 0.2
    return 0.05 + 0.95 * share / rise if share < rise else 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise)))
