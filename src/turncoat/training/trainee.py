"""A network in training, seen from pixel space as a victim is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from turncoat.core.victim import Victim
from turncoat.training.craft import as_it_was


class Trainee(nn.Module):
    """Images `[N, 3, H, W]` in [0, 1] to outputs by kind, with resizing, normalisation and taps as in `Victim`.

    Unlike a victim the network keeps its mode and its gradients; it is `network`, whose weights are what is trained.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        reads: str | None = None,
        taps: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        with as_it_was(network):
            self.seen = Victim(network, reads=reads, taps=taps, size=size, mean=mean, std=std)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(self.seen(images).given)
