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
from turncoat.training.batches import augmented, shifted
from turncoat.training.fit import Progress, fit
from turncoat.training.recipe import Batch, Loss, Turn
from turncoat.training.recipes.natural import Natural, supervised
from turncoat.training.schedule import Schedule

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
        def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
            total = network(batch["images"])["logits"].mean() * (float("nan") if turn.step == 5 else 1.0)
            return Loss(total, {})

    with pytest.raises(UserError, match=r"the loss is nan at step 5, learning rate 0\.0\d+"):
        fit(Small(), Explodes(), _colours(), QUICK, seed=0)


def test_steps_are_counted_and_every_image_is_seen_once_an_epoch() -> None:
    steps, seen = [], []

    class Watches:
        def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
            steps.append(turn.step)
            seen.extend(batch["label"].tolist())
            assert len(batch["images"]) == len(batch["label"])
            return Natural()(network, batch, turn)

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
    parts = torch.stack([logits, 2 * logits], 1)
    both = supervised(logits, {"label": labels}) + supervised(2 * logits, {"label": labels})
    torch.testing.assert_close(supervised(parts, {"label": labels}), both)
    wanted = torch.tensor([[1, 0, -1]] * 6)
    known = -(logits[:, 0].sigmoid().log() + (1 - logits[:, 1].sigmoid()).log())
    torch.testing.assert_close(supervised(logits, {"attributes": wanted}), known.mean())


@pytest.mark.parametrize("most", [1, 3])
def test_shifting_moves_whole_images_and_repeats_the_edge(most: int) -> None:
    images = torch.rand(40, 3, 7, 9, generator=seeded(3))
    moved = shifted(images, most, seeded(4))
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


def test_a_black_border_is_black() -> None:
    (moved,) = shifted(torch.ones(1, 3, 5, 5), 2, _corner(0), border="black")
    rows, columns = (5 - int(moved.sum(axis).bool().sum()) for axis in ((0, 2), (0, 1)))
    assert rows + columns > 0
    assert moved.sum() == 3 * (5 - rows) * (5 - columns)


def _corner(at: int) -> torch.Generator:
    """A generator whose first corner is not the middle."""
    return next(seeded(n) for n in range(at, 99) if torch.randint(5, (1, 2), generator=seeded(n)).tolist() != [[2, 2]])


