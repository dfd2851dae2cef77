"""From the waist down: legs in trousers, jeans, shorts or a skirt, and the shoes."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas, Point
from turncoat.data.street.palette import Colour, mix, times
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Joint, Skeleton
from turncoat.data.street.torso import skirt


def draw(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame) -> None:
    """Both legs, the farther one first, then what hangs over them."""
    order = sorted((0, 1), key=lambda side: frame(skeleton.knees[side])[2] + frame(skeleton.hips[side])[2])
    for place, side in enumerate(order):
        _leg(canvas, person, skeleton, frame, side, base=70 + 25 * place)
    if person.wear.lower == "skirt":
        _skirt(canvas, person, skeleton, frame)


def _leg(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, side: int, base: int) -> None:
    wear, unit = person.wear, frame.scale * person.build.height
    girth = 0.5 + 0.5 * person.build.girth
    hip, knee, ankle = (frame.point(part[side]) for part in (skeleton.hips, skeleton.knees, skeleton.ankles))
    bare = mix(person.skin, (44, 38, 42), 0.82) if wear.lower == "skirt" and wear.tights else person.skin
    thigh, calf, bone = 0.05 * girth * unit, 0.031 * girth * unit, 0.019 * unit
    if wear.lower in ("trousers", "jeans"):
        cloth, loose = wear.lower_colour, 0.006 * unit * (1.6 if wear.lower == "trousers" else 0.9)
        _shoe(canvas, person, skeleton, frame, side, base)
        low = _between(knee, ankle, 0.86 if wear.shoes in ("sandals", "leather") else 0.8)
        if wear.shoes == "boots":
            low = _between(knee, ankle, 0.55)
            canvas.limb((knee, low), (calf + loose, calf), cloth, base=base, bulge=50)
            canvas.limb((low, ankle), (calf * 1.08, bone * 1.35), wear.shoe_colour, base=base + 3, bulge=50)
        else:
            canvas.limb((knee, low), (calf * 1.1 + loose, bone * 1.25 + loose), cloth, base=base, bulge=50)
        canvas.limb((hip, knee), (thigh + loose, calf * 1.12 + loose), cloth, base=base + 2, bulge=55)
        _creases(canvas, hip, knee, low, unit, base)
        if wear.lower == "jeans":
            _fade(canvas, hip, knee, unit, cloth)
        return
    canvas.limb((knee, ankle), (calf, bone), bare, base=base, bulge=50)
    canvas.ellipse(_between(knee, ankle, 0.3), (calf * 1.08, calf * 1.6), bare)
    _shoe(canvas, person, skeleton, frame, side, base)
    if wear.shoes == "boots":
        canvas.limb(
            (_between(knee, ankle, 0.5), ankle), (calf * 1.1, bone * 1.4), wear.shoe_colour, base=base + 3, bulge=50
        )
    elif wear.shoes == "sneakers" and not wear.tights:
        canvas.limb((_between(knee, ankle, 0.84), ankle), (bone * 1.15,) * 2, (226, 226, 224), base=base + 2, bulge=48)
    canvas.limb((hip, knee), (thigh, calf * 1.08), bare, base=base + 1, bulge=52)
    if wear.lower == "shorts":
        low = _between(hip, knee, 0.66 + 0.25 * wear.hem)
        canvas.limb((hip, low), (thigh * 1.1, thigh * 1.02), wear.lower_colour, base=base + 5, bulge=56)
        canvas.line(
            [(low[0] - thigh, low[1] + thigh * 0.5), (low[0] + thigh, low[1] + thigh * 0.5)],
            0.006 * unit,
            times(wear.lower_colour, 0.75),
        )


def _creases(canvas: Canvas, hip: Point, knee: Point, low: Point, unit: float, base: int) -> None:
    for share, length in ((0.06, 0.026), (0.86, 0.02)):
        x, y = _between(knee, low, share)
        size = length * unit
        canvas.line([(x - size, y - 0.3 * size), (x + 0.4 * size, y + 0.3 * size)], 0.007 * unit, None, base + 22)
    x, y = _between(hip, knee, 0.12)
    canvas.line([(x - 0.03 * unit, y), (x + 0.03 * unit, y - 0.014 * unit)], 0.006 * unit, None, base + 34)


def _fade(canvas: Canvas, hip: Point, knee: Point, unit: float, cloth: Colour) -> None:
    for size, share in ((0.02, 0.1), (0.013, 0.2)):
        canvas.line(
            [_between(hip, knee, 0.3), _between(hip, knee, 0.9)], size * unit, mix(cloth, (196, 206, 220), share)
        )


def _skirt(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame) -> None:
    wear = person.wear
    hem = 1.42 + 0.55 * wear.hem
    shape = skirt(person.build, skeleton, frame, 1.1 if wear.upper == "coat" else 1.12 + 0.5 * (1 - wear.hem), hem)
    left, right = shape.outline(0.6, hem)
    sag = 0.012 * frame.scale * person.build.height
    canvas.slab(
        [*left, (left[-1][0] * 0.75 + right[-1][0] * 0.25, left[-1][1] + sag)],
        [*right, (left[-1][0] * 0.25 + right[-1][0] * 0.75, right[-1][1] + sag)],
        wear.lower_colour,
        base=125,
        bulge=60,
    )
    for fold in range(-3, 4):
        share = 0.5 + fold / 8
        top = (left[4][0] + (right[4][0] - left[4][0]) * share, left[4][1])
        low = (left[-1][0] + (right[-1][0] - left[-1][0]) * share, left[-1][1])
        canvas.line([top, low], 0.5, times(wear.lower_colour, 0.86), 150)


def _shoe(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, side: int, base: int) -> None:
    wear, unit = person.wear, frame.scale * person.build.height
    ankle, toe = frame.point(skeleton.ankles[side]), frame.point(skeleton.toes[side])
    heel_joint = _behind(skeleton.ankles[side], skeleton.toes[side], 0.28)
    heel = frame.point((heel_joint[0], heel_joint[1] - 0.022 * person.build.height, heel_joint[2]))
    thick = 0.0215 * unit
    top = person.skin if wear.shoes == "sandals" else wear.shoe_colour
    canvas.limb((ankle, heel), (0.021 * unit, thick), top, base=base + 6, bulge=40)
    canvas.limb((heel, toe), (thick, thick * 0.86), top, base=base + 8, bulge=44)
    sole = {"sneakers": (240, 240, 238), "sandals": wear.shoe_colour}.get(wear.shoes, times(wear.shoe_colour, 0.45))
    drop = thick * 0.8
    canvas.line([(heel[0], heel[1] + drop), (toe[0], toe[1] + drop * 0.9)], 0.013 * unit, sole, base + 30)
    if math.hypot(toe[0] - heel[0], toe[1] - heel[1]) < 2.2 * thick:
        canvas.ellipse((toe[0], toe[1] + drop * 0.9), (thick * 0.9, thick * 0.3), sole)
    middle = _between(ankle, toe, 0.5)
    if wear.shoes == "sandals":
        for share in (0.25, 0.62):
            x, y = _between(ankle, toe, share)
            canvas.line([(x - thick, y + thick * 0.3), (x + thick, y - thick * 0.2)], 0.009 * unit, wear.shoe_colour)
    elif wear.shoes == "sneakers":
        lace = (232, 232, 230) if sum(wear.shoe_colour) < 450 else (120, 122, 128)
        canvas.line([_between(ankle, middle, 0.5), middle], 0.011 * unit, lace)
    elif wear.shoes == "leather":
        canvas.ellipse(
            (toe[0], toe[1] - thick * 0.3), (thick * 0.3, thick * 0.2), mix(wear.shoe_colour, (255, 240, 225), 0.5)
        )


def _between(first: Point, last: Point, share: float) -> Point:
    return first[0] + (last[0] - first[0]) * share, first[1] + (last[1] - first[1]) * share


def _behind(ankle: Joint, toe: Joint, share: float) -> Joint:
    x, y, z = (a - (b - a) * share for a, b in zip(ankle, toe, strict=True))
    return x, y, z
