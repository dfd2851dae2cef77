"""What a run was made with."""

from __future__ import annotations

import platform

import torch

import turncoat


def versions() -> dict[str, str]:
    """The versions that the numbers of a run depend on."""
    return {
        "turncoat": turncoat.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
