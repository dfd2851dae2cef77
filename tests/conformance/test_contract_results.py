"""What is handed back: points 1, 2 and 10 of the attack contract, and that the report tells the truth."""

from __future__ import annotations

import pytest
import torch
from contract_cases import ASKING, CASES, GREY, SPENDING, Case, named, tiny_images, tiny_victim, usual
from torch import Tensor

from turncoat.attacks.gauntlet import Gauntlet
from turncoat.attacks.presets import gradient
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.labels import LogitMargin

every_case = pytest.mark.parametrize("case", CASES, ids=named)


def off_levels(images: Tensor) -> Tensor:
    """As after a resize: between two 8-bit levels, black and white pixels excepted."""
    inside = (images > 0) & (images < 1)
    return torch.where(inside, images + 0.37 * GREY, images).clamp(0, 1)


def length(case: Case, change: Tensor) -> Tensor:
    return change.abs().flatten(1).amax(1) if case.norm == "linf" else change.flatten(1).norm(dim=1)


@pytest.mark.parametrize(
    ("prepare", "bits"),
    [(torch.clone, 8), (torch.clone, None), (off_levels, 8), (Tensor.float, 8)],
    ids=["levels", "smooth", "between", "float32"],
)
@every_case
def test_1_no_budget_returns_the_input_exactly(case: Case, prepare: object, bits: int | None) -> None:
    images = prepare(tiny_images())
    victim = tiny_victim()
    victim.network.to(images.dtype)
    result = case.run(victim, images, attack=case.make(0.0), truth=case.job.truth(victim, images), bits=bits)
    assert torch.equal(result.images, images)
    torch.testing.assert_close(result.objective, result.objective_clean, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [*CASES, *SPENDING], ids=named)
def test_2_the_result_lies_in_the_ball_and_the_pixel_range_on_levels(case: Case) -> None:
    images = tiny_images()
    result = usual(case.name)
    assert (length(case, result.images - images) <= case.reach * (1 + 1e-6)).all()
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    levels = result.images * 255
    assert torch.allclose(levels, levels.round(), atol=1e-9)


@pytest.mark.parametrize("bits", [8, None])
@every_case
def test_2_images_between_levels_stay_in_the_ball(case: Case, bits: int | None) -> None:
    images = off_levels(tiny_images())
    result = case.run(images=images, bits=bits, criterion=None)
    assert (length(case, result.images - images) <= case.reach * (1 + 1e-6) + 1e-9).all()
    assert result.images.min() >= 0
    assert result.images.max() <= 1


@every_case
def test_2_float32_results_are_what_an_8_bit_file_gives_back(case: Case) -> None:
    images = tiny_images().float()
    victim = tiny_victim()
    victim.network.float()
    result = case.run(victim, images, truth=case.job.truth(victim, images))
    saved = result.images.mul(255).round().to(torch.uint8)
    assert torch.equal(saved.float() / 255, result.images)
    grown = length(case, (saved.double() - images.mul(255).round().double()) / 255)
    assert (grown <= case.reach * (1 + 1e-5)).all()


@every_case
def test_2_the_objective_and_the_verdict_are_those_of_the_returned_images(case: Case) -> None:
    if isinstance(case.make(case.eps), Gauntlet):
        pytest.skip("its objective is that of whichever member won")
    victim, images = tiny_victim(), tiny_images()
    truth = case.job.truth(victim, images)
    result = usual(case.name)
    clean, seen = victim.predict(images), victim.predict(result.images)
    objective = case.objective()
    reference = objective.observe(clean, truth)
    torch.testing.assert_close(result.objective, objective(seen, reference))
    torch.testing.assert_close(result.objective_clean, objective(clean, reference))
    if case.job.criterion is None:
        assert result.success is None
    else:
        verdict = case.job.criterion.observe(clean, truth)
        assert torch.equal(result.success, case.job.criterion(seen, verdict))


@pytest.mark.parametrize("case", [case for case in ASKING if not case.attack.startswith(("noise", "fixed"))], ids=named)
def test_2_a_sample_that_was_broken_already_is_left_alone(case: Case) -> None:
    images = tiny_images()
    result = usual(case.name)
    assert bool(result.success[0])
    assert torch.equal(result.images[0], images[0])
    assert result.steps_used[0] == result.backwards[0] == 0
    assert (result.images[1:] != images[1:]).flatten(1).any(1)[result.success[1:]].all()


@every_case
def test_10_pixels_exactly_black_or_white_can_move(case: Case) -> None:
    images = tiny_images()
    labels = case.job.truth(tiny_victim(), images)
    result = case.run(truth=labels, criterion=None, bits=None)
    moved = result.images[1:] != images[1:]
    for value in (0, 1):
        assert moved[images[1:] == value].double().mean() > 0.2


class Inward(torch.nn.Module):
    """A linear score that rises wherever a pixel moves away from black or white."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.where(images < 0.5, 1.0, -1.0).double().flatten(1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        score = (images.flatten(1) * self.weight).sum(1)
        return {"logits": torch.stack([-score, score], 1), "embedding": torch.stack([score, torch.ones_like(score)], 1)}


@pytest.mark.parametrize("name", ["fgsm", "bim", "pgd", "mifgsm", "apgd"])
def test_10_every_black_and_white_pixel_moves_inwards_where_that_pays(name: str) -> None:
    images = (tiny_images() > 0.5).double()
    attack = getattr(gradient, name)(4 * GREY, objective=LogitMargin())
    result = attack(Victim(Inward(images)), images, torch.zeros(len(images), dtype=torch.int64), generator=seeded(0))
    torch.testing.assert_close((result.images - images).abs(), torch.full_like(images, 4 * GREY))
