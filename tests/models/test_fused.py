"""The ranked descriptor made of several looks: recomputed by hand, counted, and differentiated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.models.fused import FusedViews, read_whitening
from turncoat.models.gem import GemNet
from turncoat.models.victims import load_victim
from turncoat.study.bench import Bench
from turncoat.study.dataset import DataSet
from turncoat.study.plan import Study

IMAGES = torch.rand(3, 3, 16, 12, generator=seeded(0), dtype=torch.float64)


class Net(nn.Module):
    """Maps, and an embedding of `parts` columns (one: a plain vector), signed or positive; counts its images."""

    def __init__(self, parts: int = 1, *, positive: bool = False) -> None:
        super().__init__()
        self.parts, self.positive, self.seen = parts, positive, 0
        self.conv = nn.Conv2d(3, 5, 3, dtype=torch.float64)
        self.fc = nn.Linear(5, 4, dtype=torch.float64)
        for values in self.parameters():
            values.data = torch.randn(values.shape, generator=seeded(1), dtype=torch.float64) / 2

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.seen += len(images)
        maps = torch.tanh(self.conv(images))
        columns = F.adaptive_avg_pool2d(maps, (self.parts, 1))[..., 0].transpose(1, 2)
        columns = columns.exp() if self.positive else columns
        embedding = columns[:, 0] if self.parts == 1 else columns
        return {"embedding": embedding, "logits": self.fc(columns.mean(1)), "maps": maps}


def unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)


def resized(images: Tensor, scale: float) -> Tensor:
    size = (int(images.shape[2] * scale), int(images.shape[3] * scale))
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_mirrored_descriptor_is_the_sum_before_normalisation(parts: int) -> None:
    network = Net(parts)
    fused = Victim(network, fusion=FusedViews(mirror=True))(IMAGES)
    first, second = network(IMAGES), network(IMAGES.flip(-1))
    torch.testing.assert_close(fused.embedding, first["embedding"] + second["embedding"])
    torch.testing.assert_close(fused.logits, (first["logits"] + second["logits"]) / 2)
    torch.testing.assert_close(fused.maps, first["maps"])


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("power", [1.0, 3.0])
def test_scales_are_unit_vectors_in_a_power_mean(parts: int, mirror: bool, power: float) -> None:
    network = Net(parts, positive=True)
    scales = (1.0, 0.75, 0.5)
    fused = Victim(network, fusion=FusedViews(mirror=mirror, scales=scales, power=power))(IMAGES)
    vectors = []
    for scale in scales:
        seen = resized(IMAGES, scale)
        vector = network(seen)["embedding"]
        vectors.append(unit(vector + network(seen.flip(-1))["embedding"] if mirror else vector))
    total = sum(vector**power for vector in vectors)
    torch.testing.assert_close(fused.embedding, unit((total / 3) ** (1 / power)), atol=1e-9, rtol=0)


def test_the_plain_scale_alone_changes_nothing() -> None:
    network = Net()
    plain = Victim(network)(IMAGES)
    fused = Victim(network, fusion=FusedViews(scales=[1]))(IMAGES)
    assert torch.equal(fused.embedding, plain.embedding)
    assert torch.equal(fused.logits, plain.logits)


def test_a_whitening_is_centred_projected_and_made_a_unit_vector_last(tmp_path: Path) -> None:
    mean, projection = torch.randn(5, generator=seeded(2)), torch.randn(3, 5, generator=seeded(3))
    save_file({"mean": mean, "projection": projection}, tmp_path / "white.safetensors")
    network = Net()
    victim = Victim(network, fusion=FusedViews(mirror=True, whitening=read_whitening(tmp_path / "white.safetensors")))
    joint = unit(network(IMAGES)["embedding"] + network(IMAGES.flip(-1))["embedding"])
    expected = torch.stack([projection.double() @ (row - mean.double()) for row in joint])
    torch.testing.assert_close(victim(IMAGES).embedding, unit(expected))
    torch.testing.assert_close(victim.reading()(IMAGES).descriptor, joint)


@pytest.mark.parametrize(("settings", "views"), [({"mirror": True}, 2), ({"scales": (1, 0.5), "mirror": True}, 4)])
def test_passes_count_every_look(settings: dict, views: int) -> None:
    network = Net()
    victim = Victim(network, fusion=FusedViews(**settings))
    leaf = IMAGES.clone().requires_grad_()
    torch.autograd.grad(victim(leaf).embedding.sum(), leaf)
    victim.predict(IMAGES[:2])
    assert victim.views == views
    assert victim.passes.forwards == network.seen == 5 * views
    assert victim.passes.backwards == 3 * views


@pytest.mark.parametrize("power", [1.0, 2.9])
def test_slopes_are_those_of_finite_differences(power: float) -> None:
    whitening = torch.randn(5, generator=seeded(2)), torch.randn(3, 5, generator=seeded(3))
    fusion = FusedViews(mirror=True, scales=(1, 0.5), power=power, whitening=whitening)
    victim = Victim(Net(positive=True), fusion=fusion)
    leaf = IMAGES[:1, :, :8, :8].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda seen: victim(seen).embedding, leaf, check_undefined_grad=False)


def test_zeros_have_finite_slopes_under_a_power() -> None:
    fusion = FusedViews(scales=(1, 0.5), power=3)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.ReLU())
    leaf = (IMAGES - 0.5).requires_grad_()
    victim = Victim(network, reads="embedding", fusion=fusion)
    (slope,) = torch.autograd.grad(victim(leaf).embedding.square().sum() + victim(leaf).embedding.sum(), leaf)
    assert slope.isfinite().all()


def test_logits_alone_are_averaged_too() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, dtype=torch.float64), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    fused = Victim(network, reads="logits", fusion=FusedViews(mirror=True))(IMAGES)
    torch.testing.assert_close(fused.logits, (network(IMAGES) + network(IMAGES.flip(-1))) / 2)
    assert list(fused.given) == ["logits"]


def test_digests_tell_fusions_apart() -> None:
    white = torch.zeros(5), torch.eye(5)
    fusions = [
        None,
        FusedViews(mirror=True),
        FusedViews(scales=(1, 0.5)),
        FusedViews(scales=(1, 0.5), power=3),
        FusedViews(whitening=white),
        FusedViews(whitening=(white[0] + 1e-3, white[1])),
    ]
    digests = [Victim(Net(), fusion=fusion).digest() for fusion in fusions]
    assert len(set(digests)) == len(digests)
    assert Victim(Net(), fusion=FusedViews(mirror=True)).digest() == digests[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": []}, "at least one factor above 0"),
        ({"scales": [1, 0]}, "at least one factor above 0"),
        ({"scales": [1, float("nan")]}, "at least one factor above 0"),
        ({"power": 0}, "number above 0"),
        ({"power": float("inf")}, "number above 0"),
        ({"scales": [1, 0.5], "power": 3}, "use scale_power 1"),
        ({"scales": [1, 0.01]}, "leaves nothing of images of 16x12"),
        ({"whitening": (torch.zeros(4), torch.eye(4))}, "is for 4 dimensions, the embedding has 5"),
    ],
)
def test_mistakes_are_told(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Victim(Net(), fusion=FusedViews(**settings))(IMAGES)


def test_a_file_that_is_no_whitening(tmp_path: Path) -> None:
    for held in ({"mean": torch.zeros(3)}, {"mean": torch.zeros(3), "projection": torch.zeros(2, 4)}):
        save_file(held, tmp_path / "white.safetensors")
        with pytest.raises(UserError, match=r"mean \[3\].*a whitening is mean \[D\] and projection \[K, D\]"):
            read_whitening(tmp_path / "white.safetensors")
    with pytest.raises(UserError, match="no weights at"):
        read_whitening(tmp_path / "absent.safetensors")


def test_a_victim_from_one_line_is_fused_as_told(tmp_path: Path) -> None:
    save_file({"mean": torch.zeros(80), "projection": torch.eye(80)[:8]}, tmp_path / "white.safetensors")
    victim = load_victim(
        "turncoat:small_gem",
        mirror=True,
        scales=[1, 0.7071, 0.5],
        scale_power="learned",
        whitening=tmp_path / "white.safetensors",
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
    )
    assert isinstance(victim.network, GemNet)
    assert isinstance(victim.fusion, FusedViews)
    assert (victim.views, victim.fusion.power) == (6, 3.0)
    assert victim(torch.rand(2, 3, 64, 32)).embedding.shape == (2, 8)
    assert load_victim("turncoat:small_gem").fusion is None
    with pytest.raises(UserError, match="learned needs a network with GeM pooling, which turncoat:resnet20 is not"):
        load_victim("turncoat:resnet20", mirror=True, scale_power="learned")


def test_a_study_passes_the_fusion_on(tmp_path: Path) -> None:
    save_file({"mean": torch.zeros(80), "projection": torch.eye(80)[:8]}, tmp_path / "white.safetensors")
    written = {
        "task": "retrieval",
        "data": "street_retrieval",
        "victims": {
            "name": "gem",
            "source": "turncoat:small_gem",
            "mirror": True,
            "scales": [1, 0.5],
            "scale_power": "learned",
            "whitening": "white.safetensors",
        },
        "attacks": "uturn",
        "budgets": "8/255",
    }
    audit = Study.model_validate({"name": "fused", **written}).audits[0]
    dataset = DataSet(audit.data[0], tmp_path, limit=None, shard=1)
    fusion = Bench(0, audit, dataset, audit.victims[0], tmp_path).victim.fusion
    assert isinstance(fusion, FusedViews)
    assert (fusion.mirror, fusion.scales, fusion.power, fusion.whitens) == (True, (1.0, 0.5), 3.0, True)
