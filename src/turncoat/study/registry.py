"""Names from outside, and the objects they stand for."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from turncoat.attacks.attack import Attack
from turncoat.attacks.elsewhere import OnLayer
from turncoat.attacks.presets import features, gradient, rankings, released, transfer, universal
from turncoat.attacks.saved import Saved
from turncoat.attacks.universal import Universal
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.truth import Columns
from turncoat.defenses.purifier import Purifier
from turncoat.defenses.transforms import BitDepth, Jpeg
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.guides import Guided
from turncoat.objectives.labels import CrossEntropy, DifferenceOfLogitsRatio, LogitMargin
from turncoat.study.specs import AttackSpec, DefenseSpec, TaskSpec, budget
from turncoat.tasks.attributes import AttributeRecognition
from turncoat.tasks.classification import Classification
from turncoat.tasks.ranking import ranking
from turncoat.tasks.retrieval import Retrieval
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Task
from turncoat.tasks.verification import Verification

TASKS: Mapping[str, Callable[..., Task]] = {
    "attributes": AttributeRecognition,
    "classification": Classification,
    "ranking": ranking,
    "retrieval": Retrieval,
    "verification": Verification,
}
DEFENSES: Mapping[str, Callable[..., Purifier]] = {"bit_depth": BitDepth, "jpeg": Jpeg}
ATTACKS: Mapping[str, Callable[..., Attack]] = {
    "apgd": gradient.apgd,
    "apgd_dlr": gradient.apgd_dlr,
    "apgd_targeted": gradient.apgd_targeted,
    "bim": gradient.bim,
    "cw": gradient.cw,
    "es": rankings.es,
    "fgsm": gradient.fgsm,
    "fna": rankings.fna,
    "label_smoothing": gradient.label_smoothing,
    "least_likely": gradient.least_likely,
    "mifgsm": gradient.mifgsm,
    "noise": gradient.noise,
    "pgd": gradient.pgd,
    "pire": features.pire,
    "robrank": rankings.robrank,
    "saved": Saved,
    "sma": features.sma,
    "sign_noise": partial(gradient.noise, sign=True),
    "sma_released": released.sma_released,
    "tma": features.tma,
    "tma_targeted": rankings.tma_targeted,
    "transferable": transfer.transferable,
    "universal": universal.universal,
    "uturn": features.uturn,
    "uturn_released": released.uturn_released,
}
OBJECTIVES: Mapping[str, Callable[[], Objective]] = {
    "cross_entropy": CrossEntropy,
    "cross_entropy_predicted": partial(CrossEntropy, predicted=True),
    "dlr": DifferenceOfLogitsRatio,
    "feature_distance": FeatureDistance,
    "furthest_negative": Guided,
    "margin": LogitMargin,
    "opposite_direction": OppositeDirection,
}
Made = TypeVar("Made")


def make_task(spec: TaskSpec) -> Task:
    """The task a study names."""
    return call(choose(TASKS, spec.name, "task"), f"task {spec.name}", spec.options)


def make_defense(spec: DefenseSpec) -> Purifier:
    """The purifier a study names."""
    return call(choose(DEFENSES, spec.name, "defense"), f"defense {spec.name}", spec.options)


def make_attack(spec: AttackSpec, eps: float, task: Task, context: Columns | None = None) -> Attack:
    """The attack a study names, at one budget, against what the task holds dear unless an objective is named.

    `context` is what the attacker knows of the data set; without it an attack that looks at the gallery cannot run.
    """
    preset = choose(ATTACKS, spec.name, "attack")
    if "eps" in spec.options:
        raise UserError(f"attack {spec.name}: the budget is not an option, write budgets: [{spec.options['eps']}]")
    if math.isinf(eps) and spec.name != "cw":
        raise UserError(f"attack {spec.name} needs a finite budget; only cw does without")
    options = {key: budget(value) if key in ("size", "lr") else value for key, value in spec.options.items()}
    own: dict[str, object] = {"eps": eps}
    if "objective" in inspect.signature(preset).parameters:
        own["objective"] = _objective(spec, task, context)
    elif spec.objective is not None:
        raise UserError(f"attack {spec.name} has an objective of its own: leave {spec.objective!r} out")
    attack = call(preset, f"attack {spec.name}", options, own=own)
    unknown = [name for name in wants(attack) if name not in task.offers]
    if unknown:
        raise UserError(f"attack {spec.name} wants {', '.join(unknown)}, which {task.name} does not give: leave it out")
    if spec.learn_on is not None and not isinstance(attack, Universal):
        raise UserError(f"attack {spec.name} learns from no data: leave `learn_on` out")
    return attack if spec.layer is None else _elsewhere(attack, spec, spec.layer)


def _elsewhere(attack: Attack, spec: AttackSpec, layer: str) -> Attack:
    """The attack on another layer, where all that it needs is what the layer says of the images themselves."""
    if (
        not isinstance(getattr(attack, "objective", None), (OppositeDirection, FeatureDistance))
        or spec.learn_on is not None
    ):
        raise UserError(
            f"attack {spec.name} cannot be aimed at layer {layer!r}: that is for attacks on an image's own descriptor, "
            "like uturn, sma, pire and tma"
        )
    return OnLayer(attack, layer)


def wants(attack: Attack) -> tuple[str, ...]:
    """The columns of truth that a task makes only for those who ask, as this attack does."""
    objective = getattr(attack, "objective", None)
    return objective.wants if isinstance(objective, Objective) else ()


def truth_for(attack: Attack, task: Task, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
    """What an attack is told of the given rows: their truth, and the guides that it wants beside it."""
    truth = task.truth(samples, rows, context)
    asked = [name for name in wants(attack) if name not in truth]
    return {**truth, **task.guides(asked, samples, rows, context)}


def _objective(spec: AttackSpec, task: Task, context: Columns | None) -> Objective:
    if spec.objective is not None:
        return choose(OBJECTIVES, spec.objective, "objective")()
    if spec.name != "cw":
        return task.objective if context is None else task.intention(context)
    if task.margin is None:
        raise UserError(f"attack cw needs a margin, which {task.name} has not: leave it out there")
    return task.margin


def choose(table: Mapping[str, Made], name: str, kind: str) -> Made:
    """The entry of that name, or an error that suggests the nearest."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(table)}"
    raise UserError(f"there is no {kind} {name!r}: {hint}")


def call(
    make: Callable[..., Made], what: str, options: Mapping[str, object], *, own: Mapping[str, object] | None = None
) -> Made:
    """Call with options that come from outside, a wrong one of which is the user's error, and with some of our own."""
    own = own or {}
    parameters = inspect.signature(make, eval_str=True).parameters
    known = [name for name in parameters if name not in own]
    for name in options:
        if name not in known:
            raise UserError(f"{what} has no option {name!r}; it has {', '.join(known) or 'none'}")
    try:
        return make(**own, **{name: _typed(value, parameters[name], what) for name, value in options.items()})
    except TypeError as error:
        raise UserError(f"{what}: {error}") from None


def _typed(value: object, parameter: inspect.Parameter, what: str) -> object:
    """The value as the type that the parameter asks for, where a study can write it."""
    try:
        settings = ConfigDict(arbitrary_types_allowed=True)
        made: object = TypeAdapter(parameter.annotation, config=settings).validate_python(value)
    except ValidationError as error:
        raise UserError(f"{what}: {parameter.name}: {error.errors()[0]['msg'].lower()} (given {value!r})") from None
    return made
