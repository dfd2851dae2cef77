"""Where an ascent begins: the clean image, a jitter around it, or anywhere in the set."""

from __future__ import annotations

import pytest
import torch

from turncoat.attacks.starts import Jitter, Start, Uniform, Zero
from turncoat.core.balls import L2, Linf
from turncoat.core.constraint import Constraint, Shared
from turncoat.core.seeds import seeded

GREY = 1 / 255


def begin(start: Start, constraint: Constraint, images: torch.Tensor) -> torch.Tensor:
    return start(images, constraint, [seeded(place) for place in range(len(images))])


def grey(count: int = 3) -> torch.Tensor:
    return torch.full((count, 3, 20, 20), 0.5, dtype=torch.float64)


@pytest.mark.parametrize("size", [GREY, 3 * GREY])
def test_a_jitter_fills_its_size_and_no_more(size: float) -> None:
    change = begin(Jitter(size), Linf(8 * GREY), grey())
    assert 0.99 * size < change.abs().max() <= size
    assert abs(float(change.mean())) < 0.05 * size
    assert float(change.var()) == pytest.approx(size**2 / 3, rel=0.1)


def test_a_jitter_larger_than_the_budget_is_brought_inside() -> None:
    assert begin(Jitter(1.0), Linf(2 * GREY), grey()).abs().max() <= 2 * GREY
    assert (begin(Jitter(1.0), L2(0.3), grey()).flatten(1).norm(dim=1) <= 0.3 * (1 + 1e-9)).all()
    black = torch.zeros_like(grey())
    assert begin(Jitter(GREY), Linf(8 * GREY), black).min() == 0


def test_a_uniform_start_reaches_to_the_border() -> None:
    assert 7.9 * GREY < begin(Uniform(), Linf(8 * GREY), grey()).abs().max() <= 8 * GREY
    assert (begin(Uniform(), L2(0.3), grey()).flatten(1).norm(dim=1) > 0.28).all()


def test_zero_is_the_clean_image_and_alone_not_random() -> None:
    assert begin(Zero(), Linf(1.0), grey()).abs().sum() == 0
    assert [start.random for start in (Zero(), Jitter(), Uniform())] == [False, True, True]


@pytest.mark.parametrize("start", [Zero(), Jitter(), Uniform()], ids=repr)
def test_a_shared_variable_begins_as_one(start: Start) -> None:
    assert begin(start, Shared(Linf(8 * GREY)), grey()).shape == (1, 3, 20, 20)
