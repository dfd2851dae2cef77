"""A training from its plan to the weights on disk."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.load import DATASETS, Reader
from turncoat.models.victims import sight_of
from turncoat.study.dataset import DataSet
from turncoat.study.network import build
from turncoat.study.registry import call, choose
from turncoat.study.specs import DataSpec, budget
from turncoat.study.training import RecipeSpec, TrainingPlan
from turncoat.study.versions import versions
from turncoat.tasks.samples import Samples
from turncoat.training.fit import Progress, fit
from turncoat.training.labelled import labelled
from turncoat.training.match import require_match
from turncoat.training.recipe import Recipe
from turncoat.training.recipes.registry import RECIPES
from turncoat.training.save import require_writable, save_weights, write_whole
from turncoat.training.trainee import Trainee


def harden(
    plan: TrainingPlan,
    root: Path,
    out: Path,
    *,
    report: Callable[[Progress], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> Path:
    """Train what the plan describes; write the weights to `out`, and what they are and cost to a JSON file beside it.

    `root` is the folder that relative paths of the plan start from. Nothing is written before the end.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out}: weights are written as .safetensors, choose such a name")
    recipe = make_recipe(plan.recipe)
    samples = training_samples(plan.data, root)
    network, options = build(plan.network, samples, root, seed=plan.seed)
    spec = plan.network
    sight = sight_of(network, size=spec.size, mean=spec.mean, std=spec.std)
    trainee = Trainee(network, reads=spec.reads, taps=spec.taps, size=sight.size, mean=sight.mean, std=sight.std)
    require_match(trainee, samples)
    beside = out.with_suffix(".json")
    for path in (out, beside):
        require_writable(path)
    told: list[Progress] = []

    def keep(progress: Progress) -> None:
        told.append(progress)
        report(progress)

    fit(trainee, recipe, samples, plan.schedule, seed=plan.seed, report=keep, tick=tick)
    save_weights(network, out)
    account = _account(plan, told[-1], options=options, sight=asdict(sight), samples=len(samples))
    write_whole(beside, (json.dumps(account, indent=1) + "\n").encode())
    return out


def make_recipe(spec: RecipeSpec) -> Recipe:
    """The recipe a plan names; lengths may be written as fractions of 255."""
    options = {key: budget(value) for key, value in spec.options.items()}
    return call(choose(RECIPES, spec.name, "recipe"), f"recipe {spec.name}", options)


def training_samples(spec: DataSpec, root: Path) -> Samples:
    """The training split of a data set, with labels."""
    reader = DATASETS.get(spec.name)
    function = reader.resolve() if isinstance(reader, Reader) else reader
    splits = function is not None and "split" in inspect.signature(function).parameters
    if splits and "split" not in spec.options:
        spec = DataSpec.model_validate({**spec.model_dump(), "split": "train"})
    samples = labelled(DataSet(spec, root, limit=None, shard=1).samples)
    if not len(samples):
        raise UserError(f"{samples.name} has no samples to train on")
    return samples


def _account(plan: TrainingPlan, last: Progress, **facts: object) -> dict[str, object]:
    """What was trained, by the plan and in fact, where it ended and what it cost."""
    return {
        **json.loads(plan.model_dump_json()),
        **facts,
        "epochs": last.epoch,
        "loss": last.loss,
        "parts": dict(last.parts),
        **asdict(last.passes),
        "seconds": round(last.seconds, 1),
        "versions": versions(),
    }
