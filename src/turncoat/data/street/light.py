"""Light and lens: from relief to shade, and from the scene to the bytes that a camera would deliver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from turncoat.data.street.canvas import Floats


@dataclass(frozen=True)
class Lamp:
    """One far light at `direction` (right, down, towards the viewer), and `sky`, the share of even light."""

    direction: tuple[float, float, float]
    sky: float

    def shade(self, relief: Floats, steepness: float) -> Floats:
        """How bright each point of a relief is (Lambert's cosine law); a flat point has about 1."""
        down, right = np.gradient(relief)
        right *= steepness
        down *= steepness
        x, y, z = _unit(self.direction)
        facing = z - right * x - down * y
        facing /= np.sqrt(1 + right**2 + down**2)
        np.maximum(facing, 0, out=facing)
        return np.asarray(self.sky + (1 - self.sky) / max(z, 0.35) * facing, dtype=np.float32)


@dataclass(frozen=True)
class Lens:
    """What a camera does to a picture.

    `cast` multiplies red, green, blue; `gamma`, `haze` and `saturation` set the tone; `detail` is the share of the
    resolution kept; `noise` the deviation of the grain, in 0..1; `chroma` the blur of the colours, in pixels.
    """

    cast: tuple[float, float, float]
    gamma: float
    haze: float
    saturation: float
    detail: float
    noise: float
    chroma: float

    def photograph(self, scene: Floats, rng: np.random.Generator, exposure: float) -> np.ndarray:
        """The picture taken of a scene `[H, W, 3]` in 0..1, as uint8 of the same size."""
        height, width = scene.shape[:2]
        light = scene * (np.asarray(self.cast, dtype=np.float32) * exposure)
        np.clip(light, 0, 1, out=light)
        light **= self.gamma
        light *= 1 - self.haze
        light += self.haze * 0.62
        grey = light @ np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
        light = grey[..., None] + self.saturation * (light - grey[..., None])
        picture = Image.fromarray(np.asarray(np.clip(light, 0, 1) * 255 + 0.5, dtype=np.uint8), "RGB")
        if self.detail < 1:
            small = (max(8, round(width * self.detail)), max(8, round(height * self.detail)))
            picture = picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BICUBIC)
        luma, *chroma = picture.convert("YCbCr").split()
        soft = [plane.filter(ImageFilter.BoxBlur(self.chroma)) for plane in chroma]
        grain = self.noise * 255 * grain_of(rng, height, width)
        noisy = np.asarray(luma, dtype=np.float32) + grain * (1.15 - np.asarray(luma, dtype=np.float32) / 400)
        luma = Image.fromarray(np.asarray(np.clip(noisy + 0.5, 0, 255), dtype=np.uint8), "L")
        return np.asarray(Image.merge("YCbCr", (luma, *soft)).convert("RGB"))


def _unit(direction: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = direction
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@lru_cache(maxsize=1)
def _grain() -> Floats:
    return np.random.default_rng(11).standard_normal((1 << 19,)).astype(np.float32)


@lru_cache(maxsize=16)
def _clouds(cell: int) -> Floats:
    """A 768 x 768 field of smooth noise, about N(0, 1), whose features are `cell` pixels large."""
    coarse = np.random.default_rng([13, cell]).standard_normal((768 // cell + 1,) * 2).astype(np.float32)
    smooth = Image.fromarray(coarse, "F").resize((768, 768), Image.Resampling.BICUBIC)
    field = np.asarray(smooth, dtype=np.float32)
    return np.asarray(field / field.std(), dtype=np.float32)


def grain_of(rng: np.random.Generator, height: int, width: int) -> Floats:
    """White noise N(0, 1) of the given size, cut from one long strip."""
    start = int(rng.integers((1 << 19) - height * width))
    return _grain()[start : start + height * width].reshape(height, width)


def clouds_of(rng: np.random.Generator, height: int, width: int, cell: int) -> Floats:
    """Smooth noise with features of `cell` pixels, a window of one large field; at most 768 on a side."""
    top, left = (int(rng.integers(768 - side + 1)) for side in (height, width))
    return _clouds(cell)[top : top + height, left : left + width]
