"""Classification judged by hand: one row of pixels is the logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.tasks.classification import Classification
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records

TASK = Classification()
LOGITS = torch.tensor([
    [9, 1, 2, 3, 4, 5],  # right
    [8, 9, 2, 3, 4, 5],  # second: in the top 5
    [0, 9, 2, 3, 4, 5],  # last: not in the top 5
    [7, 7, 2, 3, 4, 5],  # tied with a later class: right
    [7, 0, 2, 3, 4, 7],  # tied with an earlier class: wrong
])  # fmt: skip
LABELS = torch.tensor([0, 0, 0, 0, 5])


class FirstRow(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"logits": images[:, 0, 0] * 255}


def _samples(logits: Tensor = LOGITS, labels: Tensor = LABELS) -> Samples:
    pixels = logits.to(torch.uint8)[:, None, None].expand(-1, 3, 1, -1)
    return Samples("toy", [str(row) for row in range(len(pixels))], lambda row: pixels[row], {"label": labels})


def _judge(samples: Samples, images: Tensor | None = None) -> dict[str, Tensor]:
    seen = samples.images() if images is None else images
    return dict(TASK.judge(Victim(FirstRow()), seen, samples, range(len(samples)), {}))


def _records(columns: dict[str, Tensor]) -> Records:
    return {name: values.numpy() for name, values in columns.items()}


def test_columns_are_as_computed_by_hand() -> None:
    judged = _judge(_samples())
    assert judged["label"].tolist() == LABELS.tolist()
    assert judged["prediction"].tolist() == [0, 1, 1, 0, 0]
    assert judged["score"].tolist() == [1, 0, 0, 1, 0]
    assert judged["top5"].tolist() == [1, 1, 0, 1, 1]
    exponentials = [math.exp(value - 9) for value in LOGITS[0].tolist()]
    assert judged["confidence"][0].item() == pytest.approx(1 / sum(exponentials))


def test_rows_are_those_asked_for() -> None:
    samples = _samples()
    judged = TASK.judge(Victim(FirstRow()), samples.images([4, 0]), samples, [4, 0], {})
    assert judged["score"].tolist() == [0, 1]
    assert TASK.truth(samples, [4, 0], {})["label"].tolist() == [5, 0]


def test_the_headline_comes_first_and_is_the_mean_score() -> None:
    metrics = TASK.metrics(_records(_judge(_samples())))
    assert list(metrics) == ["top1", "top5"]
    assert TASK.headline == "top1"
    assert metrics["top1"].value == pytest.approx(2 / 5)
    assert metrics["top5"].value == pytest.approx(4 / 5)
    assert metrics["top1"].low < 2 / 5 < metrics["top1"].high


def test_both_denominators_are_counted_naively() -> None:
    generator = seeded(0)
    clean, attacked = (torch.randint(0, 10, (40, 6), generator=generator) for _ in range(2))
    labels = torch.randint(0, 2, (40,), generator=generator)
    before, after = (_records(_judge(_samples(logits, labels))) for logits in (clean, attacked))
    rates = TASK.compare(before, after)
    wrong = [not right for right in after["score"]]
    among = [bad for bad, right in zip(wrong, before["score"], strict=True) if right]
    assert 0 < len(among) < 40
    assert rates["success_all"].value == pytest.approx(np.mean(wrong))
    assert rates["success_conditional"].value == pytest.approx(np.mean(among))


def test_there_is_no_success_rate_where_nothing_was_right() -> None:
    records = _records(_judge(_samples(LOGITS[1:3], LABELS[1:3])))
    rates = TASK.compare(records, records)
    assert rates["success_all"].value == 1
    assert math.isnan(rates["success_conditional"].value)


def test_criterion_and_margin_agree_with_the_score() -> None:
    logits = torch.randint(0, 4, (200, 6), generator=seeded(1))
    labels = torch.randint(0, 6, (200,), generator=seeded(2))
    samples = _samples(logits, labels)
    victim, truth = Victim(FirstRow()), TASK.truth(samples, range(200), {})
    outputs, broken = victim.predict(samples.images()), _judge(samples)["score"] < 0.5
    assert torch.equal(TASK.criterion(outputs, TASK.criterion.observe(outputs, truth)), broken)
    margin = TASK.margin(outputs, TASK.margin.observe(outputs, truth))
    assert broken[margin > 0].all()
    assert not broken[margin < 0].any()


def test_an_output_that_is_not_a_number_is_wrong() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"logits": images[:, 0, 0] * math.nan}

    samples = _samples()
    judged = TASK.judge(Victim(Broken()), samples.images(), samples, range(5), {})
    assert judged["score"].tolist() == [0] * 5


def test_a_label_that_the_network_has_not_is_told() -> None:
    with pytest.raises(UserError, match="labels 0 to 6 for 6 classes"):
        _judge(_samples(labels=torch.tensor([0, 0, 0, 0, 6])))


def test_samples_without_labels_are_told() -> None:
    bare = Samples("bare", ["a"], lambda _: torch.zeros(3, 1, 6, dtype=torch.uint8), {})
    with pytest.raises(UserError, match="'label' is needed"):
        _judge(bare)
