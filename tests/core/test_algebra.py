"""Objectives add and scale, criteria compose: each member sees its own reference."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns


@dataclass(frozen=True)
class Column(Objective):
    """One score, less what was observed of it: two of them share the name of their reference."""

    place: int
    level: bool = False

    @property
    def flat(self) -> bool:
        return self.level

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        return {"was": clean.logits[:, self.place] + truth["offset"]}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return outputs.logits[:, self.place] - reference["was"]


@dataclass(frozen=True)
class Above(Criterion):
    """A score exceeds what it was when clean."""

    place: int

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"was": clean.logits[:, self.place]}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return outputs.logits[:, self.place] > reference["was"]


CLEAN = Outputs({"logits": torch.tensor([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]])})
SEEN = Outputs({"logits": torch.tensor([[4.0, 9.0, 107.0], [1.0, 25.0, 190.0]])})
TRUTH = {"offset": torch.tensor([0.0, 1.0])}


def value(objective: Objective) -> list[float]:
    return objective(SEEN, objective.observe(CLEAN, TRUTH)).tolist()


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Column(0), [3, -2]),
        (Column(0) + Column(1), [2, 2]),
        (Column(0) + 0.5 * Column(1), [2.5, 0]),
        (Column(0) * 2 + -1 * Column(2), [-1, 7]),
        (3 * (Column(0) + 2 * Column(1)), [3, 18]),
        ((Column(0) + Column(1)) + Column(2), [9, -9]),
        (Column(0) + (Column(1) + Column(2)), [9, -9]),
        (sum([Column(2) for _ in range(12)], 0 * Column(0)), [84, -132]),
    ],
    ids=lambda given: repr(given)[:60],
)
def test_sums_and_multiples_are_those_of_the_members(objective: Objective, expected: list[float]) -> None:
    assert value(objective) == expected


def test_eleven_members_do_not_mistake_each_others_reference() -> None:
    first, *others = [2.0**place * Column(place % 3) for place in range(11)]
    flat = first
    for other in others:
        flat = flat + other
    parts = [value(Column(place % 3)) for place in range(11)]
    assert value(flat) == [sum(2.0**place * part[row] for place, part in enumerate(parts)) for row in range(2)]


def test_a_sum_is_flat_only_where_all_its_members_are() -> None:
    flat, steep = Column(0, level=True), Column(1)
    assert (flat + flat).flat
    assert (0.5 * flat).flat
    assert not (flat + steep).flat
    assert not steep.flat


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (Above(0), [True, False]),
        (Above(0) & Above(1), [False, False]),
        (Above(0) | Above(1), [True, True]),
        (Above(0) & Above(2), [True, False]),
        ((Above(0) | Above(1)) & Above(1), [False, True]),
        (Above(0) | (Above(1) & Above(2)), [True, False]),
    ],
    ids=repr,
)
def test_criteria_compose(criterion: Criterion, expected: list[bool]) -> None:
    assert criterion(SEEN, criterion.observe(CLEAN, TRUTH)).tolist() == expected


def test_a_composed_criterion_is_read_as_it_was_written() -> None:
    assert repr((Above(0) | Above(1)) & Above(2)) == "((Above(place=0) | Above(place=1)) & Above(place=2))"
