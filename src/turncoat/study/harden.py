"""A training from its plan to the weights on disk."""

from __future__ import annotations

import importlib
import inspect
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import nn

from turncoat.core.errors import UserError
from turncoat.data.load import DATASETS, Reader
from turncoat.models.load import NETWORKS, load_network
from turncoat.study.dataset import DataSet, located, options_of, under
from turncoat.study.plan import DataSpec, budget
from turncoat.study.registry import call, choose
from turncoat.study.training import NetworkSpec, RecipeSpec, TrainingPlan
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

    began = time.monotonic()
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
        "seconds": round(time.monotonic() - began, 1),
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


def build(spec: NetworkSpec, samples: Samples, root: Path, *, seed: int) -> tuple[nn.Module, dict[str, JsonValue]]:
    """The network with as many outputs as the data ask for and initial weights from `seed`; and its options."""
    options: dict[str, JsonValue] = {**_outputs(spec.source, samples), **spec.options}
    weights = None if spec.weights is None else under(root, spec.weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = load_network(
            located(root, spec.source), weights=weights, options=options_of(root, options), key_prefix=spec.key_prefix
        )
    return network, options


def _located(source: str, root: Path) -> str:
    """The source of a network with its path, if it is a file, taken from `root`."""
    scheme, _, path = source.partition(":")
    return f"{scheme}:{under(root, path)}" if scheme in ("onnx", "torchscript") else source


def _outputs(source: str, samples: Samples) -> dict[str, JsonValue]:
    """The option that says how many outputs the network has, if it has one of the usual names."""
    if "label" in samples.truth:
        count = max(int(samples.truth["label"].max()) + 1, len(samples.names.get("label", ())))
        names = ["classes", "num_classes"]
    elif "attributes" in samples.truth:
        count = samples.truth["attributes"].shape[1]
        names = ["attributes", "classes", "num_classes"]
    else:
        held = ", ".join(sorted(samples.truth)) or "nothing"
        raise UserError(f"training needs labels, people or attributes; {samples.name} holds {held}")
    taken = _parameters(source)
    return next(({name: count} for name in names if name in taken), {})


def _parameters(source: str) -> set[str]:
    """The options that the maker of a network takes; one of ours that passes options on takes `classes` among them."""
    scheme, _, name = source.partition(":")
    if scheme == "timm":
        return {"num_classes"}
    make: object = None
    if scheme == "turncoat":
        make = NETWORKS.get(name)
    elif scheme == "python":
        module, _, function = name.partition(":")
        try:
            make = getattr(importlib.import_module(module), function, None)
        except (ImportError, ValueError):  # told in full when the network is loaded
            return set()
    if not callable(make):
        return set()
    found = inspect.signature(make).parameters.values()
    open_ended = scheme == "turncoat" and any(one.kind is one.VAR_KEYWORD for one in found)
    return {one.name for one in found} | ({"classes"} if open_ended else set())


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
