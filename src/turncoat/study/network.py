"""The network of a training, with as many outputs as the data ask for."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from pydantic import JsonValue
from torch import nn

from turncoat.core.errors import UserError
from turncoat.models.load import NETWORKS, load_network
from turncoat.study.dataset import located, options_of, under
from turncoat.study.training import NetworkSpec
from turncoat.tasks.samples import Samples


def build(spec: NetworkSpec, samples: Samples, root: Path, *, seed: int) -> tuple[nn.Module, dict[str, JsonValue]]:
    """The network with as many outputs as the data ask for and initial weights from `seed`; and its options."""
    options: dict[str, JsonValue] = {**_outputs(spec.source, samples), **spec.options}
    weights = None if spec.weights is None else under(root, spec.weights)
    network = load_network(
        located(root, spec.source),
        weights=weights,
        options=options_of(root, options),
        key_prefix=spec.key_prefix,
        seed=seed,
    )
    return network, options


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
