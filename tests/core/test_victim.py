"""A victim sees pixels: what it prepares, reads, counts and leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim


class Small(nn.Module):
    """Convolution, norm, a gap layer `[N, 4, 1, 1]` and scores."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.drop(self.gap(self.norm(self.conv(images))).flatten(1)))


class Named(Small):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": super().forward(images), "embedding": images.mean((2, 3))}


def images(count: int = 3, size: int = 8) -> Tensor:
    return torch.rand(count, 3, size, size, generator=seeded(0))


def test_normalisation_and_resizing_live_inside() -> None:
    network = Small()
    victim = Victim(network, reads="logits", size=(6, 10), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 2.0))
    resized = F.interpolate(images(), size=(6, 10), mode="bilinear", align_corners=False, antialias=True)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), torch.tensor([0.4, 0.5, 2.0]).view(3, 1, 1)
    torch.testing.assert_close(victim(images()).logits, network((resized - mean) / std))


def test_an_image_of_the_right_size_is_not_resampled() -> None:
    network = Small()
    victim = Victim(network, reads="logits", size=(8, 8))
    assert torch.equal(victim(images()).logits, network(images()))


def test_the_network_is_taken_over_in_eval_mode_without_gradients() -> None:
    network = Small().train()
    victim = Victim(network, reads="logits")
    assert not any(module.training for module in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert torch.equal(victim(images()).logits, victim(images()).logits)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_taps_read_the_output_or_the_input_of_a_layer_flattened() -> None:
    network = Small()
    victim = Victim(network, reads="logits", taps={"embedding": "gap", "maps": "fc:in"})
    seen = network.gap(network.norm(network.conv(images()))).flatten(1)
    outputs = victim(images())
    torch.testing.assert_close(outputs.embedding, seen)
    torch.testing.assert_close(outputs.maps, seen)
    torch.testing.assert_close(outputs.logits, network.fc(seen))


def test_a_tap_stands_before_what_the_network_names_and_alone_needs_no_reads() -> None:
    network = Named()
    tapped = Victim(network, taps={"embedding": "gap"})
    assert tapped(images()).embedding.shape == (3, 4)
    assert Victim(network)(images()).embedding.shape == (3, 3)
    only = Victim(Small(), taps={"embedding": "gap"})(images())
    assert list(only.given) == ["embedding"]


def test_taps_leave_no_hooks_even_when_the_network_fails() -> None:
    network = Small()
    victim = Victim(network, reads="logits", taps={"embedding": "gap"})
    victim(images())
    with pytest.raises(RuntimeError):
        victim(torch.rand(2, 4, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_gradients_pass_through_taps_and_preparation() -> None:
    victim = Victim(Small().double(), taps={"embedding": "gap"}, size=(6, 6), mean=[0.5] * 3, std=[0.25] * 3)
    leaf = images(2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda seen: victim(seen).embedding, leaf, check_undefined_grad=False)


def test_asking_for_what_is_not_there_names_the_victim_and_the_way_out() -> None:
    outputs = Victim(Small(), name="guard", reads="logits")(images())
    with pytest.raises(UserError, match=r"guard gives logits, but embedding is needed.*taps="):
        _ = outputs.embedding


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reads": "scores"}, "'scores' is none of them"),
        ({"taps": {"feature": "gap"}}, "'feature' is none of them"),
        ({"taps": {"embedding": "pool"}}, r"no layer 'pool'.*conv"),
        ({"taps": {"embedding": "gap:out"}}, "no layer 'gap:out'"),
        ({"reads": "logits", "mean": (0.5,) * 3}, "both mean and std"),
        ({"reads": "logits", "std": (0.5,) * 3}, "both mean and std"),
        ({"reads": "logits", "mean": (0.5,) * 3, "std": (0.5, 0.0, 0.5)}, "std above 0"),
        ({"reads": "logits", "mean": (0.5,) * 3, "std": (0.5, 0.5, -1)}, "std above 0"),
        ({"reads": "logits", "mean": (0.5,) * 3, "std": (float("inf"), 0.5, 0.5)}, "must be finite"),
        ({"reads": "logits", "mean": (0.5, float("nan"), 0.5), "std": (0.5,) * 3}, "must be finite"),
    ],
)
def test_mistakes_in_the_settings_are_told(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Victim(Small(), **settings)


def test_mistakes_in_the_input_and_the_output_are_told() -> None:
    victim = Victim(Small(), name="guard", reads="logits")
    with pytest.raises(UserError, match=r"guard takes float images.*uint8"):
        victim(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(UserError, match=r"\(3, 8, 8\)"):
        victim(torch.zeros(3, 8, 8))
    assert victim.passes.forwards == 0
    with pytest.raises(UserError, match="say what it is with reads"):
        Victim(Small())(images())
    with pytest.raises(UserError, match="returns tuple"):
        Victim(nn.Sequential(Small(), _Pair()))(images())
    with pytest.raises(UserError, match="returns dict"):
        Victim(nn.Sequential(Small(), _Misnamed()))(images())


class _Pair(nn.Module):
    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        return scores, scores


class _Misnamed(nn.Module):
    def forward(self, scores: Tensor) -> dict[str, Tensor]:
        return {"scores": scores}


class Dim(nn.Module):
    """A purifier with a weight of its own."""

    name = "dim"

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, seen: Tensor) -> Tensor:
        return seen * self.factor


class Lift(nn.Module):
    def forward(self, seen: Tensor) -> Tensor:
        return seen + 0.25


def test_a_purifier_stands_in_front_and_a_second_one_before_the_first() -> None:
    victim = Victim(Small(), name="guard", reads="logits", mean=[0.5] * 3, std=[0.25] * 3)
    purified = victim.behind(Dim(0.5))
    assert purified.name == "guard behind dim"
    assert torch.equal(purified(images()).logits, victim(images() * 0.5).logits)
    twice = purified.behind(Lift())
    torch.testing.assert_close(twice(images()).logits, victim((images() + 0.25) * 0.5).logits)
    assert not any(weight.requires_grad for weight in twice.purifier.parameters())


def test_a_defended_victim_counts_passes_of_its_own() -> None:
    victim = Victim(Small(), reads="logits")
    purified = victim.behind(Lift())
    purified(images(5))
    assert (victim.passes.forwards, purified.passes.forwards) == (0, 5)


@pytest.mark.parametrize(
    "settings", [{}, {"mean": [0.5] * 3, "std": [0.2] * 3}, {"size": (6, 6)}, {"purifier": Lift()}]
)
def test_passes_count_images_and_gradients(settings: dict[str, object]) -> None:
    victim = Victim(Small(), reads="logits", **settings)
    leaf = images(4).requires_grad_()
    total = victim(leaf).logits.sum()
    assert (victim.passes.forwards, victim.passes.backwards) == (4, 0)
    torch.autograd.grad(total, leaf)
    assert (victim.passes.forwards, victim.passes.backwards) == (4, 4)
    victim(images(3))
    assert (victim.passes.forwards, victim.passes.backwards) == (7, 4)
    assert not leaf._backward_hooks


def test_predict_equals_one_big_call_and_carries_no_gradient() -> None:
    victim = Victim(Named())
    whole = victim(images(7).requires_grad_())
    parts = victim.predict(images(7).requires_grad_(), batch=3)
    torch.testing.assert_close(parts.logits, whole.logits.detach())
    torch.testing.assert_close(parts.embedding, whole.embedding.detach())
    assert whole.logits.requires_grad
    assert not parts.logits.requires_grad
    assert victim.predict(images(7)[:0]).logits.shape == (0, 5)


def test_predict_asks_for_no_more_than_a_batch_at_once() -> None:
    sizes = []
    network = Named()
    network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    Victim(network).predict(images(7), batch=3)
    assert sizes == [3, 3, 1]


def test_the_digest_tells_whatever_decides_the_outputs_apart() -> None:
    def build(seed: int = 0, **settings: object) -> Victim:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Victim(Small(), **{"reads": "logits", **settings})

    counted, moved = build(), build()
    counted.network.norm.num_batches_tracked += 1
    moved.network.norm.running_mean += 1e-6
    different = [
        build(),
        build(seed=1),
        counted,
        moved,
        build(reads="embedding"),
        build(taps={"embedding": "gap"}),
        build(taps={"embedding": "gap:in"}),
        build(size=(8, 8)),
        build(mean=[0.5] * 3, std=[0.2] * 3),
        build(mean=[0.5] * 3, std=[0.3] * 3),
        build().behind(Lift()),
        build().behind(Dim(0.5)),
        build().behind(Dim(0.6)),
        build().behind(Dim(0.5)).behind(Lift()),
        build().behind(Lift()).behind(Dim(0.5)),
    ]
    digests = [victim.digest() for victim in different]
    assert len(set(digests)) == len(digests)
    assert build().digest() == build(name="another").digest() == digests[0]
    used = build()
    used.predict(images())
    assert used.digest() == digests[0]


def test_the_digest_knows_dropout_rates_and_fingerprints() -> None:
    plain, wetter, marked = Small(), Small(), Small()
    for other in (wetter, marked):
        other.load_state_dict(plain.state_dict())
    wetter.drop.p = 0.1
    marked.fingerprint = "file 1"
    digests = {Victim(network, reads="logits").digest() for network in (plain, wetter, marked)}
    assert len(digests) == 3


def test_a_network_that_says_so_is_not_differentiable() -> None:
    network = Small()
    assert Victim(network, reads="logits").differentiable
    network.differentiable = False
    assert not Victim(network, reads="logits").differentiable
