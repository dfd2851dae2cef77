"""What a training costs, counted where it happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn
from torch.autograd.graph import register_multi_grad_hook

from turncoat.core.victim import Passes


@contextmanager
def metered(network: nn.Module) -> Iterator[Passes]:
    """Count the images that go forward through a network and the gradients that come back, whoever sends them.

    One count per image and direction, as in `Victim.passes`; that a gradient ends at the weights, at the image or at
    both makes no difference.
    """
    passes = Passes()

    def count(_: nn.Module, given: tuple[Tensor, ...], made: Tensor | Mapping[str, Tensor]) -> None:
        images = len(given[0])
        passes.forwards += images
        tensors: Sequence[Tensor] = [made] if isinstance(made, Tensor) else list(made.values())
        answering = [tensor for tensor in tensors if tensor.requires_grad]

        def back(_: Tensor) -> None:
            passes.backwards += images

        if answering:
            register_multi_grad_hook(answering, back, mode="any")

    handle = network.register_forward_hook(count)
    try:
        yield passes
    finally:
        handle.remove()
