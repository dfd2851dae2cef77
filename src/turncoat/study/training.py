"""The validated description of a training, and where it comes from: a file, the command line, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import yaml
from pydantic import Field, JsonValue, ValidationError, model_validator

from turncoat.core.errors import UserError
from turncoat.study.plan import explain
from turncoat.study.settings import change
from turncoat.study.specs import Channels, DataSpec, Named, Strict
from turncoat.training.schedule import Schedule

BUILT_IN: Mapping[str, JsonValue] = {
    "network": {"source": "turncoat:small_reid"},
    "data": {"name": "street_retrieval"},
    "recipe": {"name": "natural"},
}
"""What is trained where nothing else is said."""


class NetworkSpec(Strict):
    """The network to train and how it sees pixels; `weights` are where it starts from. See `load_victim`.

    A bare string is the source alone. The number of classes, or of attributes, is taken from the data where `options`
    do not give it.
    """

    source: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    weights: str | None = None
    key_prefix: str = ""
    reads: str = "logits"
    taps: dict[str, str] = Field(default_factory=dict)
    size: tuple[int, int] | None = None
    mean: Channels | None = None
    std: Channels | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"source": value} if isinstance(value, str) else value


class RecipeSpec(Named):
    """One of the recipes, with its options."""


class TrainingPlan(Strict):
    """One network trained by one recipe on one data set; of a reader with splits, the training split."""

    name: str = Field(pattern=r"^\w(\.?[\w-])*$")  # it names a file
    title: str | None = None
    network: NetworkSpec
    data: DataSpec
    recipe: RecipeSpec
    schedule: Schedule = Schedule()
    seed: int = Field(default=0, ge=0, lt=2**63)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: object) -> object:
        """Settings put every data set into a list; here there is one."""
        if isinstance(value, Mapping) and isinstance(data := value.get("data"), list) and len(data) == 1:
            return {**value, "data": data[0]}
        return value


def load_training(
    path: Path | None,
    *,
    recipe: str | None = None,
    network: str | None = None,
    data: str | None = None,
    settings: Sequence[str] = (),
) -> TrainingPlan:
    """Read a training from YAML, or take the built-in one; then change it by names and `key.path=value` settings.

    Another recipe, network or data set than the file's comes without the file's options for it, and a recipe that is
    given adds its name to the training's, so that several can be compared. Raises UserError with one line that names
    the key and its fault.
    """
    document = _read(path) if path is not None else deepcopy(dict(BUILT_IN))
    for key, name in (("recipe", recipe), ("network", network), ("data", data)):
        if name is not None and _name(document.get(key)) != name:
            document[key] = name
    chosen: list[object] = [_name(document.get("data"))] if path is None else [document.get("name", path.stem)]
    if path is None or recipe is not None:
        chosen.append(_name(document.get("recipe")))
    document["name"] = "_".join(map(str, chosen))
    for setting in settings:
        _write_out(document)
        change(document, setting)
    try:
        return TrainingPlan.model_validate(document)
    except ValidationError as error:
        parts = [explain(part, single=False) for part in error.errors()[:3]]
        raise UserError(f"{path or 'the training'}: {'; '.join(parts)}") from None


def _read(path: Path) -> dict[str, JsonValue]:
    if not path.is_file():
        raise UserError(f"there is no training {path}: give the path of a YAML file, or none for the built-in one")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a training: it must be a mapping with network, data, recipe and schedule")
    return document


def _write_out(document: dict[str, JsonValue]) -> None:
    """Make mappings of bare names, so that a setting can add to them."""
    for key, called in (("recipe", "name"), ("network", "source"), ("data", "name")):
        part = document.get(key)
        (only,) = part if isinstance(part, list) and len(part) == 1 else (part,)  # a setting made a list of the data
        if isinstance(only, str):
            document[key] = {called: only}


def _name(part: object) -> object:
    """What a recipe, network or data set in a document is called."""
    return part.get("name", part.get("source")) if isinstance(part, dict) else part
