"""Which rows make a batch, and data of any reader as something to train on."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.tasks.samples import Samples
from turncoat.training.batches import Batches, Rows
from turncoat.training.labelled import labelled


def _people(labels: list[int], column: str = "label") -> Samples:
    images = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    keys = [str(row) for row in range(len(labels))]
    return Samples("people", keys, lambda row: images[row], {column: torch.tensor(labels)})


def test_every_row_once_in_an_order_that_follows_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        batches = Batches(_people([0] * 10), 3, seed=seed)
        batches.epoch = epoch
        assert len(list(batches)) == len(batches) == 3
        return list(batches)

    first = order(1, 4)
    rows = [row for batch in first for row in batch]
    assert len(set(rows)) == 9
    assert all(len(batch) == 3 for batch in first)
    assert order(1, 4) == first
    assert first not in (order(1, 5), order(2, 4))


def test_a_grouped_batch_holds_so_many_images_of_so_many_classes() -> None:
    labels = [row % 7 for row in range(70)]
    batches = Batches(_people(labels), 12, seed=0, images=4)
    drawn = list(batches)
    assert len(drawn) == len(batches) == 5
    for batch in drawn:
        assert sorted(Counter(labels[row] for row in batch).values()) == [4, 4, 4]
        assert len(set(batch)) == 12
    seen = Counter(labels[row] for batch in drawn[:2] for row in batch)
    assert set(seen.values()) == {4}, "nobody is asked again before the others were"


def test_a_class_with_few_images_shows_each_as_seldom_as_it_can() -> None:
    labels = [0] * 6 + [1] * 3
    for batch in Batches(_people(labels), 8, seed=0, images=4):
        counts = Counter(batch)
        assert sorted(counts[row] for row in counts if labels[row] == 1) == [1, 1, 2]
        assert all(counts[row] == 1 for row in counts if labels[row] == 0)


def test_what_cannot_be_grouped_is_told() -> None:
    with pytest.raises(UserError, match="people has no labels"):
        Batches(_people([0, 1], "person"), 2, seed=0, images=2)
    for batch in (3, 9):
        with pytest.raises(UserError, match=f"a batch of {batch} cannot hold 4 .* choose one from 4 to 8"):
            Batches(_people([0, 1] * 8), batch, seed=0, images=4)


def test_people_of_queries_and_gallery_become_labels_and_junk_is_left_out() -> None:
    gallery = _people([9, -1, 5, 12], "person")
    queries = Samples("asked", ["q0", "q1"], lambda row: torch.full((3, 4, 4), 200 + row, dtype=torch.uint8),
                      {"person": torch.tensor([12, 5]), "camera": torch.tensor([1, 2])}, {}, gallery)  # fmt: skip
    made = labelled(queries)
    assert made.keys == ["q0", "q1", "0", "2", "3"]
    assert made.truth["label"].tolist() == [2, 0, 1, 0, 2]
    assert list(made.names["label"]) == ["5", "9", "12"]
    assert made.against is None
    assert [int(image[0, 0, 0] * 255) for image in made.images()] == [200, 201, 0, 2, 3]
    assert "camera" not in made.truth


def test_names_of_people_are_kept() -> None:
    samples = _people([2, 0, 2], "person")
    named = Samples(samples.name, samples.keys, samples.read, samples.truth, {"person": ["ann", "bob", "cay"]})
    assert list(labelled(named).names["label"]) == ["ann", "cay"]


@pytest.mark.parametrize("column", ["label", "attributes", "same"])
def test_data_that_are_labelled_or_hold_nobody_stay_as_they_are(column: str) -> None:
    samples = _people([3, 1], column)
    assert labelled(samples) is samples


def test_a_set_that_searches_itself_is_trained_on_once() -> None:
    gallery = _people([7, 8, 7, 9], "person")
    truth = {"person": torch.tensor([7, 8, 9]), "itself": torch.tensor([2, -1, 3])}
    asked = Samples("asked", ["q0", "q1", "q2"], lambda row: torch.full((3, 4, 4), 200 + row, dtype=torch.uint8),
                    truth, {}, gallery)  # fmt: skip
    made = labelled(asked)
    assert made.keys == ["q1", "0", "1", "2", "3"]
    assert made.truth["label"].tolist() == [1, 0, 1, 0, 2]
    assert [int(image[0, 0, 0] * 255) for image in made.images()] == [201, 0, 1, 2, 3]
    every = Samples(gallery.name, gallery.keys, gallery.read, {**gallery.truth, "itself": torch.arange(4)}, {}, gallery)
    assert labelled(every).keys == gallery.keys


@pytest.mark.parametrize(("rows", "batch", "images"), [(1, 8, 0), (8, 1, 0), (8, 1, 1)])
def test_a_batch_of_one_image_is_told(rows: int, batch: int, images: int) -> None:
    with pytest.raises(UserError, match=f"at least 2 images .* asks for {batch}, and people has {rows}"):
        Batches(_people([0, 1, 2, 3, 4, 5, 6, 7][:rows]), batch, seed=0, images=images)


def test_images_of_different_sizes_are_told() -> None:
    sizes = [(4, 4), (4, 6)]
    samples = Samples("views", ["a", "b"], lambda row: torch.zeros(3, *sizes[row], dtype=torch.uint8), {})
    rows = Rows(samples)
    assert rows.together([rows[0], rows[0]])["images"].shape == (2, 3, 4, 4)
    with pytest.raises(UserError, match=r"of views differ in size .* give the data a size: \[height, width\]"):
        rows.together([rows[0], rows[1]])
