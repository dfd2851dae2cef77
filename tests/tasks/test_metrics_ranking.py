"""Ranking metrics of whole retrievals: a plain loop, the rules of Market and CUB, ties, chunks and order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.ranking import rank, rank_queries
from turncoat.tasks.metrics.relations import by_person, from_lists
from turncoat.tasks.metrics.similarity import Similarity, cosine, euclidean

Scores = Callable[[Tensor, Tensor], Tensor]


def _cosine(queries: Tensor, gallery: Tensor) -> Tensor:
    return torch.nn.functional.normalize(queries.double()) @ torch.nn.functional.normalize(gallery.double()).T


def _nearness(queries: Tensor, gallery: Tensor) -> Tensor:
    return -(queries.double()[:, None] - gallery.double()[None]).norm(dim=2)


def _world(seed: int, queries: int = 40, gallery: int = 300, width: int = 8) -> dict[str, Tensor]:
    """Embeddings near their person's centre, with Market's kinds of rows: distractors (0) and junk (-1)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(14, width, generator=generator)
    query_person = torch.randint(1, 12, (queries,), generator=generator)
    query_person[2] = 12  # whom nobody in the gallery is
    gallery_person = torch.randint(-1, 12, (gallery,), generator=generator)
    return {
        "queries": centres[query_person] + torch.randn(queries, width, generator=generator),
        "gallery": centres[gallery_person + 1] + torch.randn(gallery, width, generator=generator),
        "query_person": query_person,
        "gallery_person": gallery_person,
        "query_camera": torch.randint(1, 4, (queries,), generator=generator),
        "gallery_camera": torch.randint(1, 4, (gallery,), generator=generator),
    }


def _ranks(world: dict[str, Tensor], scores: Tensor, query: int) -> list[int]:
    """0-based ranks of the good items once junk is removed, in plain words."""
    ranks, place = [], 0
    for row in scores[query].argsort(descending=True).tolist():
        person = int(world["gallery_person"][row])
        same = person == int(world["query_person"][query])
        same_camera = int(world["gallery_camera"][row]) == int(world["query_camera"][query])
        if person == -1 or (same and same_camera):
            continue
        if same:
            ranks.append(place)
        place += 1
    return ranks


@pytest.mark.parametrize(("similarity", "scores_of"), [(cosine, _cosine), (euclidean, _nearness)])
def test_against_a_plain_loop(similarity: Similarity, scores_of: Scores) -> None:
    world = _world(0)
    values = rank_queries(**world, similarity=similarity, chunk=37)
    scores = scores_of(world["queries"], world["gallery"])
    assert int((values["good"] == 0).sum()) > 0
    for query in range(40):
        ranks = _ranks(world, scores, query)
        assert int(values["good"][query]) == len(ranks)
        if not ranks:
            assert all(bool(column[query].isnan()) for name, column in values.items() if name != "good")
            continue
        m = len(ranks)
        expected = {f"cmc@{k}": float(ranks[0] < k) for k in (1, 5, 10)}
        expected["asr"] = float(ranks[0] >= 10)
        expected["ap"] = sum((i + 1) / (r + 1) for i, r in enumerate(ranks)) / m
        halves = [(i / r if r else 1) + (i + 1) / (r + 1) for i, r in enumerate(ranks)]
        expected["ap_trapezoid"] = sum(halves) / (2 * m)
        expected["inp"] = m / (ranks[-1] + 1)
        expected["first_good"] = ranks[0] + 1
        for k in (1, 5, 10):
            seen = min(ranks[-1] + 1, k)
            expected[f"mp@{k}"] = sum(r < seen for r in ranks) / seen
        for name, value in expected.items():
            assert float(values[name][query]) == pytest.approx(value, abs=1e-12), name


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name].nan_to_num(-1), other[name].nan_to_num(-1)) for name in one)


@pytest.mark.parametrize("similarity", [cosine, euclidean])
def test_neither_order_nor_chunk_changes_a_bit_with_ties_between_good_and_bad(similarity: Similarity) -> None:
    world = _world(1, gallery=120, width=64)
    # Every embedding three times, under other persons: ties between good, junk and negative rows abound.
    generator = torch.Generator().manual_seed(5)
    world["gallery"] = world["gallery"].repeat(3, 1)
    world["gallery_person"] = torch.cat([world["gallery_person"], torch.randint(-1, 12, (240,), generator=generator)])
    world["gallery_camera"] = torch.cat([world["gallery_camera"], torch.randint(1, 4, (240,), generator=generator)])
    reference = rank_queries(**world, similarity=similarity)
    assert bool(((reference["cmc@1"] > 0) & (reference["cmc@1"] < 1)).any())
    for seed, chunk in enumerate([1, 7, 100, 359, 8192]):
        order = torch.randperm(360, generator=torch.Generator().manual_seed(seed))
        shuffled = {name: column[order] if name.startswith("gallery") else column for name, column in world.items()}
        assert _equal(rank_queries(**shuffled, similarity=similarity, chunk=chunk), reference)


