"""Crafting inside a training: what it costs is counted, and the network is left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from turncoat.attacks.presets.features import uturn
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.training.craft import as_victim, craft
from turncoat.training.passes import metered
from turncoat.training.recipe import Turn
from turncoat.training.trainee import Trainee


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = seeded(0)
        self.conv = nn.Conv2d(3, 5, 3)
        self.norm = nn.BatchNorm2d(5)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(5, 3)
        for values in (*self.conv.parameters(), *self.head.parameters()):
            values.data = torch.randn(values.shape, generator=generator) * 0.4
        self.conv.bias.requires_grad_(False)  # type: ignore[union-attr]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.drop(self.norm(self.conv(images)).tanh().mean((2, 3)))
        return {"embedding": embedding, "logits": self.head(embedding)}


def _images(n: int = 6) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=seeded(1))


def test_crafting_leaves_the_network_as_it_was() -> None:
    network = Net().train()
    network.norm.eval()
    network(_images())["logits"].sum().backward()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    slopes = {name: None if v.grad is None else v.grad.clone() for name, v in network.named_parameters()}
    modes = [module.training for module in network.modules()]
    asked = [values.requires_grad for values in network.parameters()]
    made = craft(network, _images(), uturn(8 / 255), Turn())
    assert (made - _images()).abs().max() > 4 / 255
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    for name, values in network.named_parameters():
        kept = slopes[name]
        assert (values.grad is None) == (kept is None)
        assert kept is None or torch.equal(values.grad, kept)  # type: ignore[arg-type]
    assert [module.training for module in network.modules()] == modes
    assert True in modes
    assert False in modes
    assert [values.requires_grad for values in network.parameters()] == asked
    assert not asked[1]


def test_it_is_as_it_was_after_an_error_too() -> None:
    network = Net().train()
    with pytest.raises(UserError, match="maps is needed"), as_victim(network) as victim:
        _ = victim(_images()).maps
    assert network.training
    assert network.head.weight.requires_grad


def test_the_images_are_those_of_the_attack_on_a_frozen_copy() -> None:
    attack, truth = uturn(8 / 255), None
    made = craft(Net().train(), _images(), attack, Turn(generator=seeded(3)))
    wanted = attack(Victim(Net()), _images(), truth, generator=seeded(3), bits=None).images
    assert torch.equal(made, wanted)


def test_passes_are_those_that_the_victim_counts_and_one_more_each_for_the_weights() -> None:
    network, attack, victim = Net().train(), uturn(4 / 255), Victim(Net())
    attack(victim, _images(), generator=seeded(0), bits=None)
    forwards, backwards = victim.passes.forwards, victim.passes.backwards
    assert (forwards, backwards) == (6 * 7, 6 * 5)
    with metered(network) as passes:
        images = craft(network, _images(), attack, Turn())
        assert (passes.forwards, passes.backwards) == (forwards, backwards)
        network(images)["logits"].square().sum().backward()
        assert (passes.forwards, passes.backwards) == (forwards + 6, backwards + 6)
        with torch.no_grad():
            network(images)
        assert (passes.forwards, passes.backwards) == (forwards + 12, backwards + 6)
    network(images)
    assert passes.forwards == forwards + 12
    assert not network._forward_hooks


def test_both_outputs_in_one_loss_are_one_backward_pass() -> None:
    network = Net().train()
    with metered(network) as passes:
        outputs = network(_images(4))
        (outputs["logits"].sum() + outputs["embedding"].square().sum()).backward()
    assert (passes.forwards, passes.backwards) == (4, 4)


def test_a_trainee_sees_what_a_victim_sees_and_still_learns() -> None:
    settings = {"size": (6, 6), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.3), "taps": {"maps": "conv"}}
    network = Net().eval()
    network.conv.train()
    trainee = Trainee(network, **settings)  # type: ignore[arg-type]
    assert network.conv.training
    assert not network.norm.training
    assert network.head.weight.requires_grad
    outputs = trainee(_images())
    wanted = Victim(Net(), **settings)(_images())  # type: ignore[arg-type]
    assert outputs.keys() == {"embedding", "logits", "maps"}
    torch.testing.assert_close(outputs["logits"], wanted.logits)
    outputs["logits"].sum().backward()
    assert network.conv.weight.grad is not None
    assert trainee.train().network.norm.training
