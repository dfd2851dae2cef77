"""A frozen network seen from pixel space."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs, concatenate
from turncoat.core.reader import Fusion, Reader


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
    `{"embedding": "fc:in"}` its input; what a tap reads is flattened to `[N, D]`, or with `:mean` at the end averaged
    over the positions of its maps. A `fusion` makes one answer of several looks at the prepared image (mirrored, at
    several scales). `passes` counts how often an image went through the network, whoever calls.
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
        fusion: Fusion | None = None,
    ) -> None:
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
        self.fusion = fusion.eval().requires_grad_(False) if fusion is not None else None
        self.passes = Passes()
        self._look = Reader(self.network, self.name, reads, self.taps)

    @property
    def views(self) -> int:
        """How often one image goes through the network in one call."""
        return 1 if self.fusion is None else self.fusion.views

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
        return self._sibling(f"{self.name} behind {label}", self.taps, front, self.fusion)

    def reading(self, layer: str | None = None, *, fused: bool = True) -> Victim:
        """The same victim with the embedding read at another place, for attacks on another layer than the ranked one.

        `layer` is a path as in `taps`; its maps are averaged over their positions, `[N, C, H, W]` to `[N, C]`. None
        means the network's own embedding. It is seen in the same fused looks as before, but without a whitening, or
        with `fused=False` in the plain look alone. Passes count on this victim's counter.
        """
        taps = self.taps if layer is None else {**self.taps, "embedding": f"{layer.removesuffix(':mean')}:mean"}
        fusion = self.fusion.elsewhere() if self.fusion is not None and fused else None
        other = self._sibling(self.name, taps, self.purifier, fusion)
        other.passes = self.passes
        return other

    def _sibling(self, name: str, taps: Mapping[str, str], purifier: nn.Module | None, fusion: Fusion | None) -> Victim:
        return Victim(
            self.network,
            name=name,
            reads=self.reads,
            taps=taps,
            size=self.size,
            mean=self.mean,
            std=self.std,
            purifier=purifier,
            fusion=fusion,
        )

    def __call__(self, images: Tensor) -> Outputs:
        if images.ndim != 4 or not images.is_floating_point():
            raise UserError(
                f"{self.name} takes float images [N, C, H, W] in [0, 1], but got {images.dtype} {tuple(images.shape)}"
            )
        self.passes.forwards += len(images) * self.views
        seen = self._prepare(images)
        if seen.requires_grad:
            seen.register_hook(self._count_backward)
        return Outputs(self._look(seen) if self.fusion is None else self.fusion(self._look, seen), self.name)

    @torch.no_grad()
    def predict(self, images: Tensor, *, batch: int = 128) -> Outputs:
        """Outputs without gradients, in batches of bounded size."""
        return concatenate([self(part) for part in images.split(batch)])

    def digest(self) -> str:
        """A hash of all that decides the outputs: architecture, weights, buffers, input settings, purifier, fusion."""
        state = hashlib.blake2b(digest_size=16)
        settings = (self.reads, sorted(self.taps.items()), self.size, self.mean, self.std)
        state.update(repr(settings).encode())
        for module in (self.network, self.purifier, *([self.fusion] if self.fusion is not None else [])):
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
        self.passes.backwards += len(gradient) * self.views
