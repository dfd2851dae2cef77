"""The demo's networks: small enough to ship, and each says what its task needs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from turncoat.models.small import CosineHead, small_attributes, small_classifier, small_face, small_reid

BODIES = torch.rand(4, 3, 128, 64, generator=torch.Generator().manual_seed(0))
FACES = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_all_four_ship_in_under_three_megabytes() -> None:
    networks = [small_classifier(10), small_attributes(30), small_reid(120), small_face(120)]
    sizes = [sum(value.numel() for value in network.state_dict().values()) for network in networks]
    assert max(sizes) < 180_000
    assert sum(sizes) * 4 < 3_000_000


@pytest.mark.parametrize(
    ("network", "images", "training", "shapes"),
    [
        (small_classifier(7), BODIES, False, {"logits": (4, 7), "embedding": (4, 80)}),
        (small_attributes(9), BODIES, False, {"logits": (4, 9), "embedding": (4, 320)}),
        (small_reid(11), BODIES, False, {"logits": (4, 11), "embedding": (4, 64)}),
        (small_face(5), FACES, True, {"logits": (4, 5), "embedding": (4, 64)}),
        (small_face(5), FACES, False, {"embedding": (4, 64)}),
    ],
)
def test_each_task_gets_its_outputs(
    network: nn.Module, images: Tensor, training: bool, shapes: dict[str, tuple[int, int]]
) -> None:
    outputs = network.train(training)(images)
    assert {name: tuple(value.shape) for name, value in outputs.items()} == shapes


@pytest.mark.parametrize("network", [small_classifier(3), small_attributes(3), small_reid(3), small_face(3)])
def test_every_parameter_learns(network: nn.Module) -> None:
    outputs = network.train()(FACES)
    # A plain sum over a normalised batch has no gradient, so each value is weighed differently.
    loss = sum((value * torch.linspace(-1, 1, value.numel()).view_as(value)).sum() for value in outputs.values())
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_stripes_keep_above_and_below_apart_and_the_average_does_not() -> None:
    """Moving what is seen from the top to the bottom changes the striped feature far more than the plain average."""
    top = torch.zeros(1, 3, 128, 64)
    top[:, :, 16:48] = torch.rand(3, 32, 64, generator=torch.Generator().manual_seed(2))
    bottom = top.roll(64, 2)

    def moved(network: nn.Module) -> float:
        first, second = (network.eval()(images)["embedding"] for images in (top, bottom))
        return ((first - second).norm() / first.norm()).item()

    assert moved(small_attributes(3)) > 5 * moved(small_classifier(3))


def test_embeddings_of_people_and_faces_have_both_signs() -> None:
    for network, images in ((small_reid(5), BODIES), (small_face(5), FACES)):
        embedding = network.train()(images)["embedding"]
        assert 0.3 < (embedding < 0).float().mean() < 0.7


def test_cosine_logits_ignore_lengths_and_peak_at_the_scale() -> None:
    head = CosineHead(8, 5, scale=10)
    torch.testing.assert_close(head(3 * head.weight), head(head.weight))
    torch.testing.assert_close(head(head.weight).diagonal(), torch.full((5,), 10.0))
    assert head(torch.randn(50, 8)).abs().max() <= 10 + 1e-5
