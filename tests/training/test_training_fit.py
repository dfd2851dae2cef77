"""The training loop: it learns, it repeats itself, and it says when it fails."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.tasks.samples import Samples
from turncoat.training.fit import Progress, Schedule, _augmented, _shifted, fit
from turncoat.training.natural import Natural, supervised
from turncoat.training.recipe import Batch, Loss

QUICK = Schedule(epochs=2, batch=8, shift=1)


class Small(nn.Module):
    def __init__(self, outputs: int = 2, *, dropout: float = 0.0) -> None:
        super().__init__()
        generator = seeded(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(4, outputs)
        for values in (*self.conv.parameters(), *self.head.parameters()):
            values.data = torch.randn(values.shape, generator=generator) * 0.3

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": self.head(self.drop(self.norm(self.conv(images)).relu().mean((2, 3))))}


def _colours(n: int = 32) -> Samples:
    """Reddish images are class 0, bluish ones class 1; attribute 0 says the same, attribute 1 is bright green."""
    generator = seeded(1)
    pixels = torch.randint(0, 80, (n, 3, 10, 8), generator=generator)
    label, green = torch.arange(n) % 2, (torch.arange(n) // 2) % 2
    pixels[torch.arange(n), 2 * label] += 150
    pixels[:, 1] += 150 * green[:, None, None]
    images = pixels.to(torch.uint8)
    truth = {"label": label, "attributes": torch.stack([label, green], 1)}
    return Samples("colours", [str(row) for row in range(n)], lambda row: images[row], truth)


def _only(samples: Samples, name: str) -> Samples:
    return Samples(samples.name, samples.keys, samples.read, {name: samples.truth[name]})


def _weights(seed: int, *, network: nn.Module | None = None) -> dict[str, Tensor]:
    trained = fit(network or Small(dropout=0.5), Natural(), _colours(), QUICK, seed=seed)
    return {name: values.clone() for name, values in trained.state_dict().items()}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    torch.manual_seed(5)
    first = _weights(3)
    torch.manual_seed(6)
    again, other = _weights(3), _weights(4)
    assert all(torch.equal(values, again[name]) for name, values in first.items())
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_global_random_state_is_left_alone() -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(1)), float(np.random.rand()), random.random()

    def seed_all() -> None:
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)

    seed_all()
    expected = draw()
    network = Small(dropout=0.5)
    seed_all()
    fit(network, Natural(), _colours(), QUICK, seed=0)
    assert draw() == expected


def test_it_learns_what_is_easy_and_reports_every_epoch() -> None:
    samples = _only(_colours(), "label")
    seen: list[Progress] = []
    schedule = Schedule(epochs=12, batch=8, lr=0.05, shift=1)
    trained = fit(Small(), Natural(), samples, schedule, seed=0, report=seen.append)
    with torch.no_grad():
        right = trained(samples.images())["logits"].argmax(1) == samples.truth["label"]
    assert right.all()
    assert [at.epoch for at in seen] == list(range(1, 13))
    assert {at.epochs for at in seen} == {12}
    assert seen[-1].loss < 0.3 * seen[0].loss


def test_it_learns_attributes() -> None:
    samples = _only(_colours(), "attributes")
    trained = fit(Small(), Natural(), samples, Schedule(epochs=30, batch=8, lr=0.1, shift=1), seed=0)
    with torch.no_grad():
        decided = trained(samples.images())["logits"] > 0
    assert (decided == samples.truth["attributes"].bool()).float().mean() > 0.95


def test_the_trained_network_is_ready_for_use() -> None:
    trained = fit(Small(), Natural(), _colours(), QUICK, seed=0)
    assert isinstance(trained, Small)
    assert not any(module.training for module in trained.modules())


def test_a_loss_that_is_no_number_names_step_and_rate() -> None:
    class Explodes:
        def __call__(self, network: nn.Module, batch: Batch, step: int) -> Loss:
            total = network(batch["images"])["logits"].mean() * (float("nan") if step == 5 else 1.0)
            return Loss(total, {})

    with pytest.raises(UserError, match=r"the loss is nan at step 5, learning rate 0\.0\d+"):
        fit(Small(), Explodes(), _colours(), QUICK, seed=0)


def test_steps_are_counted_and_every_image_is_seen_once_an_epoch() -> None:
    steps, seen = [], []

    class Watches:
        def __call__(self, network: nn.Module, batch: Batch, step: int) -> Loss:
            steps.append(step)
            seen.extend(batch["label"].tolist())
            assert len(batch["images"]) == len(batch["label"])
            return Natural()(network, batch, step)

    marked = _colours()
    numbered = Samples(marked.name, marked.keys, marked.read, {"label": torch.arange(32)})
    fit(Small(32), Watches(), numbered, QUICK, seed=0)
    assert steps == list(range(8))
    assert sorted(seen[:32]) == sorted(seen[32:]) == list(range(32))
    assert seen[:32] != seen[32:]


def test_a_set_smaller_than_a_batch_is_still_trained_on() -> None:
    few = _colours(4)
    before = Small().head.weight.clone()
    trained = fit(Small(), Natural(), few, QUICK, seed=0)
    assert isinstance(trained, Small)
    assert not torch.equal(trained.head.weight, before)


def test_no_samples_are_told() -> None:
    with pytest.raises(UserError, match="colours has no samples"):
        fit(Small(), Natural(), _colours().take([]), QUICK, seed=0)


def test_truth_that_nothing_can_be_learnt_from_is_told() -> None:
    samples = _colours()
    people = Samples("people", samples.keys, samples.read, {"person": samples.truth["label"]})
    with pytest.raises(UserError, match="labels or attributes; the data hold images, person"):
        fit(Small(), Natural(), people, QUICK, seed=0)


def test_losses_are_the_formulas() -> None:
    logits = torch.randn(6, 3, generator=seeded(2))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    logp = logits.log_softmax(1)
    own = -logp[torch.arange(6), labels]
    torch.testing.assert_close(supervised(logits, {"label": labels}), own.mean())
    smooth = 0.7 * own - 0.3 * logp.mean(1)
    torch.testing.assert_close(supervised(logits, {"label": labels}, 0.3), smooth.mean())
    wanted = torch.tensor([[1, 0, -1]] * 6)
    known = -(logits[:, 0].sigmoid().log() + (1 - logits[:, 1].sigmoid()).log())
    torch.testing.assert_close(supervised(logits, {"attributes": wanted}), known.mean())


@pytest.mark.parametrize("most", [1, 3])
def test_shifting_moves_whole_images_and_repeats_the_edge(most: int) -> None:
    images = torch.rand(40, 3, 7, 9, generator=seeded(3))
    moved = _shifted(images, most, seeded(4))
    assert moved.shape == images.shape
    found = set()
    for before, after in zip(images, moved, strict=True):
        matches = [
            (down, right)
            for down in range(-most, most + 1)
            for right in range(-most, most + 1)
            if torch.equal(
                after,
                before[:, (torch.arange(7) + down).clamp(0, 6)][:, :, (torch.arange(9) + right).clamp(0, 8)],
            )
        ]
        assert len(matches) == 1
        found.update(matches)
    assert {down for down, _ in found} == {right for _, right in found} == set(range(-most, most + 1))


def test_flipping_turns_about_half_of_the_images_and_nothing_else() -> None:
    pixels = torch.randint(0, 256, (200, 3, 5, 6), generator=seeded(5)).to(torch.uint8)
    rows: list[dict[str, Tensor]] = [{"images": pixels, "label": torch.arange(200)}]
    (batch,) = _augmented(rows, Schedule(flip=True, shift=0), seeded(6))  # type: ignore[arg-type]
    same = [torch.equal(a, b.float() / 255) for a, b in zip(batch["images"], pixels, strict=True)]
    turned = [torch.equal(a, b.flip(-1).float() / 255) for a, b in zip(batch["images"], pixels, strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert 70 < sum(turned) < 130
    (plain,) = _augmented(rows, Schedule(flip=False, shift=0), seeded(6))  # type: ignore[arg-type]
    assert torch.equal(plain["images"], pixels.float() / 255)
    assert torch.equal(plain["label"], torch.arange(200))


def test_progress_is_told_with_the_mean_loss_of_the_epoch() -> None:
    losses: list[float] = []

    class Keeps:
        def __call__(self, network: nn.Module, batch: Batch, step: int) -> Loss:
            loss = Natural()(network, batch, step)
            losses.append(float(loss.total.detach()))
            return loss

    told: list[Progress] = []
    fit(Small(), Keeps(), _colours(), QUICK, seed=0, report=told.append)
    assert [at.loss for at in told] == pytest.approx([np.mean(losses[:4]), np.mean(losses[4:])])
