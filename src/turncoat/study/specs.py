"""What a study names and how: a data set, a victim, an attack, a defence, each with its options."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from turncoat.study.roundtrip import RoundTrip


def budget(value: object) -> object:
    """A length in pixel units; '8/255' is read as the fraction it is, anything else stays what it is."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*/\s*(\d+\.?\d*|\.\d+)\s*", value)):
        return float(match[1]) / float(match[2]) if float(match[2]) else value
    return value


def _of_channels(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) not in (1, 3):
        raise ValueError(f"one number is needed, or one for each of the three channels, not {len(values)}")
    return values


Budget = Annotated[float, BeforeValidator(budget), Field(ge=0)]
Channels = Annotated[tuple[float, ...], AfterValidator(_of_channels)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Named(BaseModel):
    """A name and the options of what it names; a bare string is a name without options."""

    model_config = ConfigDict(extra="allow", frozen=True, ser_json_inf_nan="strings")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, object]:
        return dict(self.model_extra or {})


class TaskSpec(Named):
    """One of the tasks, with its options; `threat: all` of `ranking` is short for an audit of each threat."""

    @property
    def title(self) -> str:
        return " ".join([self.name, *[str(self.options[key]) for key in ("threat",) if key in self.options]])


class DataSpec(Named):
    """One of the readers, with its options; `label` is what the report calls it."""

    label: str | None = None


class DefenseSpec(Named):
    """One of the purifiers, with its options."""


class AttackSpec(Named):
    """One of the presets, with its options.

    `budgets` replaces those of the audit; `objective` names another intention; `spend` lets the attack go on after a
    sample is broken; `roundtrip` saves and reloads the images before they are judged, and adds a clean row that went
    the same way; `layer` attacks the descriptor at that layer of the victim (a path as in its `taps`) instead of the
    ranked one; `learn_on` is the data set that a universal perturbation is learnt from; `label` is what the report
    calls it.
    """

    label: str | None = None
    objective: str | None = None
    budgets: tuple[Budget, ...] | None = None
    spend: bool | None = None
    roundtrip: RoundTrip = "none"
    layer: str | None = None
    learn_on: DataSpec | None = None


class VictimSpec(Strict):
    """A network and how it is seen from pixel space; see `load_victim`."""

    name: str
    source: str
    weights: str | None = None
    key_prefix: str = ""
    reads: str | None = None
    taps: dict[str, str] = {}
    size: tuple[int, int] | None = None
    mean: Channels | None = None
    std: Channels | None = None
    options: dict[str, JsonValue] = {}
    mirror: bool = False
    scales: tuple[float, ...] = (1.0,)
    scale_power: float | Literal["learned"] = 1.0
    whitening: str | None = None

    @property
    def untrained(self) -> bool:
        """Whether it is known that all its weights are as drawn; a backbone of its own may bring trained ones."""
        brings = {"turncoat": ("backbone",), "timm": ("pretrained", "checkpoint_path")}
        scheme = self.source.partition(":")[0]
        return self.weights is None and scheme in brings and not any(map(self.options.get, brings[scheme]))


class TransferSpec(Strict):
    """Which victims are attacked with images made on which others.

    `surrogates` and `targets` are names of the audit's victims, all of them where left out; `ensembles` are surrogates
    made of several. Of the attacks, by label, and budgets of the audit, those named here are carried over, or all.
    """

    surrogates: tuple[str, ...] | None = None
    ensembles: dict[str, tuple[str, ...]] = {}
    targets: tuple[str, ...] | None = None
    attacks: tuple[str, ...] | None = None
    budgets: tuple[Budget, ...] | None = None

    def takes(self, attack: str, eps: float) -> bool:
        """Whether the images of this attack at this budget are carried over."""
        return (self.attacks is None or attack in self.attacks) and (self.budgets is None or eps in self.budgets)

    @model_validator(mode="before")
    @classmethod
    def _everything(cls, value: object) -> object:
        return {} if value is True else value
