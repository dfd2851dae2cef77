"""What moves the weights."""

from __future__ import annotations

import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.training.schedule import Schedule


def make_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov's momentum; parameters under `backbone` move at a rate of their own."""
    trained = {name: values for name, values in network.named_parameters() if values.requires_grad}
    if not trained:
        raise UserError(f"{type(network).__name__} has no weights that could be trained")
    behind = [values for name, values in trained.items() if "backbone" in name.split(".")[:-1]]
    front = [values for name, values in trained.items() if "backbone" not in name.split(".")[:-1]]
    if schedule.backbone != 1 and not behind:
        raise UserError(
            f"backbone: {schedule.backbone:g} needs a network with a part called backbone; "
            f"{type(network).__name__} has none, leave it out"
        )
    groups = [{"params": front, "factor": 1.0}, {"params": behind, "factor": schedule.backbone}]
    groups = [group for group in groups if group["params"]]
    if schedule.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=schedule.lr, weight_decay=schedule.decay)
    nesterov = schedule.momentum > 0
    return torch.optim.SGD(
        groups, lr=schedule.lr, momentum=schedule.momentum, weight_decay=schedule.decay, nesterov=nesterov
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> float:
    """Give every group its part of the rate; the rate itself is handed back."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    return rate
