"""What there is, by name: for `turncoat list`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from turncoat.data.load import DATASETS, Reader
from turncoat.models.builtin import BUILTIN
from turncoat.models.load import NETWORKS, SCHEMES
from turncoat.study.registry import ATTACKS, DEFENSES, TASKS, choose
from turncoat.training.recipes.registry import RECIPES

KINDS: Mapping[str, Mapping[str, object]] = {
    "attacks": ATTACKS,
    "datasets": DATASETS,
    "defenses": DEFENSES,
    "models": {
        **{f"turncoat:{name}": make for name, make in NETWORKS.items()},
        **{f"builtin:{name}": "a small network trained on the built-in world" for name in BUILTIN},
        **{f"{name}:...": make for name, make in SCHEMES.items() if name not in ("turncoat", "builtin")},
    },
    "recipes": RECIPES,
    "tasks": TASKS,
}


def catalogue(kind: str) -> list[tuple[str, str]]:
    """Names of a kind with one line each."""
    return [(name, _first_line(entry)) for name, entry in choose(KINDS, kind, "kind of thing").items()]


def _first_line(entry: object) -> str:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, partial):
        settings = ", ".join(f"{name}={value}" for name, value in entry.keywords.items())
        return f"{_first_line(entry.func)} ({settings})"
    if isinstance(entry, Reader):
        return _first_line(entry.resolve())
    return (getattr(entry, "__doc__", None) or "").strip().partition("\n")[0]
