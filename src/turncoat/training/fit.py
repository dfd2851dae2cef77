"""The one training loop."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Passes
from turncoat.tasks.samples import Samples
from turncoat.training.batches import Batches, Rows, augmented, mixed
from turncoat.training.optimiser import make_optimiser, set_rate
from turncoat.training.passes import metered
from turncoat.training.recipe import Loss, Recipe, Turn
from turncoat.training.schedule import Schedule

PAIRED = 4  # images of each class in a batch of a recipe that compares them


@dataclass(frozen=True)
class Progress:
    """What the loop reports after every epoch: mean losses over it, the passes so far, and what share is done.

    With a budget of passes nobody knows the number of epochs beforehand, and `epochs` is None.
    """

    epoch: int
    epochs: int | None
    loss: float
    parts: Mapping[str, float]
    passes: Passes
    share: float
    seconds: float

    @property
    def left(self) -> float:
        """Seconds still to go, if it goes on like this."""
        return self.seconds * (1 - self.share) / self.share if self.share else float("inf")


@dataclass
class Training:
    """A training under way: with the weights and the optimiser's memory, all that the next step depends on."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    recipe: Recipe
    schedule: Schedule
    seed: int
    turns: int
    passes: Passes
    epoch: int = 0
    step: int = 0
    last: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """How much of the training is done, from 0 to 1."""
        if self.schedule.budget is None:
            return self.step / (self.schedule.epochs * self.turns)
        return min(1.0, (self.passes.forwards + self.passes.backwards) / self.schedule.budget)

    def advance(self, batch: Mapping[str, Tensor], place: int, backward: Callable[[Tensor], None]) -> Loss:
        """One step of the optimiser; its randomness follows from the seed and the step alone."""
        share, generator = self.share, seeded(mixed(self.seed, "step", self.step))
        torch.manual_seed(mixed(self.seed, "dropout", self.step))
        rate = set_rate(self.optimiser, self.schedule.lr * self.schedule.pace(share))
        seen = {**batch, "images": augmented(batch["images"], self.schedule, generator)}
        loss = self.recipe(self.network, seen, Turn(self.step, place, generator, self.last))
        if not bool(loss.total.isfinite()):
            raise UserError(f"the loss is {loss.total.item()} at step {self.step}, learning rate {rate:.2g}")
        self.optimiser.zero_grad()
        backward(loss.total * self.schedule.warmth(share))
        self.optimiser.step()
        self.last = {name: float(value.detach()) for name, value in loss.parts.items()}
        self.step += 1
        return loss


def fit(
    network: nn.Module,
    recipe: Recipe,
    samples: Samples,
    schedule: Schedule,
    *,
    seed: int,
    report: Callable[[Progress], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> nn.Module:
    """Train `network` (images in [0, 1] to outputs by kind) by `recipe`.

    The same seed and machine give the same weights on a CPU. `report` is called after every epoch, `tick` after every
    step. Raises UserError when the loss is no longer a number.
    """
    from accelerate import Accelerator

    if not len(samples):
        raise UserError(f"{samples.name} has no samples to train on")
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    usual = PAIRED if getattr(recipe, "pairs", False) else 0
    images = usual if schedule.images is None else schedule.images
    batches, rows = Batches(samples, schedule.batch, seed=seed, images=images), Rows(samples)
    loader: DataLoader[dict[str, Tensor]] = DataLoader(rows, batch_sampler=batches, collate_fn=rows.together)
    # channels last: a tenth faster on a CPU, and what the attacks would turn it to anyway
    bare: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    prepared, optimiser, loader = accelerator.prepare(bare, make_optimiser(bare, schedule), loader)
    began = time.monotonic()
    with torch.random.fork_rng(), metered(bare) as passes:  # dropout draws from the global state: it is put back
        training = Training(prepared, optimiser, recipe, schedule, seed, len(loader), passes)
        while training.share < 1:
            batches.epoch = training.epoch
            loss, parts = _epoch(training, loader, accelerator.backward, tick)
            known = schedule.epochs if schedule.budget is None else None
            seconds = time.monotonic() - began
            spent = Passes(passes.forwards, passes.backwards)
            report(Progress(training.epoch, known, loss, parts, spent, training.share, seconds))
    return bare.eval()


def _epoch(
    training: Training,
    loader: DataLoader[dict[str, Tensor]],
    backward: Callable[[Tensor], None],
    tick: Callable[[], None],
) -> tuple[float, dict[str, float]]:
    """One epoch, or what is left of the budget; the mean loss, and the means of its parts where they occurred."""
    training.network.train()
    totals: list[float] = []
    parts: dict[str, list[float]] = defaultdict(list)
    for place, batch in enumerate(loader):
        loss = training.advance(batch, place, backward)
        totals.append(float(loss.total.detach()))
        for name, value in training.last.items():
            parts[name].append(value)
        tick()
        if training.share >= 1:
            break
    training.epoch += 1
    return sum(totals) / len(totals), {name: sum(values) / len(values) for name, values in parts.items()}
