"""An aligned face as a camera of the street sees it."""

from __future__ import annotations

import numpy as np

from turncoat.data.street import features, hairdo, traits
from turncoat.data.street.camera import Camera, camera_of
from turncoat.data.street.canvas import Canvas, Floats, halved
from turncoat.data.street.light import Lamp, Lens, clouds_of
from turncoat.data.street.palette import CLOTH, jitter, pick, times
from turncoat.data.street.person import Person
from turncoat.data.street.visage import EYES, GAP, Look, Visage

SIDE = 64.0
"""The picture in the units of the drawing; it may be rendered at any number of pixels."""

_PLACES = {
    "shops": (186, 178, 164),
    "bricks": (140, 92, 76),
    "park": (110, 146, 86),
    "station": (170, 178, 174),
    "road": (150, 152, 156),
    "mall": (184, 146, 100),
}


def face(person: Person, camera: int, seed: int, *, size: int = 64) -> np.ndarray:
    """A picture of the person's face, uint8 `[size, size, 3]`, RGB, the eyes always in the same two places.

    The camera (0..5) fixes surroundings, colours and sharpness; the seed light, turn of the head, expression, hat and
    glasses, and the noise. The same three numbers give the same bytes.
    """
    view = camera_of(camera)
    rng = np.random.default_rng([person.identity, camera, seed, 2])
    visage = Visage(person, _look(rng))
    canvas = Canvas(SIDE, SIDE, size)
    _draw(canvas, visage, rng)
    albedo, cover, relief = canvas.shrunk(size / 64 * 1.5)
    rows = len(cover)
    shade = _lamp(view, rng).shade(0.2 * relief + visage.relief(rows), 0.22 * size / 64)
    pores = 1 + 0.025 * clouds_of(rng, rows, rows, 2) + 0.02 * clouds_of(rng, rows, rows, 6)
    albedo = albedo * _flush(visage, rows)
    scene = _surroundings(view, rng, rows)
    lit = albedo * np.clip(shade * pores, 0.1, 1.8)[..., None] + (1 - cover[..., None]) * scene
    return _lens(view.lens, rng).photograph(halved(lit), rng, float(rng.uniform(0.72, 1.18)))


def _look(rng: np.random.Generator) -> Look:
    gape = max(0.0, float(rng.normal(-0.3, 0.6)))
    return Look(
        yaw=float(np.clip(rng.normal(0, 0.6), -1.5, 1.5)),
        nod=float(np.clip(rng.normal(0, 0.5), -1.2, 1.2)),
        smile=float(np.clip(rng.normal(0.25, 0.5), -0.7, 1.2)),
        gape=min(1.0, gape),
        squint=float(np.clip(abs(rng.normal(0, 0.3)), 0, 0.9)),
        brows=float(rng.normal(0, 0.6)),
        gaze=float(rng.normal(0, 0.5)),
    )


def _draw(canvas: Canvas, visage: Visage, rng: np.random.Generator) -> None:
    person = visage.person
    capped = person.wear.hat != "none" and rng.random() < 0.3
    hairdo.behind(canvas, visage, rng)
    neck = times(person.skin, 0.82)
    canvas.limb((visage.put(0, 48, -0.8), visage.put(0, 68, -1.4)), (11.5, 12.5), neck, base=60, bulge=40)
    cloth = person.wear.upper_colour
    collar = [
        (0, 64),
        (9, 60.5),
        (visage.put(-11, 58.5, -1.4)),
        (32, 64),
        (visage.put(11, 58.5, -1.4)),
        (55, 60.5),
        (64, 64),
    ]
    canvas.polygon(collar, cloth, 90)
    if person.wear.scarf is not None and rng.random() < 0.4:
        canvas.dome((32, 64), (24, 6.5), person.wear.scarf, 100, 60)
    features.skin(canvas, visage)
    traits.lines(canvas, visage)
    traits.beard(canvas, visage, rng)
    features.nose(canvas, visage)
    features.mouth(canvas, visage)
    features.eyes(canvas, visage)
    hairdo.above(canvas, visage, rng)
    if person.wear.glasses == "glasses" and rng.random() < 0.85:
        traits.glasses(canvas, visage, dark=False)
    elif person.wear.glasses == "sunglasses" and rng.random() < 0.35:
        traits.glasses(canvas, visage, dark=True)
    if capped:
        hairdo.hat(canvas, visage)


def _flush(visage: Visage, rows: int) -> Floats:
    """Blood under the skin and shadow in the sockets, as a factor for red, green and blue."""
    axis = np.linspace(0, 64, rows, endpoint=False, dtype=np.float32) + 32 / rows
    warm = np.zeros((rows, rows), dtype=np.float32)
    deep = np.zeros((rows, rows), dtype=np.float32)
    for across, y, wide, target, amount in (
        (-12.0, EYES + 11, 6.0, warm, 0.8),
        (12.0, EYES + 11, 6.0, warm, 0.8),
        (0.0, visage.nose, 4.0, warm, 0.7),
        (-GAP, EYES, 5.0, deep, 1.0),
        (GAP, EYES, 5.0, deep, 1.0),
        (0.0, visage.mouth + 5, 5.0, deep, 0.5),
    ):
        x, centre = visage.put(across, y, 0.4)
        target += amount * np.outer(np.exp(-(((axis - centre) / wide) ** 2)), np.exp(-(((axis - x) / wide) ** 2)))
    tint = np.empty((rows, rows, 3), dtype=np.float32)
    for channel, (blood, dark) in enumerate(((0.05, -0.07), (-0.06, -0.1), (-0.06, -0.08))):
        tint[..., channel] = 1 + blood * warm + dark * deep
    return tint


def _lamp(view: Camera, rng: np.random.Generator) -> Lamp:
    x, y, _ = view.lamp
    return Lamp(
        (0.6 * x + 0.6 * float(rng.normal()), 0.7 * y + 0.2 * float(rng.normal()), 0.9),
        float(np.clip(view.sky - 0.1 + 0.12 * rng.normal(), 0.15, 0.7)),
    )


def _lens(lens: Lens, rng: np.random.Generator) -> Lens:
    detail = float(np.clip(lens.detail * rng.uniform(0.55, 1.1), 0.35, 1))
    return Lens(lens.cast, lens.gamma, lens.haze, lens.saturation, detail, lens.noise * 0.8, lens.chroma)


def _surroundings(view: Camera, rng: np.random.Generator, rows: int) -> Floats:
    near = np.asarray(jitter(rng, _PLACES[view.place], 1.2), dtype=np.float32) / 255
    far = np.asarray(jitter(rng, pick(rng, CLOTH), 1.0), dtype=np.float32) / 255
    blend = np.clip(0.28 + 0.3 * clouds_of(rng, rows, rows, max(8, 3 * rows // 8)), 0, 0.8)[..., None]
    return np.asarray(near + (far - near) * blend, dtype=np.float32)
