"""The head of a whole figure, some fifteen pixels high: hair and face from any side."""

from __future__ import annotations

import math

from turncoat.data.street import headwear
from turncoat.data.street.camera import turned
from turncoat.data.street.canvas import Canvas
from turncoat.data.street.palette import Colour, mix, times
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Skeleton
from turncoat.data.street.skull import Skull


def draw(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, turn: float) -> None:
    """Neck and head; `turn` is how far the head is turned from the way of the body."""
    unit = frame.scale * person.build.height
    x, y = frame.point(skeleton.head)
    yaw = turned(frame.yaw + turn)
    skull = Skull(x, y, 0.0465 * unit * person.face.width, 0.07 * unit, yaw, person.face.jaw)
    seen = math.cos(yaw)
    if seen > -0.3:
        _fall(canvas, person, skull)
    neck = frame.point(skeleton.neck)
    canvas.limb(
        ((x, y + 0.3 * skull.tall), neck), (0.028 * unit, 0.031 * unit), times(person.skin, 0.86), base=120, bulge=45
    )
    _skull(canvas, person, skull)
    if seen <= -0.3:
        _fall(canvas, person, skull)
    _tail(canvas, person, skull)
    _features(canvas, person, skull)
    headwear.scarf(canvas, person, skull, neck, unit)
    headwear.hat(canvas, person, skull)


def _skull(canvas: Canvas, person: Person, skull: Skull) -> None:
    hair, skin = person.hair, person.skin
    tint = {"bald": skin, "buzz": mix(hair.colour, skin, 0.35)}.get(hair.style, hair.colour)
    _cap(canvas, person, skull, tint)
    top = {"bald": -0.98, "buzz": -0.6}.get(hair.style, -0.5) * (2 - hair.hairline)
    front = skull.patch(-1.12, 1.12, max(top, -0.98), 0.1)
    if front:
        canvas.polygon(front, skin, 195)
    if hair.style == "bald" and person.age != "young":
        for low, high in ((1.15, math.pi), (-math.pi, -1.15)):
            ring = skull.patch(low, high, -0.3, 0.4, 1.04)
            if ring:
                canvas.polygon(ring, hair.colour)
    elif hair.style in ("side", "bob", "long", "short"):
        fringe = skull.patch(-1.1, 0.5, -0.75, -0.36)
        if fringe:
            canvas.polygon(fringe[:-4], tint, 205)
    for theta in (-1.5, 1.5):
        ear = skull.spot(theta, 0.08)
        if ear and hair.style not in ("bob", "long", "curly"):
            canvas.ellipse(ear, (skull.wide * 0.17, skull.tall * 0.19), times(skin, 0.93), 190)


def _cap(canvas: Canvas, person: Person, skull: Skull, tint: Colour) -> None:
    """The whole head in the colour of its hair, and the skin of the jaw over it."""
    style, side = person.hair.style, math.sin(skull.yaw)
    grow = {"bald": 1.0, "buzz": 1.03, "curly": 1.22, "short": 1.08, "side": 1.1}.get(style, 1.12)
    if style not in ("bald", "buzz"):
        grow *= 0.5 + 0.5 * person.hair.volume
    back, lift = skull.x - 0.2 * skull.wide * side, skull.y - 0.2 * skull.tall
    wide = skull.wide * grow * (1 + 0.1 * abs(side))
    canvas.dome((back, lift), (wide, skull.tall * 0.83 * grow), tint, 135, 80)
    if style == "curly":
        for turn in range(12):
            angle = math.pi + turn * math.pi / 11
            curl = (back + skull.wide * 1.1 * math.cos(angle), lift + skull.tall * 0.8 * math.sin(angle))
            canvas.dome(curl, (skull.wide * 0.3,) * 2, tint, 150, 50)
    jaw = skull.patch(-1.45, 1.45, -0.2, 1.0)
    if jaw:
        canvas.polygon(jaw, person.skin, 185)
    if math.cos(skull.yaw) < -0.3:
        low, near, far = skull.y + 0.72 * skull.tall, skull.wide * 0.55, skull.wide * 0.75
        nape = [(back - far, lift), (back + far, lift), (back + near, low), (back - near, low)]
        canvas.polygon(nape, tint, 175)


