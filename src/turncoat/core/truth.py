"""Truth and reference: columns of tensors, one row per sample."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from turncoat.core.errors import UserError

Columns = Mapping[str, Tensor]
"""Tensors by name, the first dimension of each indexed by sample: truth, or what an objective observed."""


def as_columns(truth: Tensor | Columns | None) -> Columns:
    """A bare tensor is the column `label`; None is no truth at all."""
    if truth is None:
        return {}
    return {"label": truth} if isinstance(truth, Tensor) else truth


def column(truth: Columns, name: str) -> Tensor:
    """The named column, or a clear error."""
    if name not in truth:
        has = ", ".join(truth) or "nothing"
        raise UserError(f"the truth of these samples holds {has}, but {name!r} is needed here")
    return truth[name]


def rows(columns: Columns, index: Tensor) -> dict[str, Tensor]:
    """The given samples of every column."""
    return {name: values[index] for name, values in columns.items()}