def test_ties_give_the_mean_over_broken_ties() -> None:
    # One query; its good row shares a score with three negatives, below one better negative.
    gallery = torch.tensor([[1.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.5, 0.5], [3.0, 3.0], [0.0, 1.0]])
    values = rank_queries(
        torch.tensor([[1.0, 0.0]]),
        gallery,
        query_person=torch.tensor([5]),
        gallery_person=torch.tensor([1, 5, 2, 3, 4, 6]),
        junk="none",
        ks=(1, 2, 3, 4, 5),
    )
    assert [float(values[f"cmc@{k}"]) for k in (1, 2, 3, 4, 5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert float(values["ap"]) == pytest.approx((1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4)
    assert float(values["first_good"]) == pytest.approx(3.5)


def test_a_collapsed_embedding_scores_by_chance() -> None:
    world = _world(2)
    collapsed = {**world, "queries": torch.ones(40, 8), "gallery": torch.ones(300, 8)}
    values = rank_queries(**collapsed)
    kept = [
        sum(
            p >= 0 and not (p == int(world["query_person"][q]) and c == int(world["query_camera"][q]))
            for p, c in zip(world["gallery_person"].tolist(), world["gallery_camera"].tolist(), strict=True)
        )
        for q in range(40)
    ]
    chance = values["good"].double() / torch.tensor(kept)
    some = values["good"] > 0
    assert torch.allclose(values["cmc@1"][some], chance[some], atol=1e-12)
    assert torch.allclose(values["mp@10"][some], chance[some], atol=2e-3)


def test_a_query_that_is_in_the_gallery_does_not_find_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(30, 4, generator=generator), torch.randint(0, 5, (30,), generator=generator)
    itself = torch.arange(30)
    found = rank_queries(images, images, query_person=labels, gallery_person=labels, junk="none", junk_index=itself)
    for query in range(30):
        others = itself[itself != query]
        alone = rank_queries(
            images[query : query + 1],
            images[others],
            query_person=labels[query : query + 1],
            gallery_person=labels[others],
            junk="none",
        )
        assert _equal({name: column[query : query + 1] for name, column in found.items()}, alone)


def test_junk_is_removed_and_lists_do_what_persons_do() -> None:
    world = _world(3)
    relations = by_person(
        world["query_person"],
        world["gallery_person"],
        query_camera=world["query_camera"],
        gallery_camera=world["gallery_camera"],
    )
    nobody = (world["gallery_person"] < 0).nonzero()[:, 0].tolist()
    good = [relations.row[(relations.query == q) & relations.good].tolist() for q in range(40)]
    junk = [relations.row[(relations.query == q) & ~relations.good].tolist() + nobody for q in range(40)]
    listed = rank(world["queries"], world["gallery"], from_lists(good, junk, 300))
    assert _equal(listed, rank_queries(**world))
    # A row that is good and junk is junk.
    both = from_lists([[3, 1]], [[1, 1]], 5)
    assert both.row[both.good].tolist() == [3]
    assert both.row[~both.good].tolist() == [1]


class _Chunks:
    """A gallery that exists only a part at a time."""

    def __init__(self, rows: Tensor, size: int) -> None:
        self.rows, self.size = rows, size

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.rows.split(self.size))


def test_every_form_of_gallery_gives_the_same(tmp_path: Path) -> None:
    world = _world(4)
    gallery = world.pop("gallery")
    reference = rank_queries(gallery=gallery, **world)
    np.save(tmp_path / "gallery.npy", gallery.numpy())
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    for form in (gallery.numpy(), mapped, list(gallery.split(13)), _Chunks(gallery, 50), _Chunks(gallery, 1000)):
        assert _equal(rank_queries(gallery=form, **world, chunk=32), reference)
    with pytest.raises(UserError, match="iterator"):
        rank_queries(gallery=iter(gallery.split(13)), **world)


def test_one_query_and_no_good_item_at_all() -> None:
    nothing = rank_queries(
        torch.ones(1, 3),
        torch.ones(4, 3),
        query_person=torch.tensor([1]),
        gallery_person=torch.zeros(4).long(),
        junk="none",
    )
    assert int(nothing["good"]) == 0
    assert bool(nothing["ap"].isnan())
    perfect = rank_queries(
        torch.ones(1, 3),
        torch.ones(1, 3),
        query_person=torch.tensor([1]),
        gallery_person=torch.ones(1).long(),
        junk="none",
    )
    assert all(float(value) == (0 if name == "asr" else 1) for name, value in perfect.items())


def test_more_queries_than_a_block_are_ranked_each_by_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = torch.randn(1500, 4, generator=generator), torch.randn(90, 4, generator=generator)
    persons, cast = torch.randint(0, 9, (1500,), generator=generator), torch.randint(0, 9, (90,), generator=generator)
    whole = rank_queries(queries, gallery, query_person=persons, gallery_person=cast, junk="none")
    for part in (slice(0, 3), slice(1020, 1030), slice(1490, 1500)):
        alone = rank_queries(queries[part], gallery, query_person=persons[part], gallery_person=cast, junk="none")
        assert _equal({name: column[part] for name, column in whole.items()}, alone)


def test_mistakes_are_told() -> None:
    world = _world(0)
    with pytest.raises(UserError, match="without cameras use"):
        rank_queries(**{**world, "query_camera": None})
    with pytest.raises(UserError, match="same-camera"):
        rank_queries(**world, junk="all")
    with pytest.raises(UserError, match="299 gallery embeddings for 300"):
        rank_queries(**{**world, "gallery": world["gallery"][:299]})
    with pytest.raises(UserError, match="301 gallery embeddings for 300"):
        rank_queries(**{**world, "gallery": torch.ones(301, 8)})
    with pytest.raises(UserError, match="as the queries"):
        rank_queries(**{**world, "gallery": torch.ones(300, 9)})
    with pytest.raises(UserError, match="39 query embeddings"):
        rank_queries(**{**world, "queries": world["queries"][:39]})
    with pytest.raises(UserError, match="there are 300 rows"):
        rank_queries(**world, junk_index=torch.full((40,), 300))
    with pytest.raises(UserError, match="at least 1"):
        rank_queries(**world, ks=(0,))
