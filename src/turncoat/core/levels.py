"""Images as they are saved: on 8-bit levels, with a gradient that passes the rounding straight through."""

from __future__ import annotations

import torch
from torch import Tensor

from turncoat.core.errors import UserError

LEVELS = 255
SLACK = 1e-3  # in grey levels: what float32 loses when 8-bit values are divided by 255 and added


def on_levels(bits: int | None) -> bool:
    """Whether images are kept on 8-bit levels: `bits` is 8 (yes) or None (no); anything else is a UserError."""
    if bits not in (8, None):
        raise UserError(f"images are kept on 8-bit levels (bits=8) or not (bits=None), not {bits}")
    return bits == 8


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, smooth: Tensor, exact: Tensor) -> Tensor:  # noqa: ARG004
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradients[0], None


def straight_through(smooth: Tensor, exact: Tensor) -> Tensor:
    """`exact` going forward, the gradient of `smooth` going back."""
    result: Tensor = _StraightThrough.apply(smooth, exact.detach())  # type: ignore[no-untyped-call]
    return result


def towards_clean(images: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
    """The level next to each candidate pixel on the clean side, and how much of a level was cut off, both in levels.

    A pixel with no level between the clean value and the candidate goes back to the clean value.
    """
    clean, wanted = images * LEVELS, candidate * LEVELS
    near = wanted.round()
    on_level = (wanted - near).abs() < SLACK
    rises = candidate >= images
    inner = torch.where(on_level, near, torch.where(rises, wanted.floor(), wanted.ceil()))
    crossed = torch.where(rises, inner < clean, inner > clean)
    gain = (wanted - inner).abs().masked_fill(on_level | crossed, 0)
    return torch.where(crossed, clean, inner), gain


def pixels_of(images: Tensor, levels: Tensor) -> Tensor:
    """The pixels at these levels; one that is back at its clean level has its clean value, to the last bit."""
    pixels = levels.clamp(0, LEVELS).div_(LEVELS)
    return torch.where((pixels - images).abs_() < SLACK / LEVELS, images, pixels)
