"""A frozen network seen from pixel space."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.outputs import KINDS, Outputs, concatenate


@dataclass
class Passes:
    """How many images went forward and how many gradients came back, one count per image."""

    forwards: int = 0
    backwards: int = 0


class Victim:
    """A network that takes images `[N, C, H, W]` in [0, 1] and gives `Outputs`.

    Resizing to `size` (height, width; bilinear, antialiased) and normalisation by `mean` and `std` live inside, so a
    budget always means pixels. The network is taken over: it goes to eval mode and its parameters stop asking for
    gradients. `reads` says what a bare tensor means (one of logits, embedding, similarity, maps); a network that
    returns a dict names its own. `taps` reads inner layers by name: `{"embedding": "layer4"}` reads the layer's output,
    `{"embedding": "fc:in"}` its input; what a tap reads is flattened to `[N, D]`. `passes` counts per image, whoever
    calls.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str | None = None,
        reads: str | None = None,
        taps: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        purifier: nn.Module | None = None,
    ) -> None:
        for kind in (*(taps or {}), *([reads] if reads else [])):
            if kind not in KINDS:
                raise UserError(f"a victim reads {', '.join(KINDS)}; {kind!r} is none of them")
        if bool(mean) != bool(std):
            raise UserError("normalisation needs both mean and std (one number per channel), or neither")
        if not all(map(math.isfinite, (*(mean or ()), *(std or ())))) or any(spread <= 0 for spread in std or ()):
            raise UserError(f"mean and std must be finite and std above 0, but they are {mean} and {std}")
        # channels last: up to a fifth faster for convolutions on a CPU, more on a GPU, and nothing else changes
        self.network: nn.Module = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.name = name or type(network).__name__
        self.reads = reads
        self.taps = dict(taps or {})
        self.size = size
        self.mean = tuple(mean or ())
        self.std = tuple(std or ())
        self.purifier = purifier.eval().requires_grad_(False) if purifier is not None else None
        self.passes = Passes()
        self._tapped = {kind: self._layer(path) for kind, path in self.taps.items()}

    @property
    def differentiable(self) -> bool:
        """False when the network cannot carry a gradient back to the image (a graph in onnxruntime, an endpoint)."""
        return bool(getattr(self.network, "differentiable", True))

    def require_gradients(self) -> None:
        """Raise UserError where `differentiable` is False."""
        if not self.differentiable:
            raise UserError(
                f"{self.name} gives no gradients: use a query attack, or craft on another victim and transfer"
            )

    def behind(self, purifier: nn.Module) -> Victim:
        """The same network with `purifier` (images to images) in front of it, counting passes of its own."""
        front = purifier if self.purifier is None else nn.Sequential(purifier, self.purifier)
        label = getattr(purifier, "name", type(purifier).__name__)
        return Victim(
            self.network,
            name=f"{self.name} behind {label}",
            reads=self.reads,
            taps=self.taps,
            size=self.size,
            mean=self.mean,
            std=self.std,
            purifier=front,
        )

    def __call__(self, images: Tensor) -> Outputs:
        if images.ndim != 4 or not images.is_floating_point():
            raise UserError(
                f"{self.name} takes float images [N, C, H, W] in [0, 1], but got {images.dtype} {tuple(images.shape)}"
            )
        self.passes.forwards += len(images)
        seen = self._prepare(images)
        if seen.requires_grad:
            seen.register_hook(self._count_backward)
        with _listen(self._tapped) as heard:
            raw = self.network(seen)
        return Outputs({**self._named(raw), **{kind: value.flatten(1) for kind, value in heard.items()}}, self.name)

    @torch.no_grad()
    def predict(self, images: Tensor, *, batch: int = 128) -> Outputs:
        """Outputs without gradients, in batches of bounded size."""
        return concatenate([self(part) for part in images.split(batch)])

    def digest(self) -> str:
        """A hash of all that decides the outputs: architecture, weights, buffers, input settings, purifier."""
        state = hashlib.blake2b(digest_size=16)
        settings = (self.reads, sorted(self.taps.items()), self.size, self.mean, self.std)
        state.update(repr(settings).encode())
        for module in (self.network, self.purifier):
            state.update(repr(module).encode())
            for key, value in module.state_dict().items() if module is not None else ():
                state.update(
                    key.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
                )
            state.update(getattr(module, "fingerprint", "").encode())
        return state.hexdigest()

    def _prepare(self, images: Tensor) -> Tensor:
        seen = images if self.purifier is None else self.purifier(images)
        if self.size is not None and tuple(seen.shape[2:]) != tuple(self.size):
            seen = F.interpolate(seen, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        if self.mean:
            mean = torch.tensor(self.mean, dtype=seen.dtype, device=seen.device)[:, None, None]
            std = torch.tensor(self.std, dtype=seen.dtype, device=seen.device)[:, None, None]
            return torch.addcmul(-mean / std, seen, 1 / std)
        return seen * 1  # a tensor of our own, so that the hook below never sits on the caller's

    def _count_backward(self, gradient: Tensor) -> None:
        self.passes.backwards += len(gradient)

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

    def _layer(self, path: str) -> tuple[nn.Module, bool]:
        layer, _, side = path.partition(":")
        modules = dict(self.network.named_modules())
        if layer not in modules or side not in ("", "in"):
            known = ", ".join(name for name in modules if name)[:200]
            raise UserError(f"{self.name} has no layer {path!r} to tap; it has {known}")
        return modules[layer], side == "in"


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
