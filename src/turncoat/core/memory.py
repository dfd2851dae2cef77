"""One word to the C library about freed memory."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
_MOST = 2**25  # the largest block that glibc agrees to take from what it keeps


def keep_freed_memory() -> bool:
    """Let glibc keep what was freed for the next step instead of giving it back; tells whether it agreed.

    An attack frees the activations of one step and asks for as many at the next. Handing those pages back and fetching
    them again costs several per cent of a convolutional network's time on a CPU. It holds for the whole process, so a
    library must not do it unasked: the command and the benchmarks do. Peak memory stays what it was.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        tell = ctypes.CDLL("libc.so.6").mallopt
        return bool(tell(_MMAP_THRESHOLD, _MOST)) and bool(tell(_TRIM_THRESHOLD, 2**31 - 1))
    except (OSError, AttributeError):  # another C library
        return False
