"""Schedules: the factors at the points one can know, the groups of parameters, and wrong settings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.training.optimiser import make_optimiser, set_rate
from turncoat.training.schedule import Schedule


class Headed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)


def test_the_released_steps() -> None:
    """60 epochs, a tenth from epoch 40 on."""
    schedule = Schedule(epochs=60, rate="step", milestones=(40,))
    assert [schedule.pace(epoch / 60) for epoch in (0, 39, 39.99, 40, 59)] == pytest.approx([1, 1, 1, 0.1, 0.1])
    cifar = Schedule(epochs=300, rate="step", milestones=(150, 225))
    assert [cifar.pace(epoch / 300) for epoch in (149, 150, 225, 299)] == pytest.approx([1, 0.1, 0.01, 0.01])


def test_one_cycle_rises_for_a_fifth_and_ends_at_nothing() -> None:
    pace = Schedule().pace
    assert [pace(share) for share in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0.05, 0.525, 1, 0.5, 0], abs=1e-9)


def test_the_released_warm_up_rises_from_a_tenth_in_ten_epochs() -> None:
    schedule = Schedule(epochs=60, warmup=10)
    shares = [epoch / 60 for epoch in (0, 5, 10, 11, 60)]
    assert [schedule.warmth(share) for share in shares] == pytest.approx([0.1, 0.55, 1, 1, 1])
    assert Schedule().warmth(0) == 1


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_backbone_moves_at_its_own_rate(optimiser: str) -> None:
    network = Headed()
    made = make_optimiser(network, Schedule(optimiser=optimiser, backbone=0.1, decay=0.3))  # type: ignore[arg-type]
    assert set_rate(made, 0.05) == 0.05
    rates = {id(values): group["lr"] for group in made.param_groups for values in group["params"]}
    assert all(rates[id(values)] == pytest.approx(0.005) for values in network.backbone.parameters())
    assert all(rates[id(values)] == 0.05 for values in network.head.parameters())
    assert len(rates) == 4
    assert {group["weight_decay"] for group in made.param_groups} == {0.3}


def test_sgd_is_nesterov_s() -> None:
    """Two steps along a constant gradient g: lr (1 + m) g, then lr (1 + m + m^2) g."""
    network = nn.Linear(1, 1, bias=False)
    start = network.weight.item()
    schedule = Schedule(optimiser="sgd", lr=0.1, momentum=0.9, decay=0)
    made = make_optimiser(network, schedule)
    for _ in range(2):
        made.zero_grad()
        network(torch.ones(1, 1)).sum().backward()
        made.step()
    assert start - network.weight.item() == pytest.approx(0.1 * (1.9 + 1 + 0.9 * 1.9), rel=1e-5)


def test_weights_that_ask_for_no_gradient_stay_out() -> None:
    network = Headed()
    network.backbone.requires_grad_(False)
    made = make_optimiser(network, Schedule())
    assert sum(len(group["params"]) for group in made.param_groups) == 2
    with pytest.raises(UserError, match="Headed has no weights that could be trained"):
        make_optimiser(network.requires_grad_(False), Schedule())


def test_a_backbone_that_is_not_there_is_told() -> None:
    with pytest.raises(UserError, match=r"backbone: 0\.1 needs a network with a part called backbone; Linear has none"):
        make_optimiser(nn.Linear(1, 1), Schedule(backbone=0.1))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"budget": 0}, "budget is 0 passes"),
        ({"lr": -0.1}, "lr is -0.1"),
        ({"decay": float("nan")}, "decay is nan"),
        ({"shift": -2}, "shift is -2"),
        ({"images": -2}, "images is -2"),
        ({"milestones": (3,)}, "milestones belong to rate: step"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Schedule(**wrong)  # type: ignore[arg-type]
