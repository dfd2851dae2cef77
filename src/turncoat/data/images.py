"""Image files as uint8 RGB tensors, read one at a time."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, natural

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff"})

# What Pillow raises on broken bytes depends on the format; UnidentifiedImageError is an OSError.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def list_images(folder: str | Path) -> list[Path]:
    """The image files directly in `folder`, by suffix, in natural order; hidden files are left out."""
    inside = existing_folder(folder, "images").iterdir()
    images = [path for path in inside if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    return sorted(images, key=lambda path: natural(path.name))


def read_image(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    box: Box | None = None,
    longest: int | None = None,
) -> Tensor:
    """The image at `path` as uint8 `[3, H, W]`, RGB, resized to `size` = (height, width) if given.

    EXIF rotation is applied, transparency is laid on white, grey is repeated three times, CMYK and palettes
    become RGB, of 16-bit values the high byte is kept; colour profiles are ignored and of several frames
    the first is read. Resizing is Pillow's bilinear filter, which averages when it shrinks. UserError for a
    file that cannot be read.

    `box` = (left, top, right, bottom) is cut out first, rounded to whole pixels of the image as it is stored,
    before any rotation, and what lies outside the image is left out. `longest` bounds the longer side: a larger
    image shrinks (Lanczos, as in the landmark benchmarks), a smaller one stays as it is.
    """
    try:
        with Image.open(path) as opened:
            image = _rgb(
                ImageOps.exif_transpose(opened) if box is None else opened.crop(_within(box, opened.size, path))
            )
        if size is not None:
            height, width = size
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        elif longest is not None:
            image.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=None)
    except UserError:
        raise
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def image_reader(
    paths: Sequence[Path], *, size: tuple[int, int] | None, boxes: Sequence[Box | None] | None = None
) -> Callable[[int], Tensor]:
    """A function that reads image i of `paths`, or what lies in box i, when asked to.

    Without `size` the headers of all files are compared now, so that a set which cannot be stacked is a
    UserError here and not in the middle of a run.
    """
    if size is not None:
        _check_size(size)
    elif boxes is not None:
        raise UserError("images cut out of others differ in size: give size=(height, width)")
    else:
        _require_one_size(paths)
    return lambda row: read_image(paths[row], size=size, box=None if boxes is None else boxes[row])


def native_reader(
    paths: Sequence[Path], *, longest: int, boxes: Sequence[Box | None] | None = None
) -> Callable[[int], Tensor]:
    """The same with every image in its own size, the longer side at most `longest` pixels."""
    if longest < 1:
        raise UserError(f"longest is {longest}; it is the longer side of an image in pixels, for example 1024")
    return lambda row: read_image(paths[row], longest=longest, box=None if boxes is None else boxes[row])


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise UserError(f"size is {size!r}; it must be (height, width), two whole numbers above 0")


def _within(box: Box, size: tuple[int, int], path: str | Path) -> tuple[int, int, int, int]:
    """The box in whole pixels, cut to an image of `size` = (width, height)."""
    width, height = size
    left, top, right, bottom = (round(side) for side in box)
    cut = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        raise UserError(
            f"{path}: the box {tuple(box)} (left, top, right, bottom) holds nothing of an image {width} wide and "
            f"{height} high: correct the list that names it"
        )
    return cut


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray(_high_byte(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise ValueError("it holds floating-point pixels, whose range is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _high_byte(
    values: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise ValueError("it holds 32-bit pixels outside 0..65535; save it with 8 or 16 bits")
    return (wide >> 8).astype(np.uint8)


def _require_one_size(paths: Sequence[Path]) -> None:
    expected: tuple[int, int] | None = None
    for path in dict.fromkeys(paths):
        found = _size(path)
        expected = expected or found
        if found != expected:
            raise UserError(
                f"{path} is {found[0]}x{found[1]} but {paths[0]} is {expected[0]}x{expected[1]} "
                "(height x width); give size=(height, width)"
            )


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            sideways = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return image.size if sideways else (image.height, image.width)
    except _BROKEN as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path}: there is no such image file")
    if isinstance(error, UnidentifiedImageError):
        return UserError(f"{path}: this is not an image in a known format")
    return UserError(f"{path}: the image cannot be read ({' '.join(str(error).split())}); replace it")
