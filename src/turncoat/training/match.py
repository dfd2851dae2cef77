"""Whether a network and the data go together, told before the work begins."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.tasks.samples import Samples
from turncoat.training.craft import as_it_was


def require_match(network: nn.Module, samples: Samples) -> None:
    """Show the network one image; UserError where its scores are too few for the labels, or not one per attribute."""
    logits = _seen(network, samples.images([0, 0])).get("logits")
    if logits is None:  # whether they are needed is the recipe's affair
        return
    given, name = logits.shape[-1], samples.name
    if "label" in samples.truth:
        classes = int(samples.truth["label"].max()) + 1
        if given < classes:
            raise UserError(f"{name} has {classes} classes, but the network knows {given}: give it {classes}")
    elif "attributes" in samples.truth:
        attributes = samples.truth["attributes"].shape[1]
        if given != attributes:
            raise UserError(f"{name} has {attributes} attributes, but the network scores {given}: give it {attributes}")


@torch.no_grad()
def _seen(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What the network says in train mode, as some give scores only there; the running statistics are put back."""
    kept = [(values, values.clone()) for values in network.buffers()]
    with as_it_was(network), torch.random.fork_rng():
        given: dict[str, Tensor] = network.train()(images)
    for values, before in kept:
        values.copy_(before)
    return given
