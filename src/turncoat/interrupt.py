"""Ctrl-C that is not lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


@contextmanager
def heeded() -> Iterator[None]:
    """While open, an interruption raises KeyboardInterrupt at once, and is remembered until `check` is called.

    Python drops an exception that is raised inside a destructor or another callback whose errors nobody takes; a run
    would then go on to its end as if nobody had pressed a key.
    """
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for and got lost."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _stop(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    _asked.set()
    raise KeyboardInterrupt
