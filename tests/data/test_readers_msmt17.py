"""MSMT17: lists, cameras in names, and both names of the folders."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_sets
from turncoat.core.errors import UserError
from turncoat.data.msmt17 import msmt17


@pytest.mark.parametrize("second", [False, True])
def test_lists_give_people_and_names_give_cameras(tmp_path: Path, second: bool) -> None:
    queries = msmt17(tiny_sets.msmt17(tmp_path, second=second), size=(16, 8))
    gallery = queries.against
    assert gallery is not None
    assert queries.truth["person"].tolist() == gallery.truth["person"].tolist() == [0, 2]
    assert (queries.truth["camera"].tolist(), gallery.truth["camera"].tolist()) == ([1, 15], [7, 15])
    folder = "mask_test_v2" if second else "test"
    assert queries.keys[1] == f"{folder}/0002/0002_004_15_0303noon_0190_1.jpg"
    assert gallery.images().shape == (2, 3, 16, 8)


@pytest.mark.parametrize(("split", "people"), [("train", [3, 1]), ("val", [3]), ("trainval", [3, 1, 3])])
def test_training_images_are_numbered(tmp_path: Path, split: str, people: list[int]) -> None:
    train = msmt17(tiny_sets.msmt17(tmp_path), split)
    assert train.against is None
    assert train.truth["person"].tolist() == people
    assert train.truth["label"].tolist() == [sorted(set(people)).index(person) for person in people]
    assert train.truth["camera"].tolist() == [5, 5, 14][-len(people) :] if split != "train" else [5, 5]


def test_images_are_read_when_asked_for(tmp_path: Path) -> None:
    root = tiny_sets.msmt17(tmp_path)
    broken = root / "test/0000/0000_000_01_0303morning_0008_0.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    queries = msmt17(root)
    assert queries.read(1).shape == (3, 256, 128)
    with pytest.raises(UserError, match=r"0000_000_01_0303morning_0008_0\.jpg: .*replace it"):
        queries.read(0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0000/0000_000_01_0303morning_0008_0.jpg", r"list_query\.txt: line 3 is .*; it must be an image and a person"),
        ("0000/0000.jpg 0", r"list_query\.txt: line 3 is .*as '0000/0000_000_01"),
        ("0000/0000_000_01_0303morning_0008_0.jpg nobody", "line 3 is"),
        ("0000/0000_000_09_0303morning_0099_0.jpg 0", r"list_query\.txt, line 3: the file .* does not exist"),
        ("0000/0000_000_01_0303morning_0008_0.jpg 0", r"list_query\.txt names '.*0008_0\.jpg' twice: leave one out"),
        ("../0000_000_01_0303morning_0008_0.jpg 0", "lies outside the folder"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    root = tiny_sets.msmt17(tmp_path)
    with (root / "list_query.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=message) as caught:
        msmt17(root)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    root = tiny_sets.msmt17(tmp_path)
    with pytest.raises(UserError, match="'all'; it must be one of test, train, val, trainval"):
        msmt17(root, "all")
    (root / "list_val.txt").write_text("\n")
    with pytest.raises(UserError, match=r"list_val\.txt names no images"):
        msmt17(root, "val")
    (root / "test").rename(root / "elsewhere")
    with pytest.raises(UserError, match="has neither test nor mask_test_v2"):
        msmt17(root)
    (root / "list_gallery.txt").unlink()
    with pytest.raises(UserError, match=r"list_gallery\.txt does not exist"):
        msmt17(root)