def test_flipping_turns_about_half_of_the_images_and_nothing_else() -> None:
    pixels = torch.randint(0, 256, (200, 3, 5, 6), generator=seeded(5)).to(torch.uint8)
    images = augmented(pixels, Schedule(flip=True, shift=0), seeded(6))
    same = [torch.equal(a, b.float() / 255) for a, b in zip(images, pixels, strict=True)]
    turned = [torch.equal(a, b.flip(-1).float() / 255) for a, b in zip(images, pixels, strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert 70 < sum(turned) < 130
    assert torch.equal(augmented(pixels, Schedule(flip=False, shift=0), seeded(6)), pixels.float() / 255)


def test_progress_is_told_with_the_mean_loss_of_the_epoch() -> None:
    losses: list[float] = []

    class Keeps:
        def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
            loss = Natural()(network, batch, turn)
            losses.append(float(loss.total.detach()))
            return loss

    told: list[Progress] = []
    fit(Small(), Keeps(), _colours(), QUICK, seed=0, report=told.append)
    assert [at.loss for at in told] == pytest.approx([np.mean(losses[:4]), np.mean(losses[4:])])


def test_parts_are_means_over_the_steps_where_they_occurred_and_the_next_step_sees_the_last() -> None:
    seen: list[dict[str, float]] = []

    class Parts:
        def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
            seen.append(dict(turn.last))
            loss = Natural()(network, batch, turn)
            return Loss(
                loss.total, {"at": torch.tensor(float(turn.place)), **({} if turn.place % 2 else {"even": loss.total})}
            )

    told: list[Progress] = []
    fit(Small(), Parts(), _colours(), QUICK, seed=0, report=told.append)
    assert [at.parts["at"] for at in told] == [1.5, 1.5]
    assert seen[0] == {}
    assert [last["at"] for last in seen[1:]] == [0, 1, 2, 3, 0, 1, 2]
    assert told[0].parts["even"] == pytest.approx((seen[1]["even"] + seen[3]["even"]) / 2)
    assert "even" not in seen[2]


def test_a_step_s_randomness_follows_from_the_seed_and_the_step() -> None:
    def draws(seed: int) -> list[int]:
        drawn: list[int] = []

        class Draws:
            def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
                if turn.step == 0:
                    torch.rand(turn.place + 5)
                    torch.rand(3, generator=turn.generator)
                else:
                    drawn.append(int(torch.randint(2**40, (), generator=turn.generator)))
                    drawn.append(int(torch.randint(2**40, ())))
                return Natural()(network, batch, turn)

        fit(Small(), Draws(), _colours(), QUICK, seed=seed)
        return drawn

    first = draws(1)
    assert first == draws(1)
    assert len(set(first)) == len(first)
    assert not set(first) & set(draws(2))


def test_passes_are_counted_and_the_time_left_is_told() -> None:
    told: list[Progress] = []
    fit(Small(), Natural(), _colours(), QUICK, seed=0, report=told.append)
    assert [(at.passes.forwards, at.passes.backwards) for at in told] == [(32, 32), (64, 64)]
    assert [at.share for at in told] == [0.5, 1.0]
    assert told[0].left == pytest.approx(told[0].seconds)
    assert told[1].left == 0


@pytest.mark.parametrize("budget", [1, 16, 90, 128])
def test_a_budget_ends_the_training_at_the_step_that_uses_it_up(budget: int) -> None:
    told: list[Progress] = []
    fit(Small(), Natural(), _colours(), Schedule(epochs=1, batch=8, budget=budget), seed=0, report=told.append)
    spent = told[-1].passes.forwards + told[-1].passes.backwards
    assert budget <= spent < budget + 16
    assert told[-1].share == 1.0
    assert told[-1].epochs is None
    assert len(told) == -(-budget // 64)


def test_the_rate_falls_over_the_budget_as_over_the_epochs() -> None:
    rates: dict[str, list[float]] = {"epochs": [], "budget": []}
    for key, schedule in (
        ("epochs", Schedule(epochs=3, batch=8)),
        ("budget", Schedule(epochs=3, batch=8, budget=3 * 64)),
    ):
        real, kept = torch.optim.AdamW.step, rates[key]

        def step(self: torch.optim.AdamW, *given: object, kept: list[float] = kept, real=real) -> object:  # type: ignore[no-untyped-def]
            kept.append(self.param_groups[0]["lr"])
            return real(self, *given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.AdamW, "step", step)
            fit(Small(), Natural(), _colours(), schedule, seed=0)
    assert len(rates["epochs"]) == 12
    assert rates["budget"] == pytest.approx(rates["epochs"])
    assert max(rates["epochs"]) > 0.003 > 0.001 > rates["epochs"][-1]


def test_warm_up_multiplies_the_loss() -> None:
    """Under plain SGD a loss of a tenth is a step of a tenth."""
    one = {"batch": 32, "epochs": 1, "optimiser": "sgd", "momentum": 0.0, "decay": 0.0, "rate": "step", "lr": 0.01}
    start = Small().head.weight.detach().clone()
    moves = []
    for warmup in (0, 10):
        trained = fit(Small(), Natural(), _only(_colours(), "label"), Schedule(**one, warmup=warmup), seed=0)  # type: ignore[arg-type]
        assert isinstance(trained, Small)
        moves.append(trained.head.weight.detach() - start)
    assert moves[0].abs().max() > 1e-5
    torch.testing.assert_close(moves[1], 0.1 * moves[0], rtol=1e-3, atol=1e-8)


def test_an_interruption_between_steps_stops_the_training() -> None:
    steps: list[int] = []

    def tick() -> None:
        steps.append(1)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Small(), Natural(), _colours(), QUICK, seed=0, tick=tick)
    assert len(steps) == 3
