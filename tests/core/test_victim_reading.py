"""The same victim read at another layer: what it says there, in which looks, and on whose counter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from turncoat.attacks.presets.features import uturn
from turncoat.core.errors import UserError
from turncoat.core.reader import Fusion, Look
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim

IMAGES = torch.rand(4, 3, 8, 8, generator=seeded(0), dtype=torch.float64)


class Net(nn.Module):
    """Maps `[N, 5, 6, 6]`, their average and, from it, an embedding `[N, 4]`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, dtype=torch.float64)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(5, 4, dtype=torch.float64)
        for values in self.parameters():
            values.data = torch.randn(values.shape, generator=seeded(1), dtype=torch.float64)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.fc(self.pool(self.conv(images)).flatten(1))
        return {"embedding": embedding, "logits": embedding.square()}


class Both(Fusion):
    """The sum of the image and its mirror image, turned by one place as a whitening might."""

    views = 2

    def __init__(self, *, turned: bool = True) -> None:
        super().__init__()
        self.turned = turned

    def forward(self, look: Look, images: Tensor) -> dict[str, Tensor]:
        first, second = look(images), look(images.flip(-1))
        joint = first["embedding"] + second["embedding"]
        return {**first, "embedding": joint.roll(1, -1) if self.turned else joint}

    def elsewhere(self) -> Fusion:
        return Both(turned=False)


class Dim(nn.Module):
    name = "dim"

    def forward(self, seen: Tensor) -> Tensor:
        return seen * 0.5


def test_maps_are_averaged_over_their_positions() -> None:
    network = Net()
    victim = Victim(network, mean=[0.5] * 3, std=[0.25] * 3)
    seen = network.conv((IMAGES - 0.5) / 0.25)
    for layer in ("conv", "conv:mean", "pool:in", "pool"):
        torch.testing.assert_close(victim.reading(layer)(IMAGES).embedding, seen.mean((2, 3)))
    torch.testing.assert_close(victim.reading("fc")(IMAGES).embedding, victim(IMAGES).embedding)
    torch.testing.assert_close(victim.reading("conv")(IMAGES).logits, victim(IMAGES).logits)
    assert Victim(network, taps={"embedding": "conv"})(IMAGES).embedding.shape == (4, 5 * 36)
    assert Victim(network, taps={"embedding": "conv:mean"})(IMAGES).embedding.shape == (4, 5)


def test_passes_are_counted_where_the_victim_counts() -> None:
    victim = Victim(Net(), fusion=Both())
    other = victim.reading("conv")
    leaf = IMAGES.clone().requires_grad_()
    torch.autograd.grad(other(leaf).embedding.sum(), leaf)
    assert other.passes is victim.passes
    assert (victim.passes.forwards, victim.passes.backwards) == (8, 8)
    victim.reading("conv", fused=False)(IMAGES)
    assert victim.passes.forwards == 12


def test_looks_stay_fused_unless_they_are_not_wanted() -> None:
    network = Net()
    victim = Victim(network, fusion=Both())
    plain, mirrored = Victim(network)(IMAGES).embedding, Victim(network)(IMAGES.flip(-1)).embedding
    torch.testing.assert_close(victim(IMAGES).embedding, (plain + mirrored).roll(1, -1))
    torch.testing.assert_close(victim.reading()(IMAGES).embedding, plain + mirrored)
    torch.testing.assert_close(victim.reading(fused=False)(IMAGES).embedding, plain)
    inner = [network.conv(seen).mean((2, 3)) for seen in (IMAGES, IMAGES.flip(-1))]
    torch.testing.assert_close(victim.reading("conv")(IMAGES).embedding, inner[0] + inner[1])
    torch.testing.assert_close(victim.reading("conv", fused=False)(IMAGES).embedding, inner[0])


def test_a_purifier_stays_in_front_and_a_fusion_behind_a_new_one() -> None:
    victim = Victim(Net(), fusion=Both())
    behind = victim.behind(Dim())
    torch.testing.assert_close(behind(IMAGES).embedding, victim(IMAGES * 0.5).embedding)
    torch.testing.assert_close(behind.reading("conv")(IMAGES).embedding, victim.reading("conv")(IMAGES * 0.5).embedding)
    assert behind.reading("conv").passes is behind.passes


def test_an_attack_on_a_layer_turns_that_layer_round() -> None:
    """The cosine at the layer falls further than by an attack on the embedding, and the passes are on the bill."""
    victim = Victim(Net())
    before = victim.reading("conv")(IMAGES).descriptor
    reached = {}
    for name, attacked in (("layer", victim.reading("conv")), ("embedding", victim)):
        start = victim.passes.forwards
        result = uturn(eps=16 / 255)(attacked, IMAGES, generator=seeded(3))
        assert victim.passes.forwards - start == int(result.forwards.sum())
        reached[name] = (victim.reading("conv")(result.images).descriptor * before).sum(1).mean()
    assert reached["layer"] < reached["embedding"] - 1e-4


def test_a_reading_has_a_digest_of_its_own_and_leaves_the_victim_as_it_was() -> None:
    victim = Victim(Net())
    before = victim.digest()
    assert victim.reading("conv").digest() != before
    assert victim.reading().digest() == before == victim.digest()
    assert victim.taps == {}


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(UserError, match="no layer 'neck:mean' to tap; it has conv, pool, fc"):
        Victim(Net()).reading("neck")
