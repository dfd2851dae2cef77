"""The four small victims of the built-in world, with the weights that ship with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from torch import nn

from turncoat.core.errors import UserError
from turncoat.models.small import small_attributes, small_classifier, small_face, small_reid
from turncoat.models.state import load_state

BUILTIN: Mapping[str, Callable[[], nn.Module]] = {
    "street_classification": lambda: small_classifier(20),
    "street_attributes": lambda: small_attributes(28),
    "street_retrieval": lambda: small_reid(200),
    "street_verification": lambda: small_face(240),
}


def weights_file(name: str) -> Path:
    """Where the weights of a built-in victim lie."""
    return Path(str(files("turncoat.models") / "weights" / f"{name}.safetensors"))


def load_builtin(name: str) -> nn.Module:
    """A built-in victim, trained; `turncoat demo --retrain` makes the weights again."""
    if name not in BUILTIN:
        raise UserError(f"there is no built-in victim {name!r}; there are {', '.join(BUILTIN)}")
    network = BUILTIN[name]()
    load_state(network, weights_file(name))
    return network
