"""A preset is a sentence: these are the numbers in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets import features, gradient, rankings
from turncoat.attacks.starts import Jitter, Uniform, Zero
from turncoat.attacks.steps import APGD, Momentum, Steepest
from turncoat.core.balls import L2, Linf
from turncoat.core.errors import UserError
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.labels import CrossEntropy, LabelSmoothing, LeastLikely, LogitMargin

GREY = 1 / 255
EPS = 8 * GREY


@pytest.mark.parametrize(
    ("made", "meant"),
    [
        (gradient.fgsm(EPS), GradientAttack(CrossEntropy(), Linf(EPS), Steepest(EPS), steps=1)),
        (gradient.bim(EPS), GradientAttack(CrossEntropy(), Linf(EPS), Steepest(GREY), steps=10)),
        (gradient.pgd(EPS), GradientAttack(CrossEntropy(), Linf(EPS), Steepest(EPS / 4), steps=20, start=Uniform())),
        (
            gradient.pgd(EPS, objective=LogitMargin(), norm="l2", steps=3, size=0.1, restarts=2, start=Zero()),
            GradientAttack(LogitMargin(), L2(EPS), Steepest(0.1), steps=3, restarts=2),
        ),
        (gradient.mifgsm(EPS), GradientAttack(CrossEntropy(), Linf(EPS), Momentum(EPS / 10, 1.0), steps=10)),
        (gradient.apgd(EPS), GradientAttack(CrossEntropy(), Linf(EPS), APGD(2 * EPS), steps=100, start=Uniform())),
        (gradient.least_likely(EPS), GradientAttack(LeastLikely(), Linf(EPS), Steepest(GREY), steps=10)),
        (gradient.label_smoothing(EPS), GradientAttack(LabelSmoothing(), Linf(EPS), Steepest(GREY), steps=10)),
        (
            features.uturn(EPS, norm="l2", normalised=False, steps=3, start=Zero()),
            GradientAttack(OppositeDirection(normalised=False), L2(EPS), Steepest(GREY), steps=3),
        ),
        (
            features.sma(EPS),
            GradientAttack(FeatureDistance(), Linf(EPS), Steepest(GREY), steps=10, start=Jitter(GREY)),
        ),
    ],
    ids=lambda attack: type(attack.objective).__name__,
)
def test_a_preset_is_what_its_source_says(made: GradientAttack, meant: GradientAttack) -> None:
    assert made == meant


@pytest.mark.parametrize("preset", [gradient.fgsm, gradient.bim, gradient.mifgsm])
def test_presets_from_the_clean_image_jitter_where_the_objective_is_flat_there(preset: object) -> None:
    assert preset(EPS).start == Zero()
    assert preset(EPS, objective=OppositeDirection(normalised=False)).start == Zero()
    for flat in (OppositeDirection(), FeatureDistance(), 2 * FeatureDistance()):
        assert preset(EPS, objective=flat).start == Jitter(GREY)
    assert preset(EPS, objective=CrossEntropy() + FeatureDistance()).start == Zero()


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match=r"eps is a length and cannot be -0\.1"):
        gradient.pgd(-0.1)
    with pytest.raises(UserError, match="norm is 'linf' or 'l2', not 'l1'"):
        gradient.fgsm(0.1, norm="l1")


def test_grey_levels_given_for_pixel_units_are_told() -> None:
    with pytest.raises(UserError, match="write 8/255"):
        gradient.pgd(8)
    with pytest.raises(UserError, match="eps is a length and cannot be nan"):
        gradient.pgd(float("nan"), norm="l2")
    with pytest.raises(UserError, match="at least one class"):
        gradient.apgd_targeted(EPS, targets=0)


@pytest.mark.parametrize(
    "preset", [gradient.bim, gradient.pgd, gradient.label_smoothing, rankings.robrank, rankings.es, rankings.fna]
)
def test_a_step_that_goes_nowhere_or_backwards_is_told(preset: Callable[..., GradientAttack]) -> None:
    for size in (0.0, -GREY, float("nan")):
        with pytest.raises(UserError, match="size of a step is a length above 0"):
            preset(EPS, size=size)
    assert preset(0.0).steps >= 0


def test_a_rate_that_goes_nowhere_is_told() -> None:
    for preset in (features.pire, features.tma):
        with pytest.raises(UserError, match="above 0, not -1"):
            preset(EPS, lr=-1.0)
