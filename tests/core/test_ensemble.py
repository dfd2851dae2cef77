"""Several victims as one: the mean of what they say, and the sum of what they cost."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from turncoat.core.ensemble import Ensemble
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.features import OppositeDirection


class Net(nn.Module):
    """A convolution, averaged to `width` features (in `parts` strips), and `classes` scores of them."""

    def __init__(self, seed: int, width: int = 5, classes: int = 4, parts: int = 0) -> None:
        super().__init__()
        self.parts = parts
        self.conv = nn.Conv2d(3, width, 3)
        self.head = nn.Linear(width, classes)
        generator = seeded(seed)
        for weight in self.parameters():
            weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = torch.tanh(self.conv(images))
        embedding = maps.mean((2, 3))
        if self.parts:
            strips = nn.functional.adaptive_avg_pool2d(maps, (self.parts, 1))[..., 0].transpose(1, 2)
            return {"embedding": strips, "logits": self.head(embedding)}
        return {"embedding": embedding, "logits": self.head(embedding)}


def victim(seed: int, **settings: Any) -> Victim:
    size = settings.pop("size", None)
    return Victim(Net(seed, **settings), name=f"net {seed}", size=size, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 12, 10, generator=seeded(9), dtype=torch.float64)


class Darker(nn.Module):
    name = "darker"

    def forward(self, seen: Tensor) -> Tensor:
        return 0.7 * seen


def test_scores_are_averaged_and_unit_descriptors_put_side_by_side() -> None:
    members = [victim(0), victim(1, width=7, size=(8, 8)), victim(2, parts=3)]
    seen, alone = Ensemble(members)(images()), [member(images()) for member in members]
    torch.testing.assert_close(seen.logits, sum(one.logits for one in alone) / 3)
    parts = [one.embedding / one.embedding.norm(dim=-1, keepdim=True) for one in alone]
    parts[2] = parts[2].flatten(1) / 3**0.5
    torch.testing.assert_close(seen.embedding, torch.cat(parts, 1) / 3**0.5)
    torch.testing.assert_close(seen.embedding.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_the_objective_of_uturn_is_the_mean_over_members() -> None:
    members, other = [victim(0), victim(1, width=7)], images().flip(-1)
    goal = OppositeDirection()

    def value(one: Victim) -> Tensor:
        return goal(one(other), goal.observe(one(images()), {}))

    torch.testing.assert_close(value(Ensemble(members)), (value(members[0]) + value(members[1])) / 2)


def test_what_not_every_member_gives_the_ensemble_does_not_give() -> None:
    unlike = Ensemble([victim(0), victim(1, classes=6)])(images())
    assert set(unlike.given) == {"embedding"}
    with pytest.raises(UserError, match=r"net 0 \+ net 1 gives embedding, but logits is needed"):
        unlike.logits  # noqa: B018
    bare = Victim(nn.Sequential(nn.Flatten(), nn.Linear(360, 4).double()), reads="logits")
    assert set(Ensemble([victim(0), bare])(images()).given) == {"logits"}


def test_an_ensemble_of_one_is_that_victim() -> None:
    one = victim(0)
    joint = Ensemble([one])
    leaf, twin = images().requires_grad_(), images().requires_grad_()
    torch.testing.assert_close(joint(leaf).logits, one(twin).logits)
    torch.testing.assert_close(joint.predict(images()).descriptor, one.predict(images()).descriptor)
    slopes = [
        torch.autograd.grad(each(seen).descriptor[:, 0].sum(), seen)[0] for each, seen in ((joint, leaf), (one, twin))
    ]
    torch.testing.assert_close(*slopes)


def test_passes_are_those_of_all_members_together_and_no_member_of_its_own() -> None:
    members = [victim(0), victim(1)]
    joint = Ensemble(members)
    leaf = images().requires_grad_()
    torch.autograd.grad(joint(leaf).logits.sum(), leaf)
    joint.predict(images(2), batch=1)
    assert (joint.passes.forwards, joint.passes.backwards) == (2 * 3 + 2 * 2, 2 * 3)
    assert members[0].passes.forwards == 0
    assert joint.views == 2


def test_behind_a_purifier_stands_every_member() -> None:
    joint = Ensemble([victim(0), victim(1)])
    dark = joint.behind(Darker())
    torch.testing.assert_close(dark(images()).logits, joint(0.7 * images()).logits)
    assert dark.name == "net 0 + net 1 behind darker"
    assert dark.passes.forwards == 2 * 3
    assert joint.passes.forwards == 2 * 3


def test_the_digest_tells_members_and_their_order_apart() -> None:
    def digest(*members: Victim) -> str:
        return Ensemble(members).digest()

    assert digest(victim(0), victim(1)) == digest(victim(0), victim(1))
    told = {digest(victim(0), victim(1)), digest(victim(1), victim(0)), digest(victim(0)), digest(victim(0), victim(2))}
    assert len(told) == 4


def test_gradients_are_there_where_every_member_has_them() -> None:
    assert Ensemble([victim(0), victim(1)]).differentiable
    blind = victim(2)
    blind.network.differentiable = False
    joint = Ensemble([victim(0), blind])
    assert not joint.differentiable
    with pytest.raises(UserError, match="net 2 gives no gradients"):
        joint.require_gradients()


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="at least one victim"):
        Ensemble([])
    with pytest.raises(UserError, match="name all the victims at once"):
        Ensemble([Ensemble([victim(0)]), victim(1)])
    assert Ensemble([victim(0)], name="both").name == "both"
