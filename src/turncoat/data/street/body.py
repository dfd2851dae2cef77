"""A pedestrian as a camera of the street sees one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from turncoat.data.street import arms, bags, heads, legs, occluders, scenes, uppers
from turncoat.data.street.camera import Camera, camera_of, turned
from turncoat.data.street.canvas import Canvas, halved
from turncoat.data.street.light import clouds_of
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Gait, Skeleton, walk

TALL, WIDE = 128.0, 64.0
"""The picture in the units of the drawing; it may be rendered at any number of pixels."""


@dataclass(frozen=True)
class Moment:
    """What changes from one picture of a person to the next, apart from the scene and the light."""

    frame: Frame
    gait: Gait
    turn: float


def body(person: Person, camera: int, seed: int, *, height: int = 128) -> np.ndarray:
    """A picture of the person, uint8 `[height, height // 2, 3]`, RGB.

    The camera (0..5) fixes place, point of view, colours and sharpness; the seed the rest: pose, light, background,
    what stands in the way, crop and noise. The same three numbers give the same bytes.
    """
    view = camera_of(camera)
    rng = np.random.default_rng([person.identity, camera, seed, 1])
    moment = _moment(person, view, rng)
    lamp = view.light(rng)
    canvas = Canvas(WIDE, TALL, height)
    skeleton = walk(person.build, moment.gait, loaded=person.wear.side if "bag" in person.wear.carry else 0)
    _figure(canvas, person, skeleton, moment)
    occluders.draw(canvas, rng)
    albedo, cover, relief = canvas.shrunk(height / 128 * 1.3)
    rows, columns = cover.shape
    shade = lamp.shade(relief, 0.055 * height / 128)
    fabric = 1 + 0.03 * clouds_of(rng, rows, columns, 3) + 0.05 * clouds_of(rng, rows, columns, 12)
    fall = np.linspace(1.06, 0.9, rows, dtype=np.float32)[:, None]
    scene = scenes.backdrop(view, rng, (rows, columns), moment.frame)
    lit = albedo * np.clip(shade * fabric * fall, 0.12, 1.7)[..., None] + (1 - cover[..., None]) * scene
    return view.lens.photograph(halved(lit), rng, float(rng.uniform(0.78, 1.2)))


def _moment(person: Person, view: Camera, rng: np.random.Generator) -> Moment:
    span = TALL * float(rng.uniform(0.87, 0.97)) * (0.6 + 0.4 * person.build.height / 1.72)
    frame = Frame(
        yaw=turned(view.heading(rng)),
        tilt=max(0.0, view.tilt + 0.04 * float(rng.normal())),
        scale=span / person.build.height,
        x=WIDE / 2 + 2.2 * float(rng.normal()),
        ground=TALL * float(rng.uniform(0.945, 0.985)),
    )
    gait = Gait(
        phase=float(rng.uniform(0, 2 * math.pi)),
        stride=person.build.stride * float(rng.uniform(0.12, 0.5)),
        swing=float(rng.uniform(0.1, 0.5)),
        bend=float(rng.uniform(0.15, 0.7)),
    )
    return Moment(frame, gait, 0.3 * float(rng.normal()))


def _figure(canvas: Canvas, person: Person, skeleton: Skeleton, moment: Moment) -> None:
    frame, carry = moment.frame, person.wear.carry
    tube = uppers.garment(person, skeleton, frame)
    facing = math.cos(frame.yaw)
    for side in (0, 1):
        if arms.is_far(skeleton, frame, side):
            _arm(canvas, person, skeleton, frame, side)
    if carry == "backpack" and facing > -0.2:
        bags.backpack(canvas, person, skeleton, frame, base=70)
    legs.draw(canvas, person, skeleton, frame)
    uppers.draw(canvas, person, tube)
    if carry == "backpack":
        bags.straps(canvas, person, tube)
        if facing <= -0.2:
            bags.backpack(canvas, person, skeleton, frame, base=175)
    for side in (0, 1):
        if not arms.is_far(skeleton, frame, side):
            _arm(canvas, person, skeleton, frame, side)
    heads.draw(canvas, person, skeleton, frame, moment.turn)


def _arm(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, side: int) -> None:
    if person.wear.carry in ("handbag", "plastic bag") and (side == 1) == (person.wear.side > 0):
        bags.in_hand(canvas, person, skeleton, frame)
    arms.draw(canvas, person, skeleton, frame, side)
