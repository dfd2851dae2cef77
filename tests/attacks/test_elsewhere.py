"""Attacks on another layer than the ranked one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from turncoat.attacks.elsewhere import OnLayer
from turncoat.attacks.presets.features import sma, uturn
from turncoat.core.ensemble import Ensemble
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified

GREY = 1 / 255
Pictures = Callable[..., Tensor]


def two_layers(seed: int = 0) -> Victim:
    """A pooled layer of 6 and a bottleneck of 4 channels, read as embedding; logits are the bottleneck."""
    generator = seeded(seed)
    network = torch.nn.Sequential()
    network.add_module("conv", torch.nn.Conv2d(3, 6, 3))
    network.add_module("bend", torch.nn.Tanh())
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", torch.nn.Flatten())
    network.add_module("neck", torch.nn.Linear(6, 4))
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return Victim(network.double(), reads="logits", taps={"embedding": "neck"}, name="two layers")


def test_the_layer_named_is_the_one_attacked(pictures: Pictures) -> None:
    victim, images = two_layers(), pictures()
    before = victim.passes.forwards
    result = OnLayer(uturn(8 * GREY), "bend")(victim, images, generator=seeded(0))
    assert int(result.forwards.sum()) == victim.passes.forwards - before
    pooled = Victim(victim.network, taps={"embedding": "flat"}, name="pooled")
    expected = uturn(8 * GREY)(pooled, images, generator=seeded(0))
    assert torch.equal(result.images, expected.images)
    torch.testing.assert_close(result.objective, expected.objective)
    ranked = uturn(8 * GREY)(victim, images, generator=seeded(0))
    assert not torch.equal(result.images, ranked.images)
    assert torch.equal(OnLayer(uturn(8 * GREY), "neck")(victim, images, generator=seeded(0)).images, ranked.images)


def test_the_verdict_is_that_of_the_victims_own_outputs(pictures: Pictures) -> None:
    victim, images = two_layers(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack = OnLayer(sma(16 * GREY), "flat")
    before = victim.passes.forwards
    result = attack(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert torch.equal(result.success, victim.predict(result.images).logits.argmax(1) != labels)
    assert int(result.forwards.sum()) == victim.passes.forwards - before - len(images)
    assert (int(result.forwards[0]), int(result.backwards[0])) == attack.passes
    assert (result.steps_used == 20).all()


def test_members_of_an_ensemble_are_read_at_that_layer(pictures: Pictures) -> None:
    images, members = pictures(), [two_layers(0), two_layers(1)]
    joint = Ensemble(members)
    seen = joint.reading("flat")(images).embedding
    layers = [victim.reading("flat")(images).descriptor for victim in members]
    torch.testing.assert_close(seen, torch.cat(layers, 1) / 2**0.5)
    assert joint.passes.forwards == 2 * len(images)
