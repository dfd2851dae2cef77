"""Similarities: the right numbers, and the same bits however they are computed."""

from __future__ import annotations

import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.similarity import Similarity, all_scores, cosine, euclidean, pair_scores

BOTH = pytest.mark.parametrize("similarity", [cosine, euclidean])


def _rows(n: int, seed: int, width: int = 512) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_cosine_is_the_cosine() -> None:
    queries, gallery = _rows(20, 0), _rows(300, 1) * 7
    expected = torch.nn.functional.cosine_similarity(queries.double()[:, None], gallery.double()[None], dim=2)
    assert float((all_scores(cosine(queries), cosine(gallery)) - expected).abs().max()) < 5e-8


def test_euclidean_is_the_squared_distance_up_to_the_query() -> None:
    queries, gallery = _rows(20, 0, 33), _rows(100, 1, 33) * torch.logspace(-6, 6, 100)[:, None]
    distance = (queries.double()[:, None] - gallery.double()[None]).square().sum(2)
    expected = queries.double().square().sum(1, keepdim=True) - distance
    error = (all_scores(euclidean(queries), euclidean(gallery)) - expected).abs()
    assert float((error / (1 + distance)).max()) < 1e-7


@BOTH
@pytest.mark.parametrize("width", [1, 3, 512, 2049])
def test_same_bits_in_any_chunk_order_and_width_of_the_product(similarity: Similarity, width: int) -> None:
    queries, gallery = _rows(37, 0, width), _rows(203, 1, width) * 3
    whole = all_scores(similarity(queries), similarity(gallery))
    for size in (1, 2, 7, 64):
        parts = [all_scores(similarity(queries), similarity(part)) for part in gallery.split(size)]
        assert torch.equal(torch.cat(parts, 1), whole)
        assert torch.equal(
            torch.cat([all_scores(similarity(q), similarity(gallery)) for q in queries.split(size)]), whole
        )
    order = torch.randperm(width, generator=torch.Generator().manual_seed(2))
    a, b = similarity(queries), similarity(gallery)
    if similarity is cosine:
        # The product itself may be summed in any order of the coordinates.
        assert torch.equal(a.grid[:, order] @ b.grid[:, order].T, whole)
    rows, columns = torch.meshgrid(torch.arange(37), torch.arange(203), indexing="ij")
    pairs = pair_scores(a.take(rows.flatten()), b.take(columns.flatten()))
    assert torch.equal(pairs.reshape(37, 203), whole)


def test_the_plain_product_would_not_do() -> None:
    # Why the grid exists: float32 products of the same rows differ between shapes on common machines. If this
    # machine's do not, the test says nothing.
    queries, gallery = _rows(64, 0), _rows(500, 1)
    whole = queries @ gallery.T
    single = torch.cat([queries @ row[None].T for row in gallery], 1)
    if torch.equal(whole, single):
        pytest.skip("this machine's float32 products happen to agree")
    assert float((whole - single).abs().max()) < 1e-3


@BOTH
def test_tiny_huge_and_zero_rows(similarity: Similarity) -> None:
    rows = torch.tensor([[0.0, 0.0], [1e-30, 0.0], [1e30, 0.0], [0.0, -3.0]])
    scores = all_scores(similarity(rows), similarity(rows))
    assert bool(torch.isfinite(scores).all())
    if similarity is cosine:
        assert scores.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]


@BOTH
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_embeddings_are_told(similarity: Similarity, value: float) -> None:
    with pytest.raises(UserError, match="embedding 1"):
        similarity(torch.tensor([[1.0, 2.0], [1.0, value]]))
