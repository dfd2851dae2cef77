"""The command as a user gives it, for tests of it."""

from __future__ import annotations

import sys

import pytest

from turncoat.cli import main


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `turncoat WORDS`."""
    monkeypatch.setattr(sys, "argv", ["turncoat", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    assert isinstance(done.value.code, int)
    return done.value.code


def mistake(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line on stderr of a command that fails by the user's mistake, before any work."""
    assert command(monkeypatch, *words) == 2
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("turncoat: ")
    return line
