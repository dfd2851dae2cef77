"""The re-identification head: pooling, bottleneck, and what dropout must not touch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.models.reid_head import ReidNet


def test_maps_are_averaged_and_vectors_taken_as_they_are() -> None:
    maps = torch.rand(3, 8, 5, 2)
    network = ReidNet(nn.Identity(), 8, 4, 6).eval()
    pooled, direct = network(maps), network(maps.mean((2, 3)))
    torch.testing.assert_close(pooled["embedding"], direct["embedding"])
    assert pooled["embedding"].shape == (3, 6)
    assert pooled["logits"].shape == (3, 4)


def test_dropout_changes_logits_in_training_only_and_the_embedding_never() -> None:
    network, features = ReidNet(nn.Identity(), 8, 4), torch.rand(6, 8)
    nn.init.normal_(network.classifier.weight)
    trained = [network.train()(features) for _ in range(2)]
    assert torch.equal(trained[0]["embedding"], trained[1]["embedding"])
    assert not torch.equal(trained[0]["logits"], trained[1]["logits"])
    seen = network.eval()(features)
    torch.testing.assert_close(seen["logits"], network.classifier(seen["embedding"]))


def test_weights_begin_as_in_the_authors_code() -> None:
    network = ReidNet(nn.Identity(), 2048, 751)
    assert network.bottleneck.weight.shape == (512, 2048)
    assert network.bottleneck.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert network.norm.weight.mean().item() == pytest.approx(1, abs=0.01)
    assert network.norm.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert network.classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert not network.bottleneck.bias.any()
    assert not network.classifier.bias.any()
    assert network.dropout.p == 0.5


def test_a_backbone_of_another_width_is_named() -> None:
    with pytest.raises(UserError, match=r"gave \(2, 16\); it must give \[N, 8\]"):
        ReidNet(nn.Identity(), 8, 4)(torch.rand(2, 16))
