"""Objectives on places in a ranking, beside their formulas written as loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives import crowd as crowds
from turncoat.objectives.crowd import NOBODY, Crowd, Metric
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.rankings import Misranked, Preserved, RankShift, Toward

METRICS = ("cosine", "euclidean")


def unit(seed: int, *shape: int) -> Tensor:
    values = torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)
    return values / values.norm(dim=-1, keepdim=True)


CROWD = Crowd(unit(0, 20, 4), torch.arange(20) % 5)
SEEN, CLEAN = unit(1, 6, 4), unit(2, 6, 4)
OTHERS = torch.randint(0, 20, (6, 3), generator=seeded(3))


def value(objective: Objective, truth: dict[str, Tensor], seen: Tensor = SEEN) -> Tensor:
    return objective(Outputs({"embedding": 3 * seen}), objective.observe(Outputs({"embedding": CLEAN}), truth))


def far(a: Tensor, b: Tensor, metric: Metric) -> float:
    if metric == "cosine":
        return 1 - sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return math.dist(a.tolist(), b.tolist())


def hinge(row: int, role: str, up: bool, metric: Metric, others: Tensor = OTHERS) -> float:
    """The loss an attacker lowers, as the articles print it."""
    total = 0.0
    for other in others[row].tolist():
        for x in range(20):
            if role == "query":
                gap = far(SEEN[row], CROWD.points[other], metric) - far(SEEN[row], CROWD.points[x], metric)
            else:
                gap = far(CROWD.points[other], SEEN[row], metric) - far(CROWD.points[other], CROWD.points[x], metric)
            total += max(0.0, gap if up else -gap)
    return total / (others.shape[1] * 20)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_shift_is_the_mean_excess_over_all_pairs(role: str, up: bool, metric: Metric) -> None:
    objective = RankShift(CROWD, "query" if role == "query" else "candidate", up, metric)
    found = value(objective, {"others": OTHERS})
    assert found.tolist() == pytest.approx([-hinge(row, role, up, metric) for row in range(6)], abs=1e-6)
    assert (found < 0).all()


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_crowd_in_parts_is_the_whole_crowd(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = RankShift(CROWD, "query" if role == "query" else "candidate", True, "euclidean")

    def both() -> tuple[Tensor, Tensor]:
        leaf = SEEN.clone().requires_grad_()
        reached = value(objective, {"others": OTHERS}, leaf)
        return reached.detach(), torch.autograd.grad(reached.sum(), leaf)[0]

    whole = both()
    monkeypatch.setattr(crowds, "CELLS", 3 * OTHERS.numel())
    assert len(list(CROWD.parts(OTHERS.numel(), SEEN))) == 7
    for part, all_at_once in zip(both(), whole, strict=True):
        torch.testing.assert_close(part, all_at_once)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["query", "candidate", "misranked", "toward"])
def test_slopes_are_those_of_finite_differences(kind: str, metric: Metric) -> None:
    objective: Objective = Toward()
    if kind in ("query", "candidate"):
        objective = RankShift(CROWD, "query" if kind == "query" else "candidate", True, metric)
    elif kind == "misranked":
        objective = Misranked(CROWD, metric)
    truth = {"others": OTHERS, "target": unit(5, 6, 4), "owner": torch.arange(6) % 5, "itself": torch.full((6,), -1)}
    assert torch.autograd.gradcheck(lambda seen: value(objective, truth, seen), SEEN.clone().requires_grad_())


def misranked(row: int, owner: int, itself: int, metric: Metric) -> float:
    everyone = [(x, int(CROWD.owner[x])) for x in range(20) if x != itself]
    others = [far(SEEN[row], CROWD.points[x], metric) for x, shows in everyone if shows != owner]
    own = [far(SEEN[row], CROWD.points[x], metric) for x, shows in everyone if shows == owner]
    return max(0.0, max(others) - min(own))


@pytest.mark.parametrize("metric", METRICS)
def test_misranking_compares_the_furthest_other_with_the_nearest_of_ones_own(metric: Metric) -> None:
    owner, itself = torch.arange(6) % 5, torch.tensor([0, 1, -1, 3, 4, -1])
    found = value(Misranked(CROWD, metric), {"owner": owner, "itself": itself})
    rows = zip(range(6), owner.tolist(), itself.tolist(), strict=True)
    assert found.tolist() == pytest.approx([-misranked(*row, metric) for row in rows], abs=1e-6)


def test_a_sample_is_not_among_its_own() -> None:
    """Its own row lies at distance nought: were it among its own, nothing could come before it."""
    points = torch.cat([SEEN[:1], CROWD.points])
    crowd = Crowd(points, torch.cat([torch.tensor([0]), CROWD.owner]))
    truth = {"owner": torch.tensor([0]), "itself": torch.tensor([0])}
    with_mask = value(Misranked(crowd), truth, SEEN[:1])
    without = value(Misranked(crowd), {**truth, "itself": torch.tensor([-1])}, SEEN[:1])
    assert float(with_mask) == pytest.approx(-misranked(0, 0, -1, "cosine"))
    assert float(without) < float(with_mask)


def test_nothing_is_gained_where_there_is_no_own_or_no_other() -> None:
    truth = {"owner": torch.tensor([77, 0]), "itself": torch.tensor([-1, -1])}
    alone = Crowd(CROWD.points, torch.zeros(20, dtype=torch.int64))
    for objective, place in ((Misranked(CROWD), 0), (Misranked(alone), 1)):
        leaf = SEEN[:2].clone().requires_grad_()
        reached = value(objective, truth, leaf)
        (slope,) = torch.autograd.grad(reached.sum(), leaf)
        assert reached[place] == 0
        assert (slope[place] == 0).all()


def test_nobody_is_neither_ones_own_nor_another() -> None:
    """Rows of a negative owner come after all others here, and before all: neither changes anything."""
    crowd = Crowd(torch.cat([CROWD.points, SEEN, -SEEN]), torch.cat([CROWD.owner, torch.full((12,), -1)]))
    truth = {"owner": torch.arange(6) % 5, "itself": torch.full((6,), -1)}
    torch.testing.assert_close(value(Misranked(crowd), truth), value(Misranked(CROWD), truth))


@pytest.mark.parametrize("metric", METRICS)
def test_preserving_weighs_by_how_far_the_kept_have_dropped(metric: Metric) -> None:
    kept = RankShift(CROWD, "query", True, metric, others="kept")
    losses = [hinge(row, "query", True, metric) for row in range(6)]
    fixed = value(Preserved(kept, xi=7.0), {"kept": OTHERS})
    assert fixed.tolist() == pytest.approx([-7 * loss for loss in losses], rel=1e-5)
    growing = value(Preserved(kept, xi=0.5, growth=3.0), {"kept": OTHERS})
    assert growing.tolist() == pytest.approx([-0.5 * math.exp(3 * loss) * loss for loss in losses], rel=1e-4)
    steep = value(Preserved(kept, growth=1e5), {"kept": OTHERS})
    assert steep.tolist() == pytest.approx([-1e9 * loss for loss in losses], rel=1e-5)


def test_the_weight_of_preserving_is_a_constant_to_the_gradient() -> None:
    kept = RankShift(CROWD, "query", True, others="kept")
    slopes = []
    for objective in (kept, Preserved(kept, growth=3.0)):
        leaf = SEEN.clone().requires_grad_()
        slopes.append(torch.autograd.grad(value(objective, {"kept": OTHERS}, leaf).sum(), leaf)[0])
    weight = (-3 * value(kept, {"kept": OTHERS})).exp()
    torch.testing.assert_close(slopes[1], weight[:, None] * slopes[0])


def test_toward_is_the_cosine_to_the_target() -> None:
    target = 5 * unit(5, 6, 4)
    found = value(Toward(), {"target": target})
    torch.testing.assert_close(found, torch.nn.functional.cosine_similarity(SEEN, target))
    assert (Toward() + 2 * OppositeDirection() + Toward()).wants == ("target",)
    assert OppositeDirection().wants == ()


def test_embedding_shift_is_what_uturn_wants() -> None:
    """The objectives rank any images alike, so the same one is best for both."""
    seen = unit(8, 200, 4)
    clean = CLEAN[:1].expand(200, -1)

    def order(objective: Objective) -> list[int]:
        reference = objective.observe(Outputs({"embedding": clean}), {})
        return objective(Outputs({"embedding": seen}), reference).argsort().tolist()

    shift = 1 - (seen * clean).sum(1)
    assert order(OppositeDirection()) == order(FeatureDistance(normalised=True)) == shift.argsort().tolist()


def test_a_crowd_is_told_without_its_numbers() -> None:
    one, other = (repr(RankShift(crowd, "query", True)) for crowd in (CROWD, NOBODY))
    assert one == other
    assert "tensor" not in one
