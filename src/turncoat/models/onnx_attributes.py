"""The attributes of one ONNX node, read with their types and defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Run = Callable[..., Tensor | tuple[Tensor, ...]]


class UnsupportedError(Exception):
    """This graph cannot be replayed; says which operator or setting is the reason."""


@dataclass(frozen=True)
class Attributes:
    """`values` by name: numbers, text or tensors; `version` is the operator set's, `outputs` how many are used."""

    values: Mapping[str, object]
    version: int
    outputs: int

    def integer(self, name: str, default: int = 0) -> int:
        value = self.values.get(name, default)
        if not isinstance(value, int):
            raise UnsupportedError(f"its {name} is {value!r}")
        return value

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        if not isinstance(value, int | float):
            raise UnsupportedError(f"its {name} is {value!r}")
        return float(value)

    def text(self, name: str, default: str) -> str:
        return str(self.values.get(name, default))

    def integers(self, name: str) -> list[int] | None:
        """None where the attribute is absent."""
        value = self.values.get(name)
        return [int(item) for item in value] if isinstance(value, Sequence) else None

    def only(self, name: str, *allowed: object) -> None:
        """Refuse the node unless the attribute is absent or one of the allowed values."""
        if name in self.values and self.values[name] not in allowed:
            raise UnsupportedError(f"its {name} is {self.values[name]!r}")
