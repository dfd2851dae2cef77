"""CUB-200-2011 and UECFOOD-256 as retrieval sets: the split by class, boxes, and which images ask."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import tiny_sets
from turncoat.core.errors import UserError
from turncoat.data.cub200 import cub200
from turncoat.data.food256 import food256
from turncoat.tasks.retrieval import Retrieval


def test_every_test_bird_asks_and_all_but_itself_answer(tmp_path: Path) -> None:
    queries = cub200(tiny_sets.cub200(tmp_path), size=(16, 16))
    gallery = queries.against
    assert gallery is not None
    assert queries.keys == gallery.keys
    assert set(queries.truth) == {"person", "itself"}
    assert queries.truth["person"].tolist() == gallery.truth["person"].tolist() == [101] * 3 + [102] * 3
    assert queries.truth["itself"].tolist() == list(range(6))
    related = Retrieval(junk="none").relations(queries.take([1, 5]), [0, 1])
    pairs = list(zip(related.query.tolist(), related.row.tolist(), related.good.tolist(), strict=True))
    assert [(query, row) for query, row, good in pairs if good] == [(0, 0), (0, 2), (1, 3), (1, 4)]
    assert [(query, row) for query, row, good in pairs if not good] == [(0, 1), (1, 5)]
    assert torch.equal(queries.read(4), gallery.read(4))


def test_training_birds_are_the_first_hundred_classes(tmp_path: Path) -> None:
    train = cub200(tiny_sets.cub200(tmp_path), "train")
    assert train.truth["person"].tolist() == [99] * 3 + [100] * 3
    assert train.truth["label"].tolist() == [0] * 3 + [1] * 3
    assert train.names["label"] == ["099.Ovenbird", "100.Brown_Pelican"]
    assert train.against is None
    assert train.read(0).shape == (3, 256, 256)


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("images.txt", "13 101.White_Pelican/gone.jpg", r"image_class_labels\.txt: image 13 .* has no class number"),
        ("images.txt", "1 101.White_Pelican/gone.jpg", r"images\.txt names '1' twice: leave one out"),
        ("images.txt", "13 101.White_Pelican/White_Pelican_0000_0.jpg", r"images\.txt names '101.* twice"),
        ("images.txt", "gone.jpg", r"images\.txt: line 13 is 'gone\.jpg'; it must be a number and a value"),
        ("image_class_labels.txt", "3", r"image_class_labels\.txt: line 13 is"),
    ],
)
def test_a_wrong_line_of_birds_is_named(tmp_path: Path, name: str, line: str, message: str) -> None:
    root = tiny_sets.cub200(tmp_path)
    with (root / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=message):
        cub200(root)


def test_a_missing_bird_is_told(tmp_path: Path) -> None:
    root = tiny_sets.cub200(tmp_path)
    (root / "images" / "101.White_Pelican" / "White_Pelican_0001_1.jpg").unlink()
    with pytest.raises(UserError, match=r"images\.txt: the file .*White_Pelican_0001_1\.jpg does not exist"):
        cub200(root)
    (root / "images.txt").write_text("1 099.Ovenbird/Ovenbird_0000_0.jpg\n")
    with pytest.raises(UserError, match="names no images of the classes 101 to 200"):
        cub200(root)
    with pytest.raises(UserError, match="'val'; it must be one of train, test"):
        cub200(root, "val")


def test_sixteen_dishes_of_each_class_ask_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = tiny_sets.food256(tmp_path, [*range(225, 256)])
    tiny_sets.food256(root, [256], each=20)
    (root / "256" / "256.jpg").rename(root / "256" / "1000.jpg")
    text = (root / "256" / "bb_info.txt").read_text()
    (root / "256" / "bb_info.txt").write_text(text.replace("256 1 1", "1000 1 1"))
    queries = food256(root, size=(16, 16))
    gallery = queries.against
    assert gallery is not None
    assert (len(queries), len(gallery)) == (31 + 16, 4)
    assert queries.keys[31:] == [f"256/{number}.jpg" for number in range(257, 273)]
    assert gallery.keys == ["256/273.jpg", "256/274.jpg", "256/275.jpg", "256/1000.jpg"]
    assert not set(queries.keys) & set(gallery.keys)
    assert queries.truth["person"].tolist() == [*range(225, 256)] + [256] * 16
    assert set(queries.truth) == {"person"}


def test_training_dishes_are_numbered(tmp_path: Path) -> None:
    train = food256(tiny_sets.food256(tmp_path, range(1, 225)), "train", size=(8, 8))
    assert train.truth["label"].tolist() == list(range(224))
    assert train.names["label"][223] == "224"
    with pytest.raises(UserError, match="225 does not exist"):
        food256(tmp_path)


def test_the_last_box_that_is_large_enough_is_cut_out(tmp_path: Path) -> None:
    root = tiny_sets.food256(tmp_path, each=17)
    colours = Image.new("RGB", (40, 40), "red")
    colours.paste((0, 0, 255), (10, 5, 30, 35))
    colours.save(root / "240" / "7.png")
    (root / "240" / "7.png").rename(root / "240" / "7.jpg")  # the bytes say what it is
    listed = "img x1 y1 x2 y2\n7 1 1 20 20\n7 11 6 31 36\n7 1 1 10 41\n8 1 1 9 40\n"
    (root / "240" / "bb_info.txt").write_text(listed)
    queries = food256(root, size=(30, 20))
    row = list(queries.keys).index("240/7.jpg")
    assert queries.read(row).flatten(1).unique(dim=1).tolist() == [[0], [0], [255]]
    assert "240/8.jpg" not in queries.keys


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("900 1 1 31 21", r"bb_info\.txt: the file .*900\.jpg does not exist"),
        ("225 1 1 31", r"bb_info\.txt: line 3 is '225 1 1 31'; it must be 'img x1 y1 x2 y2'"),
        ("225 a b c d", "line 3 is"),
        ("../225/225 1 1 31 21", "does not exist"),
    ],
)
def test_a_wrong_box_is_named(tmp_path: Path, line: str, message: str) -> None:
    root = tiny_sets.food256(tmp_path, each=17)
    text = (root / "225" / "bb_info.txt").read_text().splitlines()
    (root / "225" / "bb_info.txt").write_text("\n".join([*text[:2], line, *text[2:]]))
    if line.startswith(".."):
        (root / "225" / "225.jpg").unlink()
    with pytest.raises(UserError, match=message):
        food256(root)


def test_a_box_beside_the_image_is_told_when_it_is_read(tmp_path: Path) -> None:
    root = tiny_sets.food256(tmp_path, each=17)
    (root / "225" / "bb_info.txt").write_text("img x1 y1 x2 y2\n225 101 1 131 21\n226 21 11 200 200\n")
    queries = food256(root, size=(16, 16))
    with pytest.raises(UserError, match=r"225\.jpg: the box .* holds nothing of an image 30 wide and 20 high: correct"):
        queries.read(0)
    assert queries.read(1).shape == (3, 16, 16)
