"""Names and options from outside."""

from __future__ import annotations

import math
from typing import Any

import pytest

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.cw import CarliniWagner
from turncoat.attacks.noise import NoiseAttack
from turncoat.attacks.steps import Steepest
from turncoat.core.balls import L2
from turncoat.core.errors import UserError
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.labels import LogitMargin
from turncoat.study.catalogue import KINDS, catalogue
from turncoat.study.registry import ATTACKS, TASKS, make_attack, make_defense, make_task
from turncoat.study.specs import AttackSpec, DefenseSpec, TaskSpec
from turncoat.tasks.attributes import AttributeRecognition
from turncoat.tasks.classification import Classification
from turncoat.tasks.retrieval import Retrieval
from turncoat.tasks.verification import Verification


def _attack(name: str, task: str = "classification", *, eps: float = 8 / 255, **options: object) -> object:
    return make_attack(AttackSpec.model_validate({"name": name, **options}), eps, TASKS[task]())


def _error(name: str, task: str = "classification", *, eps: float = 8 / 255, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        _attack(name, task, eps=eps, **options)
    return str(caught.value)


def test_an_unknown_name_suggests_the_nearest() -> None:
    assert "'pdg'" in _error("pdg")
    assert "did you mean 'pgd'?" in _error("pdg")
    assert "there are apgd, " in _error("zzzzz")
    with pytest.raises(UserError, match="did you mean 'verification'"):
        make_task(TaskSpec(name="verificaton"))
    with pytest.raises(UserError, match="did you mean 'jpeg'"):
        make_defense(DefenseSpec(name="jpg"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stepz": 3}, "attack pgd has no option 'stepz'; it has norm, steps, size, restarts, start"),
        ({"steps": "ten"}, "attack pgd: steps: "),
        ({"steps": 2.5}, "attack pgd: steps: "),
        ({"size": "1/0"}, "attack pgd: size: "),
        ({"size": "1.2.3/4"}, "attack pgd: size: "),
        ({"start": "zero"}, "attack pgd: start: "),
        ({"norm": "l7"}, "norm is"),
    ],
)
def test_a_wrong_option_is_told(options: dict[str, Any], told: str) -> None:
    message = _error("pgd", **options)
    assert message.startswith(told), message
    assert "\n" not in message


def test_the_budget_is_no_option() -> None:
    spec = AttackSpec.model_validate({"name": "pgd", "eps": "8/255"})
    with pytest.raises(UserError, match=r"write budgets: \[8/255\]"):
        make_attack(spec, 4 / 255, Classification())


def test_options_reach_the_preset() -> None:
    attack = _attack("pgd", steps=7, size="2/255", norm="l2", restarts="2")
    assert isinstance(attack, GradientAttack)
    assert (attack.steps, attack.restarts, attack.step, attack.constraint) == (7, 2, Steepest(2 / 255), L2(8 / 255))
    signed = _attack("sign_noise")
    assert isinstance(signed, NoiseAttack)
    assert signed.sign


def test_the_budget_must_be_finite_but_for_the_smallest_change() -> None:
    attack = _attack("cw", eps=math.inf)
    assert isinstance(attack, CarliniWagner)
    assert math.isinf(attack.eps)
    assert "finite" in _error("uturn", eps=math.inf)


@pytest.mark.parametrize("task", TASKS)
def test_the_objective_is_the_tasks_unless_named(task: str) -> None:
    own = _attack("pgd", task)
    named = _attack("pgd", task, objective="feature_distance")
    assert isinstance(own, GradientAttack)
    assert isinstance(named, GradientAttack)
    assert own.objective == TASKS[task]().objective
    assert named.objective == FeatureDistance()


def test_an_attack_with_an_objective_of_its_own_takes_no_other() -> None:
    attack = _attack("uturn", "attributes")
    assert isinstance(attack, GradientAttack)
    assert attack.objective == OppositeDirection()
    assert "objective of its own" in _error("uturn", objective="dlr")


def test_the_smallest_change_takes_the_margin_of_the_task() -> None:
    attack = _attack("cw", "classification")
    assert isinstance(attack, CarliniWagner)
    assert attack.margin == LogitMargin()
    for task in ("attributes", "retrieval"):
        assert task in _error("cw", task)


def test_every_attack_is_made_for_every_task_or_says_why_not() -> None:
    refused = set()
    for name in ATTACKS:
        for task in TASKS:
            try:
                repr(_attack(name, task))
            except UserError:
                refused.add((name, task))
    no_margin = {("cw", task) for task in ("attributes", "ranking", "retrieval")}
    without = set(TASKS) - {"ranking", "retrieval"}
    no_gallery = {(name, task) for name in ("fna", "tma_targeted") for task in without}
    assert refused == no_margin | no_gallery


def test_task_options_are_checked() -> None:
    assert make_task(TaskSpec.model_validate({"name": "verification", "far": 0.1})) == Verification(far=0.1)
    assert make_task(TaskSpec.model_validate({"name": "retrieval", "junk": "none"})) == Retrieval(junk="none")
    assert make_task(TaskSpec(name="classification")) == Classification()
    assert make_task(TaskSpec(name="attributes")) == AttributeRecognition()
    for wrong in ({"name": "verification", "fra": 0.1}, {"name": "retrieval", "junk": "some"}):
        with pytest.raises(UserError, match=r"^task "):
            make_task(TaskSpec.model_validate(wrong))


@pytest.mark.parametrize(
    "wrong", [{"quality": 0}, {"quality": 96}, {"quality": "best"}, {"quality": 75.5}, {"bits": 4}]
)
def test_a_wrong_option_of_a_defense_is_told(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"quality|bits"):
        make_defense(DefenseSpec.model_validate({"name": "jpeg", **wrong}))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_in_the_catalogue_has_a_line(kind: str) -> None:
    found = catalogue(kind)
    assert found
    silent = [name for name, line in found if not line or "\n" in line]
    assert not silent


def test_the_line_of_a_data_set_is_that_of_its_own_reader() -> None:
    told = dict(catalogue("datasets"))
    assert told["street_retrieval"].startswith("Where else was this person seen?")
    assert told["lfw"].startswith("Pairs of faces from ")
    assert len(set(told.values())) == len(told)


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UserError, match="did you mean 'attacks'"):
        catalogue("atacks")
