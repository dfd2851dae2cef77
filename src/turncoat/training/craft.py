"""Adversarial images made on the network that is being trained, which is left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from turncoat.attacks.attack import Attack
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.training.recipe import Turn


@contextmanager
def as_it_was(network: nn.Module) -> Iterator[None]:
    """Put every module's mode, and which weights ask for gradients, back when the block ends.

    A twentieth of what a copy of the network would cost, and no memory.
    """
    modes = [(module, module.training) for module in network.modules()]
    asked = [(values, values.requires_grad) for values in network.parameters()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for values, requires in asked:
            values.requires_grad_(requires)


@contextmanager
def as_victim(network: nn.Module) -> Iterator[Victim]:
    """The network of this moment as a victim, in eval mode, until the block ends; running statistics do not move."""
    with as_it_was(network):
        yield Victim(network, name="the network in training")


def craft(network: nn.Module, images: Tensor, attack: Attack, turn: Turn, truth: Columns | None = None) -> Tensor:
    """The images `[N, 3, H, W]` under attack, all in one batch; not rounded to grey levels, since nobody saves them."""
    with as_victim(network) as victim:
        result = attack(victim, images, truth, generator=turn.generator, active_set=False, bits=None)
    return result.images
