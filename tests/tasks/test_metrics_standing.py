"""Places in a ranking, counted one by one."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.tasks.metrics import standing as module
from turncoat.tasks.metrics.standing import kept_within, nearest, normalised_rank, standing


def corners(seed: int, count: int) -> Tensor:
    """Corners of a cube, so that many cosines are equal."""
    return torch.randint(0, 2, (count, 4), generator=seeded(seed)).float() * 2 - 1


def smooth(seed: int, count: int) -> Tensor:
    return torch.randn(count, 4, generator=seeded(seed))


def scores(query: Tensor, gallery: Tensor) -> list[float]:
    cosines = torch.nn.functional.cosine_similarity(query.double()[None], gallery.double())
    return [round(float(one), 9) for one in cosines]


NONE = torch.full((6,), -1)


@pytest.mark.parametrize("points", [corners, smooth])
def test_a_rank_counts_those_before_and_half_of_the_ties(points: object) -> None:
    make = corners if points is corners else smooth
    queries, gallery = make(0, 6), make(1, 30)
    rows = torch.tensor([3, 7, 7, 0, 29, 12])
    found = normalised_rank(queries, gallery[rows], gallery, itself=rows)
    ties = 0
    for place, row in enumerate(rows.tolist()):
        all_scores = scores(queries[place], gallery)
        before = sum(one > all_scores[row] for one in all_scores)
        equal = sum(one == all_scores[row] for other, one in enumerate(all_scores) if other != row)
        ties += equal
        assert float(found[place]) == pytest.approx((before + equal / 2) / 30)
    assert (ties > 0) == (make is corners)


def test_without_ties_it_is_the_published_rank() -> None:
    queries, gallery, items = smooth(0, 6), smooth(1, 30), smooth(2, 6)
    found = normalised_rank(queries, items, gallery, itself=NONE)
    for place in range(6):
        own = scores(queries[place], items)[place]
        assert float(found[place]) == pytest.approx(sum(own < one for one in scores(queries[place], gallery)) / 30)


def test_an_item_outside_the_gallery_does_not_tie_with_its_clean_self() -> None:
    gallery = smooth(1, 30)
    rows = torch.arange(6)
    alone = standing(smooth(0, 6), gallery[rows], gallery, itself=rows)
    strange = standing(smooth(0, 6), gallery[rows], gallery, itself=NONE)
    assert alone[1].tolist() == [0] * 6
    assert strange[1].tolist() == [1] * 6
    assert torch.equal(alone[0], strange[0])


def test_the_size_of_the_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery, rows = corners(0, 6), corners(1, 30), torch.arange(6)

    def all_of_it() -> list[Tensor]:
        before, equal = standing(queries, gallery[rows], gallery, itself=rows, left_out=rows + 1)
        return [before, equal, nearest(queries, gallery, 9, left_out=rows)]

    whole = all_of_it()
    monkeypatch.setattr(module, "CHUNK", 7)
    for part, one in zip(all_of_it(), whole, strict=True):
        assert torch.equal(part, one)


def test_nearest_is_a_sort_with_the_lower_row_first_on_ties() -> None:
    queries, gallery, left_out = corners(0, 6), corners(1, 30), torch.tensor([-1, 3, 8, -1, 0, 29])
    found = nearest(queries, gallery, 5, left_out=left_out)
    for place in range(6):
        told = scores(queries[place], gallery)
        rows = [row for row in range(30) if row != left_out[place]]
        assert found[place].tolist() == sorted(rows, key=lambda row: (-told[row], row))[:5]


def test_barred_owners_and_nobody_are_passed_over() -> None:
    queries, gallery, owner = smooth(0, 6), smooth(1, 30), torch.arange(30) % 4 - 1
    barred = torch.tensor([0, 1, 2, 0, 1, 2])
    found = nearest(queries, gallery, 1, left_out=NONE, owner=owner, barred=barred)[:, 0]
    for place in range(6):
        told = scores(queries[place], gallery)
        rows = [row for row in range(30) if owner[row] >= 0 and owner[row] != barred[place]]
        assert int(found[place]) == max(rows, key=lambda row: told[row])
    with pytest.raises(UserError, match="fewer than 1"):
        nearest(queries, gallery, 1, left_out=NONE, owner=torch.zeros(30), barred=torch.zeros(6))
    with pytest.raises(UserError, match="fewer than 31"):
        nearest(queries, gallery, 31, left_out=NONE)


def test_staying_among_the_first_is_a_chance_over_the_orders_of_ties() -> None:
    query, gallery = torch.tensor([[1.0, 0.0]]), torch.tensor([[1, 0], [1, 1], [1, 1], [1, 1], [0, 1.0]])
    for row, left_out, first in ((1, -1, 2), (2, -1, 3), (3, 0, 1), (1, 2, 2), (0, -1, 1), (4, -1, 4), (4, 0, 4)):
        item, gone = torch.tensor([row]), torch.tensor([left_out])
        found = kept_within(query, gallery[item], gallery, itself=item, left_out=gone, first=first)
        rows = [other for other in range(5) if other != left_out]
        orders = [
            order
            for order in permutations(rows)
            if all(a <= b for a, b in zip(_steps(order), _steps(order)[1:], strict=False))
        ]
        assert float(found) == pytest.approx(sum(row in order[:first] for order in orders) / len(orders))


def _steps(order: tuple[int, ...]) -> list[int]:
    """How high each row stands: 0 for the first, 1 for the three that tie, 2 for the last."""
    return [(0, 1, 1, 1, 2)[row] for row in order]
