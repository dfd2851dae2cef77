"""The line of an epoch."""

from __future__ import annotations

import pytest

from turncoat.core.victim import Passes
from turncoat.report.training import clock, training_line
from turncoat.training.fit import Progress


def test_a_line_tells_losses_passes_and_the_time_left() -> None:
    parts = {"triplet": 0.25, "identity": 1.0}
    at = Progress(2, 8, 1.25, parts, Passes(12345, 678), share=0.25, seconds=30)
    assert training_line(at) == (
        "epoch 2/8   25%  loss 1.250 (triplet 0.250, identity 1.000)  12,345 forward and 678 backward passes  1:30 left"
    )
    alone = Progress(2, None, 1.25, {"clean": 1.25}, Passes(1, 1), share=1.0, seconds=30)
    assert training_line(alone) == "epoch 2  100%  loss 1.250  1 forward and 1 backward passes  0:00 left"


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3723, "1:02:03")])
def test_the_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told
