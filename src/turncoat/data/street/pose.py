"""A walking figure: joints in metres, and how a camera sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from turncoat.data.street.person import Build

Joint = tuple[float, float, float]


@dataclass(frozen=True)
class Frame:
    """From metres (x to the person's left, y up, z forward) to picture units (x right, y down, depth to the viewer).

    `yaw` 0 faces the camera, pi/2 looks to the right, pi away; `tilt` is how far the camera looks down, in radians.
    """

    yaw: float
    tilt: float
    scale: float
    x: float
    ground: float

    def __call__(self, joint: Joint) -> Joint:
        x, y, z = joint
        across = x * math.cos(self.yaw) + z * math.sin(self.yaw)
        depth = z * math.cos(self.yaw) - x * math.sin(self.yaw)
        down = -y * math.cos(self.tilt) + depth * math.sin(self.tilt)
        return self.x + self.scale * across, self.ground + self.scale * down, depth

    def point(self, joint: Joint) -> tuple[float, float]:
        """Where the joint is in the picture, without its depth."""
        x, y, _ = self(joint)
        return x, y


@dataclass(frozen=True)
class Gait:
    """A moment of a walk: `phase`, and the amplitudes of the legs, the arms and the elbows, in radians."""

    phase: float
    stride: float
    swing: float
    bend: float


@dataclass(frozen=True)
class Skeleton:
    """Joints in metres; pairs are (right, left): x is negative on the right."""

    height: float
    pelvis: Joint
    neck: Joint
    head: Joint
    shoulders: tuple[Joint, Joint]
    elbows: tuple[Joint, Joint]
    hands: tuple[Joint, Joint]
    hips: tuple[Joint, Joint]
    knees: tuple[Joint, Joint]
    ankles: tuple[Joint, Joint]
    toes: tuple[Joint, Joint]


def walk(build: Build, gait: Gait, *, loaded: int = 0) -> Skeleton:
    """The joints of a walking body; `loaded` (-1 or 1) holds that side's arm still, as one that carries does."""
    height, lean = build.height, build.stoop
    legs = [_leg(build, gait, side) for side in (-1, 1)]
    drop = min(ankle[1] for _, _, ankle, _ in legs) - 0.045 * height
    legs = [(_lowered(a, drop), _lowered(b, drop), _lowered(c, drop), _lowered(d, drop)) for a, b, c, d in legs]
    hip = 0.53 * height - drop
    spine = 0.295 * height
    neck = (0.0, hip + spine * math.cos(lean), spine * math.sin(lean))
    head = (0.0, neck[1] + 0.098 * height, neck[2] + 0.018 * height + 0.1 * height * math.sin(lean) * 0.8)
    arms = [_arm(build, gait, side, neck, still=loaded == side) for side in (-1, 1)]
    return Skeleton(
        height,
        (0.0, hip, 0.0),
        neck,
        head,
        *zip(*arms, strict=True),
        *zip(*legs, strict=True),
    )


def _lowered(joint: Joint, drop: float) -> Joint:
    return joint[0], joint[1] - drop, joint[2]


def _leg(build: Build, gait: Gait, side: int) -> tuple[Joint, Joint, Joint, Joint]:
    height, phase = build.height, gait.phase + (0 if side > 0 else math.pi)
    swing = gait.stride * math.sin(phase)
    flex = 0.06 + 1.1 * gait.stride * max(0.0, math.cos(phase + 0.5)) + 0.35 * gait.stride * max(0.0, -math.sin(phase))
    hip = (side * 0.052 * height * (0.7 + 0.3 * build.hip / (0.097 * height)), 0.53 * height, 0.0)
    thigh, shin = 0.245 * height, 0.24 * height
    knee = (hip[0] * 0.95, hip[1] - thigh * math.cos(swing), thigh * math.sin(swing))
    back = swing - flex
    ankle = (hip[0] * 0.85, knee[1] - shin * math.cos(back), knee[2] + shin * math.sin(back))
    pitch = 0.25 * back + 0.12
    foot = 0.115 * height
    toe = (
        ankle[0] * 1.25,
        ankle[1] - 0.028 * height + foot * math.sin(min(pitch, 0.2)),
        ankle[2] + foot * math.cos(pitch),
    )
    return hip, knee, ankle, toe


def _arm(build: Build, gait: Gait, side: int, neck: Joint, *, still: bool) -> tuple[Joint, Joint, Joint]:
    height = build.height
    swing = (0.15 if still else 1.0) * gait.swing * math.sin(gait.phase + (math.pi if side > 0 else 0)) + 0.05
    shoulder = (side * (build.shoulder - 0.031 * height), neck[1] - 0.04 * height, neck[2])
    upper, fore = 0.16 * height, 0.16 * height
    out = 0.1 + 0.1 * (build.girth - 0.9)
    elbow = (
        shoulder[0] + side * upper * out,
        shoulder[1] - upper * math.cos(swing),
        shoulder[2] + upper * math.sin(swing),
    )
    fold = swing + (0.1 if still else gait.bend * (1 + 0.8 * math.sin(swing)))
    hand = (elbow[0] - side * fore * 0.05, elbow[1] - fore * math.cos(fold), elbow[2] + fore * math.sin(fold))
    return shoulder, elbow, hand
