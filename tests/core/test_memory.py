"""The word to the C library about freed memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, torch
from turncoat.core.memory import keep_freed_memory
keep = {keep} and keep_freed_memory()
def step():
    parts = [torch.zeros(3_000_000) for _ in range(20)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here to be told")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    faults = [
        int(subprocess.run([sys.executable, "-c", _PROGRAM.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (False, True)
    ]
    assert faults[1] < faults[0] / 2
