"""What a result may not depend on, and what an attack may not touch: points 5, 12, 13, 15 and 17 of the contract."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import pytest
import torch
from contract_cases import ASKING, CASES, SPENDING, Case, named, tiny_images, tiny_victim, usual
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.core.result import AttackResult
from turncoat.core.victim import Victim

every_case = pytest.mark.parametrize("case", CASES, ids=named)


def same(one: AttackResult, other: AttackResult) -> None:
    """Equal to rounding in what was found, exactly in what it cost."""
    torch.testing.assert_close(one.images, other.images, rtol=0, atol=1e-9)
    torch.testing.assert_close(one.objective, other.objective, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(one.objective_clean, other.objective_clean, rtol=1e-7, atol=1e-9)
    assert (one.success is None) == (other.success is None)
    if one.success is not None and other.success is not None:
        assert torch.equal(one.success, other.success)
    for cost in ("forwards", "backwards", "steps_used"):
        assert torch.equal(getattr(one, cost), getattr(other, cost)), cost


def identical(one: AttackResult, other: AttackResult) -> None:
    for name, value in vars(one).items():
        twin = getattr(other, name)
        assert (value is None and twin is None) or value.numpy().tobytes() == twin.numpy().tobytes(), name


@pytest.mark.parametrize("case", [*CASES, *SPENDING], ids=named)
def test_5_a_sample_alone_equals_the_sample_in_any_batch(case: Case) -> None:
    together = usual(case.name)
    for rows in (torch.tensor([4]), torch.tensor([5, 0, 3])):
        same(case.run(rows=rows), together.take(rows))


@contextmanager
def nothing_touched(victim: Victim, images: Tensor) -> Iterator[None]:
    modules = list(victim.network.modules())
    before = _surroundings(victim, images, modules)
    yield
    after = _surroundings(victim, images, modules)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value == after[name], name


def _surroundings(victim: Victim, images: Tensor, modules: list[nn.Module]) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "torch generator": torch.get_rng_state().tolist(),
        "numpy generator": str(np.random.get_state()),
        "python generator": random.getstate(),
        "gradient mode": torch.is_grad_enabled(),
        "train or eval": [module.training for module in modules],
        "hooks": [[len(getattr(module, kind)) for kind in hooks] for module in modules],
        "weights and buffers": {key: value.tolist() for key, value in victim.network.state_dict().items()},
        "requires_grad": [weight.requires_grad for weight in victim.network.parameters()],
        "gradients": [weight.grad is None for weight in victim.network.parameters()],
        "images": (images.tolist(), images.requires_grad, images.grad is None, len(images._backward_hooks or {})),
    }


@every_case
def test_12_everything_around_an_attack_is_as_before(case: Case) -> None:
    network = tiny_victim().network.train()
    victim = Victim(network, taps={"embedding": "embed"})
    assert not any(module.training for module in network.modules())
    images = tiny_images()
    truth = case.job.truth(victim, images)
    kept = deepcopy(truth)
    with nothing_touched(victim, images):
        result = case.run(victim, images, truth=truth)
    assert all(torch.equal(truth[name], kept[name]) for name in kept)
    assert not any(value.requires_grad for value in vars(result).values() if value is not None)
    assert result.images.data_ptr() != images.data_ptr()


@every_case
def test_12_images_that_ask_for_gradients_and_a_caller_without_gradients_change_nothing(case: Case) -> None:
    images = tiny_images().requires_grad_()
    with torch.no_grad(), nothing_touched(tiny_victim(), images):
        quiet = case.run(images=images, truth=case.job.truth(tiny_victim(), images.detach()))
    identical(usual(case.name), quiet)
    loud = case.run(images=images, truth=case.job.truth(tiny_victim(), images.detach()))
    assert images.grad is None
    assert not loud.images.requires_grad
    identical(usual(case.name), loud)


@every_case
def test_13_stopping_after_any_batch_and_resuming_equals_the_uninterrupted_run(case: Case) -> None:
    batches = [torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 5])]
    victim = tiny_victim()
    uninterrupted = [case.run(victim, rows=rows) for rows in batches]
    for rows, earlier in zip(batches[1:], uninterrupted[1:], strict=True):
        identical(case.run(tiny_victim(), rows=rows), earlier)


class Tally:
    """Counts images on their way into a network, and gradients on their way out of it."""

    def __init__(self, network: nn.Module) -> None:
        self.forwards = self.backwards = 0
        network.register_forward_pre_hook(self._forward)

    def _forward(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        self.forwards += len(inputs[0])
        if inputs[0].requires_grad:
            inputs[0].register_hook(self._backward)

    def _backward(self, slope: Tensor) -> None:
        self.backwards += len(slope)


@pytest.mark.parametrize(
    ("case", "active_set"),
    [(case, True) for case in (*CASES, *SPENDING)] + [(case, False) for case in ASKING],
    ids=lambda given: given.name if isinstance(given, Case) else ("active" if given else "dense"),
)
def test_15_counted_passes_equal_hooked_passes_within_the_cost_announced(case: Case, active_set: bool) -> None:
    victim = tiny_victim()
    tally = Tally(victim.network)
    result = case.run(victim, active_set=active_set)
    assert tally.forwards == victim.passes.forwards == int(result.forwards.sum())
    assert tally.backwards == victim.passes.backwards == int(result.backwards.sum())
    forwards, backwards = case.make(case.eps).passes
    assert int(result.forwards.max()) <= forwards
    assert int(result.backwards.max()) <= backwards


@pytest.mark.parametrize("case", ASKING, ids=named)
def test_17_the_active_set_changes_the_cost_and_nothing_else(case: Case) -> None:
    sparse, dense = usual(case.name), case.run(active_set=False)
    torch.testing.assert_close(sparse.images, dense.images, rtol=0, atol=1e-9)
    torch.testing.assert_close(sparse.objective, dense.objective, rtol=1e-7, atol=1e-9)
    assert torch.equal(sparse.success, dense.success)
    assert torch.equal(sparse.steps_used, dense.steps_used)
    assert (sparse.forwards <= dense.forwards).all()
    assert (sparse.backwards <= dense.backwards).all()
    attack = case.make(case.eps)
    if isinstance(attack, GradientAttack):
        early = sparse.success & (sparse.steps_used < attack.steps) & (dense.backwards > 0)
        assert torch.equal(sparse.backwards < dense.backwards, early & (sparse.steps_used + 1 < attack.steps))