def _fall(canvas: Canvas, person: Person, skull: Skull) -> None:
    hair = person.hair
    if hair.style not in ("bob", "long"):
        return
    front = math.cos(skull.yaw) > 0.4
    length = 1.05 if hair.style == "bob" else 1.45 if front else 2.3
    wide = skull.wide * (1.2 if hair.style == "bob" else 1.16) * (0.6 + 0.4 * hair.volume)
    x = skull.x - 0.3 * skull.wide * math.sin(skull.yaw)
    rows = (
        (0.3, -0.97),
        (0.72, -0.8),
        (0.95, -0.4),
        (1.0, 0.1),
        (1.05, 0.55 * length),
        (0.95, 0.85 * length),
        (0.6, length),
    )
    left = [(x - wide * w, skull.y + skull.tall * r) for w, r in rows]
    right = [(x + wide * w, skull.y + skull.tall * r) for w, r in rows]
    canvas.slab(left, right, hair.colour, base=150, bulge=50)
    for share in (-0.7, -0.35, 0.05, 0.4, 0.75):
        tint = times(hair.colour, 0.8 if share < 0.1 else 1.25)
        low = (x + wide * share, skull.y + skull.tall * length * 0.9)
        canvas.line([(x + wide * share * 0.8, skull.y), low], 0.4, tint)
    if front and hair.style == "long":
        for reach in (-0.85, 0.85):
            lock = (
                (x + wide * reach, skull.y + 0.2 * skull.tall),
                (x + wide * reach * 1.15, skull.y + 2.0 * skull.tall),
            )
            canvas.limb(lock, (0.28 * wide, 0.2 * wide), times(hair.colour, 0.92), base=170, bulge=45)


def _tail(canvas: Canvas, person: Person, skull: Skull) -> None:
    back = skull.x - skull.wide * math.sin(skull.yaw)
    front = math.cos(skull.yaw) > 0.75
    if person.hair.style == "bun":
        canvas.dome(
            (back, skull.y - skull.tall * (1.0 if front else 0.55)),
            (skull.wide * 0.45,) * 2,
            times(person.hair.colour, 1.1),
            170,
            60,
        )
    elif person.hair.style == "ponytail" and not front:
        start, end = (
            (back, skull.y - 0.3 * skull.tall),
            (back - 0.35 * skull.wide * math.sin(skull.yaw), skull.y + 1.5 * skull.tall),
        )
        canvas.limb((start, end), (skull.wide * 0.36, skull.wide * 0.16), person.hair.colour, base=180, bulge=50)
        canvas.ellipse(start, (skull.wide * 0.3, skull.wide * 0.2), person.wear.second_colour)


def _features(canvas: Canvas, person: Person, skull: Skull) -> None:
    face, skin = person.face, person.skin
    if face.beard in ("full", "stubble"):
        tint = mix(person.hair.colour, skin, 0.15 if face.beard == "full" else 0.72)
        region = skull.patch(-1.3, 1.3, 0.42, 1.0)
        if region:
            canvas.polygon(region, tint)
    if face.beard in ("full", "moustache"):
        region = skull.patch(-0.42, 0.42, 0.4, 0.52)
        if region:
            canvas.polygon(region, person.hair.colour)
    for side in (-1, 1):
        eye = skull.spot(side * 0.45, 0.02)
        if eye:
            canvas.ellipse(eye, (skull.wide * 0.17, skull.tall * 0.055), (236, 232, 228))
            canvas.ellipse(eye, (skull.wide * 0.1, skull.tall * 0.06), times(face.eye_colour, 0.6))
            brow = (eye[0], eye[1] - skull.tall * 0.17)
            canvas.ellipse(
                brow, (skull.wide * 0.22, skull.tall * 0.035 * face.brow_thick), times(person.hair.colour, 0.8)
            )
    nose = skull.spot(0.0, 0.3)
    if nose:
        lean = math.sin(skull.yaw)
        tip = (nose[0] + skull.wide * 0.28 * lean, nose[1])
        bridge = (nose[0], nose[1] - 0.28 * skull.tall)
        canvas.polygon([bridge, tip, (nose[0], nose[1] + 0.06 * skull.tall)], mix(skin, (255, 236, 220), 0.12), 225)
        canvas.ellipse(
            (nose[0] + skull.wide * 0.1 * lean, nose[1] + 0.05 * skull.tall),
            (skull.wide * 0.16, skull.tall * 0.03),
            times(skin, 0.7),
        )
    mouth = skull.spot(0.0, 0.58)
    if mouth:
        canvas.ellipse(
            mouth,
            (skull.wide * 0.28 * abs(math.cos(skull.yaw)) + 0.3, skull.tall * 0.045 * face.lips),
            mix(skin, (150, 40, 46), 0.5),
        )
    headwear.glasses(canvas, person, skull)
