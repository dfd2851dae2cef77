"""Several victims as one, for crafting on all of them at once."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.victim import Passes, Victim


class Ensemble(Victim):
    """Victims that look at the same image, each through its own resizing, normalisation and purifier.

    `embedding` `[N, D1 + ... + Dk]` holds the members' unit descriptors, divided by sqrt(k): a unit descriptor whose
    cosine is the mean of the members' cosines, so that U-turn's objective is the mean over members, as it is over
    parts. `logits` are the mean of the members' scores (Dong et al. 2018, sec. 3.2) where all give equally many. What
    not every member gives, the ensemble does not give. One image costs a pass of each member; they are counted here
    and not at the members, which stay as they are.
    """

    def __init__(self, victims: Sequence[Victim], *, name: str | None = None) -> None:
        if not victims:
            raise UserError("an ensemble needs at least one victim")
        if any(isinstance(victim, Ensemble) for victim in victims):
            raise UserError("an ensemble cannot be a member of another: name all the victims at once")
        super().__init__(
            nn.ModuleList([victim.network for victim in victims]),
            name=name or " + ".join(victim.name for victim in victims),
        )
        self.members = [_counting(victim, self.passes) for victim in victims]

    @property
    def views(self) -> int:
        """How often one image goes through any of the networks in one call."""
        return sum(member.views for member in self.members)

    @property
    def differentiable(self) -> bool:
        """Whether every member carries a gradient back to the image."""
        return all(member.differentiable for member in self.members)

    def require_gradients(self) -> None:
        """Raise UserError that names the first member without gradients."""
        for member in self.members:
            member.require_gradients()

    def behind(self, purifier: nn.Module) -> Ensemble:
        """The same members, each with `purifier` in front of it, counting passes of its own."""
        label = getattr(purifier, "name", type(purifier).__name__)
        return Ensemble([member.behind(purifier) for member in self.members], name=f"{self.name} behind {label}")

    def reading(self, layer: str | None = None, *, fused: bool = True) -> Ensemble:
        """The same members with the embedding read at another layer, which each of them must have."""
        other = Ensemble([member.reading(layer, fused=fused) for member in self.members], name=self.name)
        other.passes = self.passes
        other.members = [_counting(member, self.passes) for member in other.members]
        return other

    def __call__(self, images: Tensor) -> Outputs:
        answers = [member(images) for member in self.members]
        given: dict[str, Tensor] = {}
        if all("embedding" in answer.given for answer in answers):
            joined = torch.cat([answer.descriptor for answer in answers], 1)
            given["embedding"] = joined / math.sqrt(len(answers))
        if all("logits" in answer.given for answer in answers) and len({a.logits.shape for a in answers}) == 1:
            given["logits"] = torch.stack([answer.logits for answer in answers]).mean(0)
        return Outputs(given, self.name)

    def digest(self) -> str:
        """A hash of the members' digests, in order."""
        digests = "\0".join(member.digest() for member in self.members)
        return hashlib.blake2b(digests.encode(), digest_size=16).hexdigest()


def _counting(victim: Victim, passes: Passes) -> Victim:
    """The same victim, its passes counted elsewhere."""
    twin = copy.copy(victim)
    twin.passes = passes
    return twin
