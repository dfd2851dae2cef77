"""Networks with a published layout: their size, their names, and the figures of their published weights."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from turncoat.core.errors import UserError
from turncoat.models.cifar_resnet import BasicBlock, resnet20, resnet56
from turncoat.models.mobilefacenet import mobilefacenet
from turncoat.models.state import load_state, read_state
from turncoat.models.victims import load_victim
from turncoat.models.wide_resnet import WideBlock, wide_resnet


def millions(network: nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def test_sizes_are_the_published_ones() -> None:
    assert round(millions(resnet20()), 2) == 0.27
    assert round(millions(resnet56()), 2) == 0.85
    with torch.device("meta"):
        assert round(millions(wide_resnet(28, 10)), 1) == 36.5
    assert round(millions(mobilefacenet()), 2) == 1.0


def test_layers_are_counted_as_in_their_names() -> None:
    def depth(network: nn.Module) -> int:
        return sum(isinstance(m, nn.Conv2d | nn.Linear) for m in network.modules())

    assert depth(resnet20()) == 20
    assert depth(resnet56()) == 56
    assert depth(wide_resnet(28, 1)) == 28  # 25 layers in the count of the paper's formula, and 3 projections
    with pytest.raises(UserError, match="6 n \\+ 4"):
        wide_resnet(20, 1)


def test_a_widening_shortcut_keeps_the_channels_and_adds_zeros_around_them() -> None:
    block = BasicBlock(16, 32, 2).eval()
    nn.init.zeros_(block.bn2.weight)  # the residual is silent
    maps = torch.rand(1, 16, 8, 8)
    found = block(maps)
    assert torch.equal(found[:, 8:24], maps[:, :, ::2, ::2])
    assert found[:, :8].count_nonzero() == 0
    assert found[:, 24:].count_nonzero() == 0


def test_a_wide_block_adds_to_its_raw_input() -> None:
    block = WideBlock(4, 4, 1).eval()
    nn.init.zeros_(block.conv2.weight)
    maps = torch.randn(1, 4, 5, 5)
    assert torch.equal(block(maps), maps)


def test_the_feature_before_the_logits_can_be_tapped() -> None:
    victim = load_victim("turncoat:resnet20", taps={"embedding": "linear:in"})
    outputs = victim(torch.rand(2, 3, 32, 32))
    assert outputs.embedding.shape == (2, 64)
    torch.testing.assert_close(victim.network.linear(outputs.embedding), outputs.logits)


def test_wide_names_are_those_of_the_robustness_checkpoints() -> None:
    names = wide_resnet(16, 2).state_dict()
    for name in ("conv1.weight", "block1.layer.0.convShortcut.weight", "block3.layer.1.bn2.running_var", "bn1.bias"):
        assert name in names
    assert "block2.layer.1.convShortcut.weight" not in names
    assert names["fc.weight"].shape == (10, 128)


@pytest.mark.real
def test_resnet20_with_its_published_weights_sees(real_data: Path) -> None:
    """81 % on these JPEG images; the first twenty of each class are enough to tell a broken network."""
    victim = load_victim(
        "turncoat:resnet20",
        weights=real_data / "cifar10_weights" / "resnet20-12fca82f.th",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    folders = sorted(folder for folder in (real_data / "cifar10_jpg" / "test").iterdir() if folder.is_dir())
    files = [file for folder in folders for file in sorted(folder.glob("*.jpg"))[:20]]
    predicted = victim.predict(torch.stack([pixels(file) for file in files])).logits.argmax(1)
    truth = torch.arange(10).repeat_interleave(20)
    assert 0.72 < (predicted == truth).float().mean() < 0.92


@pytest.mark.real
def test_mobilefacenet_with_its_published_weights_tells_people_apart(real_data: Path) -> None:
    weights = next((real_data / "face_weights").glob("*.ckpt"))
    victim = load_victim(
        "turncoat:mobilefacenet", weights=weights, reads="embedding", mean=[0.5] * 3, std=[128 / 255] * 3
    )
    folder = real_data / "lfw_aligned_112x96"
    rows = [line.split("\t") for line in (folder / "pairs_folds0-4.tsv").read_text().splitlines()[1:]][5:3000:75]
    sides = [
        victim.predict(torch.stack([pixels(folder / "images" / row[i]) for row in rows])).embedding for i in (1, 2)
    ]
    cosine = nn.functional.cosine_similarity(*sides)
    same = torch.tensor([row[3] == "1" for row in rows])
    assert ((cosine > 0.25) == same).float().mean() > 0.9
    assert same.any()
    assert not same.all()


@pytest.mark.real
def test_published_weights_lack_nothing_and_have_nothing_over(real_data: Path) -> None:
    path = real_data / "cifar10_weights" / "resnet20-12fca82f.th"
    published = {name.removeprefix("module.") for name in read_state(path)}
    ours = {name for name in resnet20().state_dict() if not name.endswith("num_batches_tracked")}
    assert published == ours
    with pytest.raises(UserError, match="missing"):
        load_state(resnet56(), path)
    faces = read_state(next((real_data / "face_weights").glob("*.ckpt")))
    mobilefacenet().load_state_dict(OrderedDict(faces), strict=True)


def pixels(file: Path) -> torch.Tensor:
    with Image.open(file) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1).float() / 255
