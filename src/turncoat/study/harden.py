"""A training from its plan to the weights on disk."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.load import DATASETS, Reader
from turncoat.study.dataset import DataSet
from turncoat.study.network import build
from turncoat.study.plan import DataSpec, budget
from turncoat.study.registry import call, choose
from turncoat.study.training import RecipeSpec, TrainingPlan
from turncoat.study.versions import versions
from turncoat.tasks.samples import Samples
from turncoat.training.craft import as_victim
from turncoat.training.fit import Progress, fit
from turncoat.training.labelled import labelled
from turncoat.training.recipe import Recipe
from turncoat.training.recipes.registry import RECIPES
from turncoat.training.save import save_weights, write_whole
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
    trainee = Trainee(network, reads=spec.reads, taps=spec.taps, size=spec.size, mean=spec.mean, std=spec.std)
    _check(trainee, samples)
    out.parent.mkdir(parents=True, exist_ok=True)  # a folder that cannot be is told before the work, not after it
    told: list[Progress] = []

    def keep(progress: Progress) -> None:
        told.append(progress)
        report(progress)

    fit(trainee, recipe, samples, plan.schedule, seed=plan.seed, report=keep, tick=tick)
    last = told[-1]
    account = {
        **json.loads(plan.model_dump_json()),
        "options": options,
        "samples": len(samples),
        "epochs": last.epoch,
        "loss": last.loss,
        "parts": dict(last.parts),
        **asdict(last.passes),
        "seconds": round(last.seconds, 1),
        "versions": versions(),
    }
    save_weights(network, out)
    write_whole(out.with_suffix(".json"), (json.dumps(account, indent=1) + "\n").encode())
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
    return labelled(DataSet(spec, root, limit=None, shard=1).samples)


def _check(trainee: Trainee, samples: Samples) -> None:
    """Look at one image, so that a network that does not fit shows before the work begins."""
    if not len(samples):
        raise UserError(f"{samples.name} has no samples to train on")
    with as_victim(trainee) as victim:
        given = victim.predict(samples.images([0])).given
    if "logits" not in given or "label" not in samples.truth:
        return
    classes, needed = given["logits"].shape[-1], int(samples.truth["label"].max()) + 1
    if classes < needed:
        raise UserError(f"{samples.name} has {needed} classes, but the network knows {classes}: give it {needed}")
