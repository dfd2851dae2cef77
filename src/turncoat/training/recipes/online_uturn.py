"""Online adversarial training with U-turn samples."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.features import uturn
from turncoat.core.errors import UserError
from turncoat.training.craft import craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.natural import supervised


@dataclass(frozen=True)
class OnlineUturn:
    """Clean batches, and at every 40th of an epoch, from its first on, a tenth of the loss of its U-turned images.

    The released schedule of Zheng et al. (IJCV 2023; their run adv0.1_40_w10, whose warm-up of 10 epochs is
    `schedule.warmup`). The images are turned on the network as it stands, in eval mode, with 20 steps at 16/255; they
    then go through it in train mode as a batch of their own. We start from U-turn's jitter instead of the clean image.
    `steps` is U-turn's rule where left out.
    """

    every: int = 40
    weight: float = 0.1
    eps: float = 16 / 255
    steps: int | None = None
    smoothing: float = 0.0

    @property
    def attack(self) -> GradientAttack:
        return uturn(self.eps, steps=self.steps)

    def __post_init__(self) -> None:
        if self.attack.steps < 1:
            raise UserError(f"U-turn with {self.attack.steps} steps moves nothing: give at least 1")
        if self.every < 1 or self.weight < 0:
            raise UserError(f"every must be 1 or more and weight not below 0, not {self.every} and {self.weight}")

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        acts = turn.place % self.every == 0
        turned = craft(network, batch["images"], self.attack, turn) if acts else None
        clean = supervised(look(network, batch["images"]).logits, batch, self.smoothing)
        if turned is None:
            return Loss(clean, {"clean": clean.detach()})
        adversarial = supervised(look(network, turned).logits, batch, self.smoothing)
        parts = {"clean": clean.detach(), "adversarial": adversarial.detach()}
        return Loss(clean + self.weight * adversarial, parts)


def strong(
    *, every: int = 1, weight: float = 1.0, eps: float = 8 / 255, steps: int | None = None, smoothing: float = 0.0
) -> OnlineUturn:
    """Online U-turn that means it: at every step and with full weight, at 8/255 unless told otherwise. Ours."""
    return OnlineUturn(every=every, weight=weight, eps=eps, steps=steps, smoothing=smoothing)
