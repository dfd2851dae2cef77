"""The small networks beside the demo's: what they give, that they are small, learn, and have true slopes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.models.cifar_resnet import resnet20, resnet20_2d
from turncoat.models.small import Block, MapTrunk, small_2d, small_densenet, small_gem, small_pcb, small_reid
from turncoat.training.recipes.natural import supervised

BODIES = torch.rand(6, 3, 64, 32, generator=seeded(0))
MAKERS: list[Callable[[int], nn.Module]] = [small_2d, small_densenet, small_gem, small_pcb, resnet20_2d]


@pytest.fixture(autouse=True)
def _seeded() -> object:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    ("make", "embedding", "trained"),
    [
        (small_2d, (6, 2), (6, 9)),
        (small_densenet, (6, 64), (6, 9)),
        (small_gem, (6, 80), (6, 9)),
        (small_pcb, (6, 6, 80), (6, 6, 9)),
        (resnet20_2d, (6, 2), (6, 9)),
    ],
)
def test_each_gives_an_embedding_and_scores(
    make: Callable[[int], nn.Module], embedding: tuple[int, ...], trained: tuple[int, ...]
) -> None:
    network = make(9)
    assert network.train()(BODIES)["logits"].shape == trained
    given = network.eval()(BODIES)
    assert given["embedding"].shape == embedding
    assert given["logits"].shape == (6, 9)


@pytest.mark.parametrize("make", MAKERS)
def test_each_is_small(make: Callable[[int], nn.Module]) -> None:
    assert sum(value.numel() for value in make(200).parameters()) < 300_000


def test_the_dense_network_is_about_as_large_as_the_residual_one() -> None:
    dense, residual = (sum(value.numel() for value in make(200).parameters()) for make in (small_densenet, small_reid))
    assert 0.8 < dense / residual < 1.25


@pytest.mark.parametrize("make", MAKERS)
def test_every_parameter_learns_and_a_step_lowers_the_loss(make: Callable[[int], nn.Module]) -> None:
    network, labels = make(3).train(), {"label": torch.tensor([0, 1, 2, 0, 1, 2])}
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = supervised(network(BODIES)["logits"], labels)
        optimiser.zero_grad()
        loss.backward()
        assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert all(value.grad.any() for value in network.parameters() if value.ndim > 1)
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("kind", ["embedding", "logits"])
def test_slopes_agree_with_finite_differences(make: Callable[[int], nn.Module], kind: str) -> None:
    """The slope along 40 random directions against central differences, in double precision."""
    network = make(5).double()
    with torch.no_grad():
        for _ in range(3):  # running averages near the data's, so that no unit is dead
            network.train()(BODIES.double())
    victim = Victim(network)
    images = BODIES[:1].double()
    weights = torch.randn(victim(images).given[kind].shape, generator=seeded(1), dtype=torch.float64)

    def value(seen: Tensor) -> Tensor:
        return (victim(seen).given[kind] * weights).sum()

    leaf = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(value(leaf), leaf)
    ways = torch.randn(40, *images.shape, generator=seeded(2), dtype=torch.float64)
    step = 1e-6
    found = torch.stack([(value(images + step * way) - value(images - step * way)) / (2 * step) for way in ways])
    told = (ways * slope).flatten(1).sum(1)
    assert F.cosine_similarity(found, told, dim=0) > 0.99


def test_a_point_of_the_plane_turned_round_has_the_opposite_scores() -> None:
    for network in (small_2d(7), resnet20_2d(7)):
        point = torch.randn(4, 2)
        torch.testing.assert_close(network.classifier(-point), -network.classifier(point))
        given = network.eval()(BODIES)
        torch.testing.assert_close(given["logits"], given["embedding"] @ network.classifier.weight.T)


def test_the_plane_of_resnet20_starts_from_its_64_averages() -> None:
    flat, full = resnet20_2d(), resnet20()
    full.load_state_dict(flat.backbone.state_dict(), strict=False)
    taps = {"embedding": "linear:in"}
    features = Victim(full, reads="logits", taps=taps)(BODIES).embedding
    torch.testing.assert_close(flat.eval()(BODIES)["embedding"], flat.plane(features))


def test_a_last_stride_of_one_gives_maps_twice_as_fine() -> None:
    images = torch.rand(1, 3, 128, 64)
    assert MapTrunk()(images).shape == (1, 80, 8, 4)
    assert MapTrunk(last_stride=1)(images).shape == (1, 80, 16, 8)
    assert Block(4, 6)(torch.rand(1, 4, 8, 8)).shape == (1, 6, 4, 4)


def test_generalised_means_take_any_size() -> None:
    network = small_gem().eval()
    assert {network(torch.rand(1, 3, side, 2 * side))["embedding"].shape for side in (16, 40, 97)} == {(1, 80)}
