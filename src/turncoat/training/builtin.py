"""The victims of the demo: small networks trained on the built-in world, whose weights ship with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from turncoat.data.street import sets
from turncoat.models.builtin import BUILTIN, weights_file
from turncoat.tasks.samples import Samples
from turncoat.training.fit import Progress, fit
from turncoat.training.recipes.natural import Natural
from turncoat.training.save import save_weights
from turncoat.training.schedule import Schedule

SCHEDULES = {
    "street_classification": Schedule(epochs=16),
    "street_attributes": Schedule(epochs=16),
    "street_retrieval": Schedule(epochs=6),
    "street_verification": Schedule(epochs=16),
}


def retrain(name: str, *, seed: int = 0, report: Callable[[Progress], None] = lambda _: None) -> Path:
    """Train one built-in victim from scratch and put its weights where the package looks for them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BUILTIN[name]()
    smoothing = 0.1 if name != "street_attributes" else 0.0
    trained = fit(network, Natural(smoothing), training_set(name), SCHEDULES[name], seed=seed, report=report)
    return save_weights(trained, weights_file(name))


def training_set(name: str) -> Samples:
    """The training split that belongs to a built-in victim."""
    return TRAINING_SETS[name]("train")


TRAINING_SETS: Mapping[str, Callable[[str], Samples]] = {
    "street_classification": sets.classification,
    "street_attributes": sets.attributes,
    "street_retrieval": sets.retrieval,
    "street_verification": sets.verification,
}
