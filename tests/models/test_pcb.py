"""PCB: stripes, their heads, and how parts are ranked and scored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.models.fused import FusedViews
from turncoat.models.pcb import PcbNet
from turncoat.objectives.features import OppositeDirection

IMAGES = torch.randn(4, 8, 12, 5, generator=seeded(0))


@pytest.fixture
def network() -> PcbNet:
    """PCB on images that are maps of 8 channels already, its scores far from even."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = PcbNet(nn.Identity(), 8, 7, parts=6, bottleneck=16)
        for head in made.heads:
            nn.init.normal_(head.classifier.weight)
    return made


def test_parts_are_stripes_from_top_to_bottom(network: PcbNet) -> None:
    embedding = network.eval()(IMAGES)["embedding"]
    assert embedding.shape == (4, 6, 8)
    for part in range(6):
        torch.testing.assert_close(embedding[:, part], IMAGES[:, :, 2 * part : 2 * part + 2].mean((2, 3)))


def test_scores_are_the_mean_of_the_parts_probabilities(network: PcbNet) -> None:
    given = network.eval()(IMAGES)
    parts = [head(given["embedding"][:, part]) for part, head in enumerate(network.heads)]
    total = sum(part.softmax(1) for part in parts)
    torch.testing.assert_close(given["logits"].softmax(1), total / 6)
    assert torch.equal(given["logits"].argsort(1), total.argsort(1))
    assert given["logits"].shape == (4, 7)


def test_every_part_is_scored_while_training_and_its_loss_is_its_own(network: PcbNet) -> None:
    scores = network.train()(IMAGES)["logits"]
    assert scores.shape == (4, 6, 7)
    F.cross_entropy(scores[:, 2], torch.arange(4)).backward()
    moved = [
        bool(head.bottleneck.weight.grad is not None and head.bottleneck.weight.grad.any()) for head in network.heads
    ]
    assert moved == [False, False, True, False, False, False]


def test_ranking_takes_the_mean_of_the_parts_cosines(network: PcbNet) -> None:
    given = Victim(network, fusion=FusedViews(mirror=True))(IMAGES)
    columns = network(IMAGES)["embedding"] + network(IMAGES.flip(-1))["embedding"]
    mean = torch.stack([F.cosine_similarity(columns[0, part], columns[1, part], dim=0) for part in range(6)]).mean()
    torch.testing.assert_close(given.descriptor[0] @ given.descriptor[1], mean)


def test_turning_round_is_the_mean_over_parts_of_the_squared_distance_to_the_opposite(network: PcbNet) -> None:
    victim, objective = Victim(network), OppositeDirection()
    clean, seen = victim(IMAGES), victim(IMAGES.roll(1, 2) + 0.1)
    value = objective(seen, objective.observe(clean, {}))
    apart = [F.normalize(seen.embedding[:, p]) + F.normalize(clean.embedding[:, p]) for p in range(6)]
    by_part = -torch.stack([part.square().sum(1) for part in apart]).mean(0)
    whole = -(seen.descriptor + clean.descriptor).square().sum(1)
    torch.testing.assert_close(value, by_part)
    torch.testing.assert_close(value, whole)


@pytest.mark.parametrize("kind", ["embedding", "logits"])
def test_slopes_are_those_of_finite_differences(network: PcbNet, kind: str) -> None:
    victim = Victim(network.double())
    leaf: Tensor = IMAGES[:1].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda seen: victim(seen).given[kind], leaf, check_undefined_grad=False)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match=r"gave \(4, 8, 12, 5\); it must give \[N, 9, H, W\]"):
        PcbNet(nn.Identity(), 9, 3)(IMAGES)
    with pytest.raises(UserError, match=r"gave \(4, 8\)"):
        PcbNet(nn.Identity(), 8, 3)(IMAGES.mean((2, 3)))
    with pytest.raises(UserError, match="at least one part, not 0"):
        PcbNet(nn.Identity(), 8, 3, parts=0)
