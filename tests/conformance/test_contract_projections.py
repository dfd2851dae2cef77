"""Projections are idempotent, never enlarge a distance, and are exact: point 11 of the attack contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from turncoat.core.balls import L2, Linf, joint
from turncoat.core.constraint import Constraint, Masked, Shared
from turncoat.core.seeds import seeded

GREY = 1 / 255
MASK = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
SETS: dict[str, Constraint] = {
    "linf": Linf(8 * GREY),
    "l2": L2(0.3),
    "l2-wide": L2(1.5),
    "joint": joint(0.3, 0.1),
    "masked-linf": Masked(Linf(8 * GREY), MASK),
    "masked-l2": Masked(L2(0.3), MASK),
    "shared-linf": Shared(Linf(8 * GREY)),
    "shared-l2": Shared(L2(0.3)),
    "shared-masked-joint": Shared(Masked(joint(0.3, 0.1), MASK)),
    "nothing-linf": Linf(0.0),
    "nothing-l2": L2(0.0),
}
every_set = pytest.mark.parametrize("name", SETS)
seeds = st.integers(0, 2**31)
scales = st.sampled_from([1e-12, 1e-3, 0.05, 0.3, 1.0, 30.0])


def draw(seed: int, scale: float, count: int = 3) -> tuple[Tensor, Tensor]:
    """Images with many pixels exactly black or white, and variables of the given size."""
    generator = seeded(seed)
    images = (1.6 * torch.rand(count, 3, 2, 2, generator=generator, dtype=torch.float64) - 0.3).clamp(0, 1)
    return images, scale * torch.randn(count, 3, 2, 2, generator=generator, dtype=torch.float64)


def variable_of(constraint: Constraint, values: Tensor) -> Tensor:
    return values[:1] if constraint.shared else values


@every_set
@settings(max_examples=40, deadline=None)
@given(seed=seeds, scale=scales)
def test_11_a_projection_is_inside_and_idempotent(name: str, seed: int, scale: float) -> None:
    constraint = SETS[name]
    images, values = draw(seed, scale)
    once = constraint.project(images, variable_of(constraint, values))
    torch.testing.assert_close(constraint.project(images, once), once, rtol=1e-9, atol=1e-14)
    budget = {"linf": 8 * GREY, "l2": 0.3, "l2-wide": 1.5}.get(name.split("-", 1)[-1] if "-l" in name else name)
    if budget is not None:
        assert (constraint.distance(torch.zeros_like(once), once) <= budget * (1 + 1e-9)).all()
    if not constraint.shared:
        assert ((images + once) >= -1e-15).all()
        assert ((images + once) <= 1 + 1e-15).all()
    if "masked" in name:
        assert (once * (1 - MASK) == 0).all()


@every_set
@settings(max_examples=40, deadline=None)
@given(seed=seeds, scale=scales, other=scales)
def test_11_a_projection_never_enlarges_the_distance_of_two_points(
    name: str, seed: int, scale: float, other: float
) -> None:
    constraint = SETS[name]
    images, values = draw(seed, scale)
    _, more = draw(seed + 1, other)
    one, two = variable_of(constraint, values), variable_of(constraint, more)
    before = (one - two).flatten(1).norm(dim=1)
    after = (constraint.project(images, one) - constraint.project(images, two)).flatten(1).norm(dim=1)
    assert (after <= before * (1 + 1e-9) + 1e-15).all()


@every_set
@settings(max_examples=30, deadline=None)
@given(seed=seeds, scale=st.sampled_from([1e-9, 1e-3, 0.02]))
def test_11_what_is_inside_stays_where_it_is(name: str, seed: int, scale: float) -> None:
    constraint = SETS[name]
    images, values = draw(seed, scale)
    inside = constraint.project(images, variable_of(constraint, values)) * 0.999
    torch.testing.assert_close(constraint.project(images, inside), inside, rtol=1e-12, atol=0)


def nearest(image: np.ndarray, point: np.ndarray, radius: float, cap: float) -> np.ndarray:
    """The closest point of ball, cap and pixel range, by a general solver that knows nothing of their shape."""
    found = minimize(
        lambda x: ((x - point) ** 2).sum(),
        np.zeros_like(point),
        jac=lambda x: 2 * (x - point),
        bounds=list(zip(np.maximum(-image, -cap), np.minimum(1 - image, cap), strict=True)),
        constraints=[{"type": "ineq", "fun": lambda x: radius**2 - (x**2).sum(), "jac": lambda x: -2 * x}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.x


@pytest.mark.parametrize("scale", [0.1, 0.4, 3.0])
@pytest.mark.parametrize(("radius", "cap"), [(0.5, np.inf), (0.8, 0.4), (0.2, 0.05), (1.2, np.inf)])
def test_11_ball_and_box_agree_with_a_general_solver(radius: float, cap: float, scale: float) -> None:
    images, values = draw(int(100 * radius), scale, count=4)
    projected = L2(radius, cap=cap).project(images, values)
    for image, value, ours in zip(images.flatten(1), values.flatten(1), projected.flatten(1), strict=True):
        best = nearest(image.numpy(), value.numpy(), radius, cap)
        assert ((ours - value) ** 2).sum() <= ((torch.from_numpy(best) - value) ** 2).sum() + 1e-7
        np.testing.assert_allclose(ours.numpy(), best, atol=2e-4)


def test_11_known_points() -> None:
    grey = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    point = torch.tensor([[[[3.0, 4.0]]]], dtype=torch.float64)
    assert L2(0.25).project(grey, point).flatten().tolist() == pytest.approx([0.15, 0.2])
    assert Linf(0.1).project(grey, point).flatten().tolist() == pytest.approx([0.1, 0.1])
    white = torch.tensor([[[[0.5, 1.0]]]], dtype=torch.float64)
    assert L2(0.25).project(white, point).flatten().tolist() == pytest.approx([0.25, 0.0])
    assert Linf(0.1).project(white, point).flatten().tolist() == pytest.approx([0.1, 0.0])
    assert joint(0.25, 0.2).project(grey, point).flatten().tolist() == pytest.approx([0.15, 0.2])
    assert joint(0.25, 0.18).project(grey, point).flatten().tolist() == pytest.approx([0.1734935, 0.18])
    assert L2(0.25).project(None, point).flatten().tolist() == pytest.approx([0.15, 0.2])
    half = Masked(L2(0.25), torch.tensor([[[1.0, 0.0]]]))
    assert half.project(grey, point).flatten().tolist() == pytest.approx([0.25, 0.0])
    both = torch.tensor([[[[0.5, 1.0]]], [[[0.5, 0.5]]]], dtype=torch.float64)
    assert Shared(Linf(0.1)).project(both, point).flatten().tolist() == pytest.approx([0.1, 0.1])


def test_11_a_projection_survives_numbers_near_overflow_and_underflow() -> None:
    images = torch.full((2, 3, 2, 2), 0.5)
    huge = torch.full_like(images, 1e15)
    torch.testing.assert_close(L2(0.3).project(images, huge).flatten(1).norm(dim=1), torch.full((2,), 0.3))
    dust = torch.full_like(images, 1e-30)
    assert torch.equal(L2(0.3).project(images, dust), dust)


@every_set
@settings(max_examples=30, deadline=None)
@given(seed=seeds, on_levels=st.booleans(), scale=st.sampled_from([0.0, 1e-3, 0.05, 1.0]))
def test_11_quantising_stays_in_the_ball_and_is_idempotent(name: str, seed: int, on_levels: bool, scale: float) -> None:
    constraint = SETS[name]
    images, values = draw(seed, scale)
    if on_levels:
        images = (images * 255).round() / 255
    candidate = constraint.apply(images, constraint.project(images, variable_of(constraint, values))).detach()
    rounded = constraint.quantise(images, candidate)
    torch.testing.assert_close(constraint.quantise(images, rounded), rounded, rtol=0, atol=1e-12)
    assert rounded.min() >= 0
    assert rounded.max() <= 1
    slack = 1e-3 * GREY
    inner = name.removeprefix("shared-").removeprefix("masked-").removeprefix("nothing-")
    if inner == "linf":
        eps = 0.0 if "nothing" in name else 8 * GREY
        assert ((rounded - images).abs() <= eps + slack).all()
    else:
        eps = {"l2": 0.3, "l2-wide": 1.5, "joint": 0.3}[inner] * ("nothing" not in name)
        assert ((rounded - images).flatten(1).norm(dim=1) <= eps * (1 + 1e-5) + slack).all()
    if inner == "joint":
        assert ((rounded - images).abs() <= 0.1 + slack).all()
    if "masked" in name:
        assert torch.equal(rounded * (1 - MASK), images * (1 - MASK))
    levels = rounded * 255
    assert (((levels - levels.round()).abs() < 2e-3) | (rounded == images) | (candidate == rounded)).all()


@pytest.mark.parametrize("name", ["linf", "l2", "l2-wide", "joint"])
def test_11_quantising_loses_less_than_a_level_per_pixel(name: str) -> None:
    images, values = draw(3, 0.05, count=64)
    images = (images * 255).round() / 255
    constraint = SETS[name]
    candidate = images + constraint.project(images, values)
    assert ((constraint.quantise(images, candidate) - candidate).abs() <= GREY * (1 + 1e-9)).all()
    nearest_level = (candidate * 255).round() / 255
    change = nearest_level - images
    fits = (constraint.project(images, change) - change).abs().flatten(1).amax(1) < 1e-12
    assert fits.any()
    torch.testing.assert_close(constraint.quantise(images, candidate)[fits], nearest_level[fits])


@every_set
def test_11_a_random_start_is_inside_and_fills_the_set(name: str) -> None:
    constraint = SETS[name]
    images = torch.full((200, 3, 2, 2), 0.5, dtype=torch.float64)
    drawn = torch.cat([constraint.start(images[i : i + 1], [seeded(i)]) for i in range(200)])
    torch.testing.assert_close(constraint.project(images[:1] if constraint.shared else images, drawn), drawn)
    reach = constraint.distance(torch.zeros_like(drawn), drawn)
    full = constraint.distance(torch.zeros_like(drawn), constraint.project(None, 9 * drawn.sign()))
    assert reach.mean() <= full.max()
    assert (reach.mean() >= 0.4 * full.mean()) or "nothing" in name
