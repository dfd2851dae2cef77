"""What lies behind the people: shops, bricks, a park, a station, a road, a mall."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from turncoat.data.street.camera import Camera
from turncoat.data.street.canvas import Floats
from turncoat.data.street.light import clouds_of
from turncoat.data.street.places import Painter
from turncoat.data.street.pose import Frame


def backdrop(view: Camera, rng: np.random.Generator, size: tuple[int, int], frame: Frame) -> Floats:
    """The scene without the person, `[rows, columns, 3]` in 0..1, a little out of focus, with the person's shadow."""
    rows, columns = size
    picture = Image.new("RGB", (columns, rows))
    pencil = ImageDraw.Draw(picture)
    zoom = rows / 128
    horizon = 128 * float(np.clip(0.56 - 0.75 * view.tilt + 0.03 * rng.normal(), 0.2, 0.6))
    Painter(pencil, zoom, horizon, rng).paint(view.place)
    picture = picture.filter(ImageFilter.BoxBlur(0.8 * zoom))
    _shadow(picture, frame, zoom, rng)
    scene = np.asarray(picture, dtype=np.float32)
    rough = 1 + 0.045 * clouds_of(rng, rows, columns, 2) + 0.05 * clouds_of(rng, rows, columns, 24)
    return np.asarray(scene * rough[..., None] / 255, dtype=np.float32)


def _shadow(picture: Image.Image, frame: Frame, zoom: float, rng: np.random.Generator) -> None:
    stencil = Image.new("L", (picture.width // 2, picture.height // 2))
    x, y, half = frame.x * zoom / 2, (frame.ground - 1.5) * zoom / 2, zoom / 2
    slant = float(rng.normal()) * 8 * half
    pencil = ImageDraw.Draw(stencil)
    pencil.ellipse([x - 13 * half, y - 4 * half, x + 13 * half, y + 4 * half], 130)
    pencil.polygon(
        [
            (x - 6 * half, y),
            (x + 6 * half, y),
            (x + slant * 2 + 4 * half, y - 9 * half),
            (x + slant * 2 - 4 * half, y - 9 * half),
        ],
        90,
    )
    stencil = stencil.filter(ImageFilter.BoxBlur(2.2 * half)).resize(picture.size)
    picture.paste((22, 22, 28), None, stencil)
