"""Ctrl-C that is not lost."""

from __future__ import annotations

import gc
import os
import signal

import pytest

from turncoat import interrupt


class Swallows:
    """Its destructor is interrupted, and Python drops what is raised there."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_dropped_is_raised_at_the_next_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupt.heeded():
        interrupt.check()
        thing = Swallows()
        del thing
        gc.collect()
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
    assert signal.getsignal(signal.SIGINT) is before
    with interrupt.heeded():
        interrupt.check()  # a new run starts afresh
