"""Optional libraries, imported when they are first needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from turncoat.core.errors import UserError


def optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """The imported `module`; a UserError that names the extra to install when it is missing or broken."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as problem:
        raise UserError(
            f"{purpose} needs {module}, which cannot be imported ({_first_line(problem)}): "
            f"pip install turncoat[{extra}]"
        ) from problem


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]
