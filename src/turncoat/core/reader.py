"""What a network says, by name: its own outputs and those of its inner layers, in one look or fused from several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.outputs import KINDS

Look = Callable[[Tensor], dict[str, Tensor]]
SIDES: tuple[list[str], ...] = ([], ["in"], ["mean"], ["in", "mean"])


class Reader:
    """Calls a network and names what it says, as `Victim` describes for `reads` and `taps`."""

    def __init__(self, network: nn.Module, name: str, reads: str | None, taps: Mapping[str, str]) -> None:
        for kind in (*taps, *([reads] if reads else [])):
            if kind not in KINDS:
                raise UserError(f"a victim reads {', '.join(KINDS)}; {kind!r} is none of them")
        self.network = network
        self.name = name
        self.reads = reads
        self.taps = {kind: self._tap(path) for kind, path in taps.items()}

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        with _listen({kind: tap[:2] for kind, tap in self.taps.items()}) as heard:
            raw = self.network(images)
        tapped = {kind: _average(value) if self.taps[kind][2] else value.flatten(1) for kind, value in heard.items()}
        return {**self._named(raw), **tapped}

    def _named(self, raw: object) -> dict[str, Tensor]:
        if isinstance(raw, Tensor):
            if self.reads is None:
                if self.taps:
                    return {}
                raise UserError(
                    f"{self.name} returns a bare tensor: say what it is with reads='logits' or reads='embedding'"
                )
            return {self.reads: raw}
        if isinstance(raw, Mapping) and all(kind in KINDS for kind in raw):
            return dict(raw)
        raise UserError(f"{self.name} returns {type(raw).__name__}: a tensor or a dict of {', '.join(KINDS)} is needed")

    def _tap(self, path: str) -> tuple[nn.Module, bool, bool]:
        """The layer, whether its input is meant, and whether maps are averaged."""
        layer, *sides = path.split(":")
        modules = dict(self.network.named_modules())
        if layer not in modules or sides not in SIDES:
            known = ", ".join(name for name in modules if name)[:200]
            raise UserError(f"{self.name} has no layer {path!r} to tap; it has {known}")
        return modules[layer], "in" in sides, "mean" in sides


class Fusion(nn.Module):
    """How one answer comes from several looks of a network at an image; `views` is how many there are.

    It gets a function from prepared images to outputs by kind, and calls it `views` times.
    """

    views = 1

    def forward(self, look: Look, images: Tensor) -> dict[str, Tensor]:
        return look(images)

    def elsewhere(self) -> Fusion:
        """The same looks for another layer: without what fits the network's own embedding only."""
        return self


def _average(values: Tensor) -> Tensor:
    """Maps `[N, C, H, W]` averaged over their positions; anything else as it is."""
    return values.mean((2, 3)) if values.ndim == 4 else values


@contextmanager
def _listen(tapped: Mapping[str, tuple[nn.Module, bool]]) -> Iterator[dict[str, Tensor]]:
    """Collect what the tapped layers pass on, with hooks that are gone afterwards."""
    heard: dict[str, Tensor] = {}

    def ear(kind: str, inputs: bool) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hear(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            heard[kind] = given[0] if inputs else made

        return hear

    handles = [layer.register_forward_hook(ear(kind, inputs)) for kind, (layer, inputs) in tapped.items()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
