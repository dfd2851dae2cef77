"""Attribute recognition judged by hand: a bright pixel is an attribute that is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.tasks.attributes import AttributeRecognition
from turncoat.tasks.metrics.attributes import harmonic_f1, mean_accuracy
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records

TASK = AttributeRecognition()


class Bright(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": images[:, 0, 0] * 2 - 1}


def _samples(seen: Tensor, truth: Tensor) -> Samples:
    pixels = (seen * 255).to(torch.uint8)[:, None, None].expand(-1, 3, 1, -1)
    return Samples("toy", [str(row) for row in range(len(seen))], lambda row: pixels[row], {"attributes": truth})


def _judge(seen: Tensor, truth: Tensor, task: AttributeRecognition = TASK) -> dict[str, Tensor]:
    samples = _samples(seen, truth)
    return dict(task.judge(Victim(Bright()), samples.images(), samples, range(len(samples)), {}))


def _records(columns: dict[str, Tensor]) -> Records:
    """Columns as they come back from a file: rows of rows as objects."""
    table: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for name, values in columns.items():
        if values.ndim == 1:
            table[name] = values.numpy()
        else:
            table[name] = np.empty(len(values), dtype=object)
            table[name][:] = list(values.numpy())
    return table


def _random(seed: int, n: int = 30) -> tuple[Tensor, Tensor]:
    generator = seeded(seed)
    return torch.rand(n, 5, generator=generator).round(), torch.randint(0, 2, (n, 5), generator=generator)


def test_columns_are_as_computed_by_hand() -> None:
    seen = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
    truth = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, -1, 0]])
    judged = _judge(seen, truth)
    assert judged["score"].tolist() == [1, pytest.approx(1 / 3), 0, pytest.approx(1 / 3)]  # -1 is unknown: not counted
    assert judged["precision"].tolist() == [1, 1, 0, pytest.approx(1 / 3)]
    assert judged["recall"].tolist() == [1, pytest.approx(1 / 3), 0, 1]
    assert judged["f1"].tolist() == [1, 0.5, 0, 0.5]
    assert judged["decided"].tolist() == seen.bool().tolist()
    assert judged["attributes"].tolist() == truth.tolist()


def test_the_threshold_is_on_the_probability() -> None:
    levels = torch.linspace(0, 1, 11)[None]
    probability = torch.sigmoid((levels * 255).to(torch.uint8).float() / 255 * 2 - 1)
    judged = _judge(levels, torch.ones(1, 11, dtype=torch.int64), AttributeRecognition(threshold=0.6))
    assert judged["decided"].tolist() == (probability > 0.6).tolist()


def test_metrics_are_the_means_and_the_headline_comes_first() -> None:
    columns = _judge(*_random(0))
    metrics = TASK.metrics(_records(columns))
    assert list(metrics) == ["accuracy", "mA", "precision", "recall", "f1_mean", "f1_harmonic"]
    assert TASK.headline == "accuracy"
    means = {"accuracy": "score", "precision": "precision", "recall": "recall", "f1_mean": "f1"}
    for name, column in means.items():
        assert metrics[name].value == pytest.approx(float(columns[column].mean()))
        assert metrics[name].low < metrics[name].value < metrics[name].high
    assert metrics["mA"].value == pytest.approx(mean_accuracy(columns["attributes"], columns["decided"]))
    both = float(columns["precision"].mean()), float(columns["recall"].mean())
    assert metrics["f1_harmonic"].value == pytest.approx(harmonic_f1(*both))


def test_both_denominators_and_the_flips_are_counted_naively() -> None:
    (before, truth), (after, _) = _random(1), _random(2)
    clean, attacked = _judge(before, truth), _judge(after, truth)
    rates = TASK.compare(_records(clean), _records(attacked))
    broken = [score < 0.5 for score in attacked["score"].tolist()]
    among = [bad for bad, score in zip(broken, clean["score"].tolist(), strict=True) if score >= 0.5]
    assert 0 < len(among) < len(broken)
    assert rates["success_all"].value == pytest.approx(np.mean(broken))
    assert rates["success_conditional"].value == pytest.approx(np.mean(among))
    flips = []
    for row in range(len(truth)):
        right = [a for a in range(5) if before[row, a] == truth[row, a]]
        if right:
            flips.append(np.mean([after[row, a] != before[row, a] for a in right]))
    assert rates["flip_rate"].value == pytest.approx(np.mean(flips))


def test_the_criterion_agrees_with_the_score() -> None:
    seen, truth = _random(3, n=200)
    truth[:, 0] = 1  # an image without any attribute scores 0 by definition, whatever is decided
    samples = _samples(seen, truth)
    outputs, columns = Victim(Bright()).predict(samples.images()), TASK.truth(samples, range(200), {})
    broken = _judge(seen, truth)["score"] < 0.5
    assert 0 < broken.sum() < 200
    assert torch.equal(TASK.criterion(outputs, TASK.criterion.observe(outputs, columns)), broken)


def test_attacks_go_on_after_an_image_is_broken() -> None:
    assert not TASK.stops


def test_one_image_has_values_without_intervals() -> None:
    metrics = TASK.metrics(_records(_judge(torch.tensor([[1, 0]]), torch.tensor([[1, 1]]))))
    assert metrics["accuracy"].value == 0.5
    assert math.isnan(metrics["accuracy"].low)
