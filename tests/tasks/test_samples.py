"""A list of images with truth: taking rows, batches, pixels, and the hash."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.tasks.samples import Samples

PIXELS = torch.randint(0, 256, (7, 3, 4, 5), generator=seeded(0)).to(torch.uint8)


def _samples(pixels: Tensor = PIXELS, **truth: Tensor) -> Samples:
    keys = [f"k{row}" for row in range(len(pixels))]
    return Samples("toy", keys, lambda row: pixels[row], truth or {"label": torch.arange(len(pixels)) * 10})


def _pairs() -> Samples:
    second = Samples("second", [f"b{row}" for row in range(7)], lambda row: PIXELS[6 - row], {"who": torch.arange(7)})
    return replace(_samples(same=torch.arange(7) % 2 == 0), against=second)


def test_images_are_the_pixels_in_the_order_asked_for() -> None:
    images = _samples().images([4, 0, 4])
    assert images.dtype == torch.float32
    assert torch.equal((images * 255).round().to(torch.uint8), PIXELS[[4, 0, 4]])
    assert torch.equal(_samples().images(), PIXELS.float() / 255)


def test_a_column_of_the_wrong_length_is_told() -> None:
    with pytest.raises(UserError, match="'label' has 6 rows for 7 images"):
        _samples(label=torch.arange(6))


def test_taken_rows_keep_key_pixels_and_truth_together() -> None:
    taken = _samples().take([5, 1, 5])
    assert list(taken.keys) == ["k5", "k1", "k5"]
    assert taken.truth["label"].tolist() == [50, 10, 50]
    assert torch.equal(taken.read(1), PIXELS[1])
    again = taken.take(range(1, 3))
    assert list(again.keys) == ["k1", "k5"]
    assert torch.equal(again.images(), PIXELS[[1, 5]].float() / 255)


def test_pairs_take_their_second_image_along_and_queries_keep_the_gallery() -> None:
    pairs = _pairs().take([6, 2])
    assert pairs.against is not None
    assert list(pairs.against.keys) == ["b6", "b2"]
    assert torch.equal(pairs.against.read(0), PIXELS[0])
    queries = replace(_samples(person=torch.arange(7)), against=_samples()).take([3])
    assert queries.against is not None
    assert len(queries.against) == 7


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_batches_are_all_rows_once_in_order(size: int) -> None:
    parts = list(_samples().batches(size))
    assert all(len(part) == size for part in parts[:-1])
    assert [key for part in parts for key in part.keys] == [f"k{row}" for row in range(7)]
    assert torch.equal(torch.cat([part.images() for part in parts]), _samples().images())
    assert not list(_samples().take([]).batches(size))


def test_the_hash_is_of_what_is_there_and_not_of_how_it_is_read() -> None:
    reference = _samples().digest()
    assert _samples(PIXELS.clone()).digest() == reference
    assert _samples(PIXELS.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)).digest() == reference
    assert _samples().take(range(7)).digest() == reference
    assert replace(_samples(), against=_pairs(), name="other").digest() == reference


def test_the_hash_changes_with_pixel_truth_key_order_and_shape() -> None:
    poked = PIXELS.clone()
    poked[3, 1, 2, 3] ^= 1
    others = [
        _samples(poked),
        _samples(label=torch.arange(7) * 10 + (torch.arange(7) == 2)),
        _samples(person=torch.arange(7) * 10),
        replace(_samples(), keys=[f"q{row}" for row in range(7)]),
        _samples().take([1, 0, 2, 3, 4, 5, 6]),
        _samples().take(range(6)),
        _samples(PIXELS.reshape(7, 3, 5, 4)),
    ]
    digests = [_samples().digest(), *(other.digest() for other in others)]
    assert len(set(digests)) == len(digests)
