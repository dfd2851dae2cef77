"""Who walks the street: everything about a person that stays the same from one picture to the next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from turncoat.data.street import wardrobe
from turncoat.data.street.labels import describe
from turncoat.data.street.palette import EYES, GREYED, HAIR, SKIN, Colour, jitter, mix, pick
from turncoat.data.street.wardrobe import Wear


@dataclass(frozen=True)
class Build:
    """The body: `height` and widths in metres, `girth` and `legs` as factors about 1, `stoop` in radians."""

    height: float
    shoulder: float
    chest: float
    waist: float
    hip: float
    girth: float
    stoop: float
    stride: float


@dataclass(frozen=True)
class Hair:
    """`style` is one of bald, buzz, short, side, curly, bob, long, ponytail, bun."""

    style: str
    colour: Colour
    volume: float
    hairline: float

    @property
    def long(self) -> bool:
        """Whether it falls below the chin when let down."""
        return self.style in ("long", "ponytail", "bun", "bob")


@dataclass(frozen=True)
class Face:
    """The face; lengths are factors about 1 unless said otherwise, `beard` is none, stubble, moustache or full."""

    width: float
    jaw: float
    chin: float
    eye_size: float
    eye_tilt: float
    eye_colour: Colour
    brow_thick: float
    brow_lift: float
    brow_angle: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_drop: float
    lips: float
    ears: float
    cheeks: float
    beard: str
    freckles: bool
    mole: tuple[float, float] | None
    lines: float


@dataclass(frozen=True)
class Person:
    """One inhabitant; two people with the same `identity` are the same person."""

    identity: int
    female: bool
    age: str
    skin: Colour
    build: Build
    hair: Hair
    face: Face
    wear: Wear

    @staticmethod
    def sample(identity: int) -> Person:
        """The person with this number (0 or above); always the same one."""
        return _sample(int(identity))

    def attributes(self) -> tuple[int, ...]:
        """The person's row of the attribute table, in the order of `ATTRIBUTES`."""
        return describe(self)


GUARDS = 9_000_000
"""From this number on people are guards, who all wear one uniform and carry nothing."""


@lru_cache(maxsize=4096)
def _sample(identity: int) -> Person:
    rng = np.random.default_rng([identity, 7])
    female = bool(rng.random() < 0.48)
    age = pick(rng, {"young": 0.36, "adult": 0.42, "elder": 0.22})
    tone = min(len(SKIN) - 1.001, float(rng.beta(1.1, 1.7)) * len(SKIN))
    skin = jitter(rng, mix(SKIN[int(tone)], SKIN[min(int(tone) + 1, len(SKIN) - 1)], tone % 1), 0.25)
    hair = _hair(rng, female, age, tone)
    build = _build(rng, female, age)
    face = _face(rng, female, age, tone)
    wear = wardrobe.sample(rng, female=female, age=age, bald=hair.style == "bald")
    return Person(
        identity=identity,
        female=female,
        age=age,
        skin=skin,
        build=build,
        hair=hair,
        face=face,
        wear=wardrobe.uniformed(wear) if identity >= GUARDS else wear,
    )


def _build(rng: np.random.Generator, female: bool, age: str) -> Build:
    height = float(np.clip(rng.normal(1.65 if female else 1.78, 0.065), 1.48, 1.98))
    height -= {"young": 0.0, "adult": 0.0, "elder": 0.05}[age]
    girth = float(np.clip(rng.normal({"young": 0.95, "adult": 1.04, "elder": 1.1}[age], 0.1), 0.8, 1.4))
    chest = height * (0.098 if female else 0.107) * (0.6 + 0.4 * girth)
    return Build(
        height=height,
        shoulder=height * (0.109 if female else 0.125) * float(rng.uniform(0.95, 1.06)),
        chest=chest,
        waist=height * (0.08 if female else 0.093) * (0.35 + 0.65 * girth),
        hip=height * (0.1 if female else 0.094) * (0.6 + 0.4 * girth),
        girth=girth,
        stoop=float(rng.uniform(0.12, 0.32)) if age == "elder" else float(rng.uniform(0.0, 0.06)),
        stride=float(rng.uniform(0.85, 1.15)) * (0.7 if age == "elder" else 1.0),
    )


def _hair(rng: np.random.Generator, female: bool, age: str, tone: float) -> Hair:
    colour = pick(rng, HAIR if tone < 4.5 else {(24, 21, 21): 0.75, (46, 33, 27): 0.25})
    if age == "elder" or (age == "adult" and rng.random() < 0.12):
        colour = pick(rng, GREYED)
    elder = age == "elder"
    if female:
        styles = {"bob": 0.22, "long": 0.1 if elder else 0.36, "ponytail": 0.2, "bun": 0.13, "curly": 0.12}
        styles |= {"short": 0.4 if elder else 0.05}
    else:
        styles = {"buzz": 0.2, "short": 0.34, "side": 0.26, "curly": 0.1, "long": 0.06}
        styles |= {"bald": {"young": 0.02, "adult": 0.12, "elder": 0.3}[age]}
    return Hair(
        style=pick(rng, styles),
        colour=jitter(rng, colour, 0.5),
        volume=float(rng.uniform(0.85, 1.2)),
        hairline=float(rng.uniform(0.9, 1.1)) + (0.12 if not female and age != "young" else 0.0),
    )


def _face(rng: np.random.Generator, female: bool, age: str, tone: float) -> Face:
    def about(mean: float, spread: float) -> float:
        return mean * float(np.clip(1 + spread * rng.normal(), 1 - 2.2 * spread, 1 + 2.2 * spread))

    beards = {"none": 0.5, "stubble": 0.17, "moustache": 0.08, "full": 0.25}
    mole = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(0.2, 0.9)))
    return Face(
        width=about(0.97 if female else 1.03, 0.055),
        jaw=about(0.84 if female else 0.98, 0.09),
        chin=about(0.97 if female else 1.03, 0.05),
        eye_size=about(1.08 if female else 0.95, 0.11),
        eye_tilt=float(rng.normal(0, 0.09)),
        eye_colour=jitter(rng, pick(rng, EYES if tone < 3.5 else {(58, 36, 22): 1.0}), 0.4),
        brow_thick=about(0.75 if female else 1.2, 0.25),
        brow_lift=about(1.0, 0.14),
        brow_angle=float(rng.normal(0, 0.13)),
        nose_length=about(1.0, 0.11),
        nose_width=about(0.9 if female else 1.05, 0.15),
        mouth_width=about(1.0, 0.11),
        mouth_drop=about(1.0, 0.05),
        lips=about(1.15 if female else 0.9, 0.22),
        ears=about(1.0, 0.15),
        cheeks=float(rng.uniform(0.0, 1.0)),
        beard="none" if female else pick(rng, beards),
        freckles=bool(rng.random() < 0.12 and tone < 2),
        mole=mole if rng.random() < 0.15 else None,
        lines={"young": 0.0, "adult": 0.25, "elder": 1.0}[age] * float(rng.uniform(0.6, 1.0)),
    )
