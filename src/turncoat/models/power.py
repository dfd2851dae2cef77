"""The power mean, safe in single precision for any exponent."""

from __future__ import annotations

from torch import Tensor

TINY = 1e-12


def power_mean(values: Tensor, exponent: Tensor | float, *, dim: int) -> Tensor:
    """(mean of v^p along `dim`)^(1/p) of values that are not negative; those below 1e-12 count as 1e-12.

    The largest value is taken out first, which changes neither the mean nor its gradient and lets neither overflow.
    """
    safe = values.clamp_min(TINY)
    peak = safe.detach().amax(dim, keepdim=True)
    powers = (safe / peak).pow(exponent).mean(dim, keepdim=True)
    return (peak * powers.pow(1 / exponent)).squeeze(dim)
