"""When a sample counts as broken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from turncoat.core.objective import at
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns


class Criterion(ABC):
    """A verdict per sample, bool `[N]`, from outputs and what was observed on the clean image; `&` and `|` compose."""

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return truth

    @abstractmethod
    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor: ...

    def __and__(self, other: Criterion) -> Criterion:
        return _Joined(self, other, Tensor.logical_and, "&")

    def __or__(self, other: Criterion) -> Criterion:
        return _Joined(self, other, Tensor.logical_or, "|")


@dataclass(frozen=True)
class _Joined(Criterion):
    first: Criterion
    second: Criterion
    combine: Callable[[Tensor, Tensor], Tensor]
    sign: str

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        members = enumerate((self.first, self.second))
        return {
            f"{place}.{name}": values
            for place, member in members
            for name, values in member.observe(clean, truth).items()
        }

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return self.combine(self.first(outputs, at(reference, 0)), self.second(outputs, at(reference, 1)))

    def __repr__(self) -> str:
        return f"({self.first!r} {self.sign} {self.second!r})"
