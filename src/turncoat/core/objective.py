"""What an attacker wants: higher is worse for the defender."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns


class Objective(ABC):
    """A number per sample that the attack raises.

    `observe` sees the clean outputs once and keeps what it needs as a dict of tensors indexed by sample; calling the
    objective with outputs and that reference gives float `[N]`. Objectives add, and scale by a number. `flat` says that
    the gradient vanishes at the clean image, so that an attack must not start there; `needs` names the kind of output
    it reads, where it reads one; `wants` names columns of truth that a task makes only for those who ask.
    """

    needs: ClassVar[str | None] = None

    @property
    def flat(self) -> bool:
        return False

    @property
    def wants(self) -> tuple[str, ...]:
        return ()

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {}

    @abstractmethod
    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor: ...

    def __add__(self, other: Objective) -> Objective:
        return Weighted(((1.0, self), (1.0, other)))

    def __mul__(self, factor: float) -> Objective:
        return Weighted(((float(factor), self),))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Weighted(Objective):
    """A weighted sum of objectives; each keeps its own reference under its place in the sum."""

    terms: tuple[tuple[float, Objective], ...]

    @property
    def flat(self) -> bool:
        return all(term.flat for _, term in self.terms)

    @property
    def wants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.wants))

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        return {
            f"{place}.{name}": values
            for place, (_, term) in enumerate(self.terms)
            for name, values in term.observe(clean, truth).items()
        }

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        parts = [weight * term(outputs, at(reference, place)) for place, (weight, term) in enumerate(self.terms)]
        return sum(parts[1:], parts[0])


def at(reference: Columns, place: int) -> Columns:
    """The part of a joint reference that belongs to the member at `place`."""
    prefix = f"{place}."
    return {name.removeprefix(prefix): values for name, values in reference.items() if name.startswith(prefix)}
