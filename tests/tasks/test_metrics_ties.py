"""Expected values over ties: the mean over every order, enumerated."""

from __future__ import annotations

from itertools import combinations, product

import pytest
import torch

from turncoat.tasks.metrics import ties
from turncoat.tasks.metrics.ties import TieGroups, expected_metrics

KS = (1, 2, 3, 5)
ASR_K = 4


def of_ranks(ranks: tuple[int, ...]) -> dict[str, float]:
    """Every metric of one list, from the ranks (0-based, rising) of its good items, straight from the definitions."""
    m = len(ranks)
    old_new = [(i / r if r > 0 else 1.0, (i + 1) / (r + 1)) for i, r in enumerate(ranks)]
    values = {f"cmc@{k}": float(ranks[0] < k) for k in KS}
    for k in KS:
        seen = min(ranks[-1] + 1, k)
        values[f"mp@{k}"] = sum(r + 1 <= seen for r in ranks) / seen
    return {
        **values,
        "asr": float(ranks[0] >= ASR_K),
        "ap": sum(new for _, new in old_new) / m,
        "ap_trapezoid": sum(old + new for old, new in old_new) / (2 * m),
        "inp": m / (ranks[-1] + 1),
        "first_good": ranks[0] + 1,
        "good": m,
    }


def of_groups(groups: list[tuple[int, int]]) -> dict[str, float]:
    """The mean of `of_ranks` over all orders of a list of (good, negative) groups."""
    choices, start = [], 0
    for good, negative in groups:
        choices.append(list(combinations(range(start, start + good + negative), good)))
        start += good + negative
    every = [of_ranks(tuple(sum(chosen, ()))) for chosen in product(*choices)]
    return {name: sum(values[name] for values in every) / len(every) for name in every[0]}


def counts_of(lists: list[list[tuple[int, int]]]) -> TieGroups:
    rows = []
    for query, groups in enumerate(lists):
        good_before = negative_before = 0
        for good, negative in groups:
            if good:
                rows.append((query, good, negative, good_before, negative_before))
            good_before, negative_before = good_before + good, negative_before + negative
    return TieGroups(*torch.tensor(rows, dtype=torch.int64).reshape(-1, 5).unbind(1))


@pytest.mark.parametrize(
    ("ranks", "trapezoid"), [((0, 2), 0.791667), ((1,), 0.25), ((0,), 1.0), ((0, 1, 2, 3, 4, 5), 1.0)]
)
def test_average_precision_of_the_published_code(ranks: tuple[int, ...], trapezoid: float) -> None:
    groups = [(1, 0) if rank in ranks else (0, 1) for rank in range(ranks[-1] + 1)]
    values = expected_metrics(counts_of([groups]), 1, KS, ASR_K)
    assert float(values["ap_trapezoid"]) == pytest.approx(trapezoid, abs=1e-6)


@pytest.mark.parametrize("at_once", [1, 7, 2_000_000])
def test_every_small_list_against_all_its_orders(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "_POSITIONS", at_once)
    sizes = [(1, 0), (0, 2), (1, 1), (2, 0), (1, 3), (2, 2), (3, 1)]
    lists = [list(groups) for n in (1, 2, 3) for groups in product(sizes, repeat=n) if any(g for g, _ in groups)]
    values = expected_metrics(counts_of(lists), len(lists), KS, ASR_K)
    for query, groups in enumerate(lists):
        for name, expected in of_groups(groups).items():
            assert float(values[name][query]) == pytest.approx(expected, abs=1e-12), (name, groups)


def test_a_query_without_good_items_has_no_value() -> None:
    values = expected_metrics(counts_of([[(1, 1)], [], [(2, 0)]]), 3, KS, ASR_K)
    assert values["good"].tolist() == [1, 0, 2]
    for name, column in values.items():
        assert name == "good" or column.isnan().tolist() == [False, True, False]
    none = expected_metrics(counts_of([[]]), 1, KS, ASR_K)
    assert none["good"].tolist() == [0]
    assert bool(none["ap"].isnan().all())


def test_a_great_group_of_ties_matches_drawing_lots() -> None:
    good, negative = 20, 30_000
    values = expected_metrics(counts_of([[(3, 5), (good, negative)]] * 500), 500, KS, ASR_K)
    assert bool((values["ap"] == values["ap"][0]).all())
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(300):
        first = torch.randperm(8, generator=generator)[:3]
        rest = 8 + torch.randperm(good + negative, generator=generator)[:good]
        drawn.append(of_ranks(tuple(sorted(torch.cat([first, rest]).tolist()))))
    for name in ("ap", "ap_trapezoid", "inp", "first_good", "mp@3", "cmc@1"):
        sample = torch.tensor([values_of[name] for values_of in drawn], dtype=torch.float64)
        error = float(sample.std()) / 300**0.5
        assert abs(float(values[name][0]) - float(sample.mean())) < 4 * error + 1e-12, name
