"""A contact sheet of the street: some people, all cameras, bodies and faces, and what is true of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from turncoat.data.street.body import body
from turncoat.data.street.camera import CAMERAS
from turncoat.data.street.face import face
from turncoat.data.street.labels import ATTRIBUTES
from turncoat.data.street.person import Person

_TALL, _WORDS, _GAP = 160, 20, 6


def contact_sheet(path: str | Path, *, people: Sequence[int] = (7, 5, 26, 37, 2)) -> None:
    """Write a PNG with one row per person: the body from each camera, then the face, over the person's attributes."""
    target = Path(path)
    width = len(CAMERAS) * _TALL // 2 + 3 * _TALL // 2 + 3 * _GAP
    sheet = Image.new("RGB", (width, len(people) * (_TALL + _WORDS) + _GAP), (250, 250, 248))
    font = ImageFont.load_default(12)
    for row, identity in enumerate(people):
        top = _GAP + row * (_TALL + _WORDS)
        person = Person.sample(identity)
        _portraits(sheet, person, top)
        words = [name for name, holds in zip(ATTRIBUTES, person.attributes(), strict=True) if holds]
        place = (_GAP, top + _TALL + 2)
        ImageDraw.Draw(sheet).text(place, f"person {identity}: {', '.join(words)}", (40, 40, 44), font)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    sheet.quantize(256, Image.Quantize.MEDIANCUT, kmeans=3).save(part, "PNG", optimize=True)
    os.replace(part, target)


def _portraits(sheet: Image.Image, person: Person, top: int) -> None:
    side = _TALL // 2
    for camera in range(len(CAMERAS)):
        seed = 10 * person.identity + camera
        figure = Image.fromarray(body(person, camera, seed, height=_TALL))
        sheet.paste(figure, (_GAP + camera * side, top))
        head = Image.fromarray(face(person, camera, seed, size=side))
        left = 2 * _GAP + len(CAMERAS) * side + camera % 3 * side
        sheet.paste(head, (left, top + camera // 3 * side))
