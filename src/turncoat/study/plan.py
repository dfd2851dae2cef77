"""The validated description of a study; an unknown key or a wrong value is an error before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, TypeVar

import yaml
from pydantic import (
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from turncoat.core.errors import UserError
from turncoat.study.settings import change, every_threat, in_lists
from turncoat.study.specs import AttackSpec, Budget, DataSpec, DefenseSpec, Strict, TaskSpec, TransferSpec, VictimSpec

_Value = TypeVar("_Value")
RESERVED = ("clean", "worst")  # what the rows without an attack and of the worst of all attacks are called


class Audit(Strict):
    """One task: every victim on every data set, behind nothing and behind every defence, under every attack."""

    task: TaskSpec
    data: tuple[DataSpec, ...]
    victims: tuple[VictimSpec, ...]
    defenses: tuple[DefenseSpec, ...] = ()
    attacks: tuple[AttackSpec, ...]
    budgets: tuple[Budget, ...] = ()
    seeds: tuple[int, ...] = (0,)
    shard: int = Field(default=128, ge=1)
    transfer: TransferSpec | None = None

    @property
    def ensembles(self) -> dict[str, tuple[str, ...]]:
        return self.transfer.ensembles if self.transfer else {}

    @model_validator(mode="before")
    @classmethod
    def _single(cls, value: object) -> object:
        """One data set or victim may stand without a list."""
        return in_lists(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _tellable(self) -> Self:
        """Something is there to audit, every row of the table has a name of its own, and every attack a budget."""
        empty = next((key for key in ("data", "victims", "seeds") if not getattr(self, key)), None)
        if empty is not None:
            raise ValueError(f"{empty}: at least one is needed")
        labels = {
            "data": [spec.label or spec.name for spec in self.data],
            "victims": [spec.name for spec in self.victims],
            "attacks": [spec.label or spec.name for spec in self.attacks],
        }
        for key, names in labels.items():
            if (twice := _twice(names)) is not None:
                raise ValueError(f"{key} holds {twice!r} twice: give each a label (a victim a name) of its own")
        numbers = {"seeds": self.seeds, "budgets": self.budgets}
        numbers |= {f"attacks: budgets of {spec.label or spec.name}": spec.budgets or () for spec in self.attacks}
        for key, values in numbers.items():
            if (again := _twice(values)) is not None:
                raise ValueError(f"{key}: {again} is there twice, leave one out")
        taken = next((name for name in labels["attacks"] if name in RESERVED), None)
        if taken is not None:
            raise ValueError(f"attacks: the label {taken!r} is taken, choose another")
        if not self.budgets and any(spec.budgets is None for spec in self.attacks):
            raise ValueError("budgets: none are given, for example budgets: [8/255]")
        return self

    @model_validator(mode="after")
    def _carried_over(self) -> Self:
        """The transfer names victims and attacks that are there."""
        if self.transfer is None:
            return self
        victims = [spec.name for spec in self.victims]
        attacks = [spec.label or spec.name for spec in self.attacks]
        members = [name for names in self.transfer.ensembles.values() for name in names]
        wanted = [*(self.transfer.surrogates or ()), *(self.transfer.targets or ()), *members]
        for key, names, known in (("victim", wanted, victims), ("attack", self.transfer.attacks or (), attacks)):
            strange = next((name for name in names if name not in known), None)
            if strange is not None:
                raise ValueError(f"transfer: there is no {key} {strange!r}; there are {', '.join(known)}")
        if any(not name or not names for name, names in self.transfer.ensembles.items()):
            raise ValueError("transfer: every ensemble needs a name, and at least one victim")
        budgets = {eps for spec in self.attacks for eps in (self.budgets if spec.budgets is None else spec.budgets)}
        if any(eps not in budgets for eps in self.transfer.budgets or ()):
            raise ValueError("transfer: budgets must be among those of the audit")
        named = {"surrogates": self.transfer.surrogates, "targets": self.transfer.targets}
        again = next((f"{key} holds {twice!r}" for key, names in named.items() if (twice := _twice(names or ()))), None)
        if again is not None:
            raise ValueError(f"transfer: {again} twice")
        taken = next((name for name in self.transfer.ensembles if name in victims), None)
        if taken is not None:
            raise ValueError(f"transfer: the ensemble {taken!r} has the name of a victim, choose another")
        if len(self.victims) + len(self.transfer.ensembles) < 2:
            raise ValueError("transfer: two victims at least are needed, one to craft on and another to score on")
        return self


class Study(Strict):
    """One or more audits under a name; a file that describes a single audit may leave `audits` out."""

    name: str = Field(pattern=r"^\w(\.?[\w-])*\.?$")  # it names a folder: no '..', and no dot or dash in front
    title: str | None = None
    audits: tuple[Audit, ...]
    limit: int | None = Field(default=None, ge=1)
    pictures: int = Field(default=6, ge=0)
    features: int = Field(default=256, ge=0)
    backend: Literal["process"] = "process"

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        if "audits" in value:
            return {**value, "audits": every_threat(value["audits"])}
        own = {key: item for key, item in value.items() if key in cls.model_fields}
        audit = {key: item for key, item in value.items() if key not in cls.model_fields}
        return {**own, "audits": every_threat([audit])}

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.audits:
            raise ValueError("audits: at least one is needed")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        """No two audits have rows of the same names."""
        rows = [
            (audit.task.title, data.label or data.name, victim.name)
            for audit in self.audits
            for data in audit.data
            for victim in audit.victims
        ]
        if (twice := _twice(rows)) is not None:
            raise ValueError(f"audits: {' of '.join(twice)} is there twice: give the data a label or the victim a name")
        return self


def load_study(path: Path, settings: tuple[str, ...] = ()) -> Study:
    """Read a study from YAML, change it by `key.path=value` settings, and check it.

    Raises UserError with one line that names the file, the key and what is wrong with it.
    """
    if not path.is_file():
        raise UserError(f"there is no study {path}: give the path of a YAML file")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a study: it must be a mapping with name, task, data, victims and attacks")
    document.setdefault("name", path.stem)
    for setting in settings:
        change(document, setting)
    try:
        return Study.model_validate(document)
    except ValidationError as error:
        parts = [explain(part, single="audits" not in document) for part in error.errors()[:3]]
        raise UserError(f"{path}: {'; '.join(parts)}") from None


def _twice(values: Sequence[_Value]) -> _Value | None:
    """The first that is there more than once."""
    return next((value for value in values if values.count(value) > 1), None)


def explain(error: ErrorDetails, *, single: bool) -> str:
    """Where in the file, what is wrong, and what stands there; `single` files have no `audits` around their keys."""
    where = ".".join(
        str(part) for part in (error["loc"][2:] if single and error["loc"][:1] == ("audits",) else error["loc"])
    )
    if error["type"] == "value_error":  # one of our own, which names its key
        return f"{where}: {error['ctx']['error']}" if where else str(error["ctx"]["error"])
    unknown = error["type"] in ("extra_forbidden", "unexpected_keyword_argument")
    message = "this key is unknown" if unknown else error["msg"].lower()
    given = error["input"]
    shown = "" if error["type"] == "missing" or isinstance(given, (dict, list)) else f" (given {given!r})"
    return f"{where}: {message}{shown}"
