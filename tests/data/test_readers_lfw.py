"""LFW: the official list of pairs, and a table of pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.lfw import lfw

PEOPLE = {"Ann_Lee": 3, "Bo": 2, "Cy_Roe": 2}
OFFICIAL = "2\t1\nAnn_Lee\t1\t2\nAnn_Lee\t3\tBo\t1\nBo\t1\t2\nBo\t2\tCy_Roe\t1\n"
TABLE = (
    "fold\timage_a\timage_b\tsame\n"
    "0\tAnn_Lee_0001.jpg\tAnn_Lee_0002.jpg\t1\n"
    "0\tAnn_Lee_0003.jpg\tBo_0001.jpg\t0\n"
    "1\tBo_0001.jpg\tBo_0002.jpg\t1\n"
    "1\tBo_0002.jpg\tCy_Roe_0001.jpg\t0\n"
)


def plant(root: Path, *, images: str = "images", nested: bool = True) -> Path:
    value = 0
    for name, count in PEOPLE.items():
        folder = root / images / name if nested else root / images
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            value += 30
            Image.new("L", (8, 8), value).save(folder / f"{name}_{number:04d}.jpg")
    (root / "pairs.txt").write_text(OFFICIAL)
    (root / "pairs.tsv").write_text(TABLE)
    return root


@pytest.mark.parametrize(("images", "nested"), [("images", True), ("images", False), ("", True), ("", False)])
@pytest.mark.parametrize("pairs", ["pairs.txt", "pairs.tsv"])
def test_both_lists_and_all_layouts_say_the_same(tmp_path: Path, images: str, nested: bool, pairs: str) -> None:
    samples = lfw(plant(tmp_path, images=images, nested=nested), pairs=pairs)
    second = samples.against
    assert second is not None
    assert samples.truth["same"].tolist() == [True, False, True, False]
    assert samples.truth["fold"].tolist() == [0, 0, 1, 1]
    assert samples.names["person"] == ["Ann_Lee", "Bo", "Cy_Roe"]
    assert samples.truth["person"].tolist() == [0, 0, 1, 1]
    assert samples.truth["person_b"].tolist() == second.truth["person"].tolist() == [0, 1, 1, 2]
    brightness = [[int(side.read(row)[0, 0, 0]) for row in range(4)] for side in (samples, second)]
    assert brightness == [[30, 90, 120, 150], [60, 120, 150, 180]]
    assert len(set(samples.keys)) == 4


def test_the_first_folds_need_only_their_own_images(tmp_path: Path) -> None:
    root = plant(tmp_path, nested=False)
    (root / "images" / "Cy_Roe_0001.jpg").unlink()
    assert lfw(root, folds=1).truth["fold"].tolist() == [0, 0]
    with pytest.raises(UserError, match=r"Cy_Roe_0001\.jpg exists; folds=k reads only"):
        lfw(root)
    with pytest.raises(UserError, match=r"folds is 3, but .* has 2 folds"):
        lfw(root, folds=3)


def test_a_development_list_is_one_fold(tmp_path: Path) -> None:
    root = plant(tmp_path)
    (root / "pairsDevTest.txt").write_text("2\nAnn_Lee 1 2\nBo 1 2\nAnn_Lee 3 Bo 1\nBo 2 Cy_Roe 1\n")
    samples = lfw(root, pairs="pairsDevTest.txt")
    assert samples.truth["fold"].tolist() == [0, 0, 0, 0]
    assert samples.truth["same"].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 must be the numbers"),
        ("Ann_Lee 1 2\n", "line 1 must be the numbers"),
        ("2 1\nAnn_Lee 1 2\n", "1 pairs, its first line promises 2 x 2 x 1"),
        ("1 1\nAnn_Lee 1 2\nBo 1 2\n", "pair 2 is 'Bo 1 2'; here it must be 'name i name j'"),
        ("1 1\nAnn_Lee 1 x\nBo 1 Cy_Roe 1\n", "pair 1 is 'Ann_Lee 1 x'; here it must be 'name i j'"),
        ("0 300\n", "the list holds no pairs"),
    ],
)
def test_a_wrong_official_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    (plant(tmp_path) / "pairs.txt").write_text(text)
    with pytest.raises(UserError, match=r"pairs\.txt") as caught:
        lfw(tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_b", "other", "lacks the column image_b"),
        ("1\tBo_0001", "one\tBo_0001", "line 4 needs a whole fold"),
        ("Bo_0002.jpg\t1", "Bo_0002.jpg\tyes", "line 4 needs"),
        ("\tBo_0001.jpg\t0", "", "line 3 needs"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TABLE
    (plant(tmp_path) / "pairs.tsv").write_text(TABLE.replace(old, new))
    with pytest.raises(UserError, match=message):
        lfw(tmp_path, pairs="pairs.tsv")


@pytest.mark.parametrize("outside", ["../Eve_0001.jpg", "{root}/Eve_0001.jpg", ".._0001.jpg"])
def test_an_image_outside_the_folder_is_refused_even_if_it_is_there(tmp_path: Path, outside: str) -> None:
    root = plant(tmp_path / "faces")
    name = outside.format(root=tmp_path)
    for place in (tmp_path / "Eve_0001.jpg", root / "Eve_0001.jpg", root / ".._0001.jpg"):
        Image.new("L", (8, 8)).save(place)
    (root / "pairs.tsv").write_text(TABLE.replace("Cy_Roe_0001.jpg", name))
    with pytest.raises(UserError, match="lies outside the folder") as caught:
        lfw(root, pairs="pairs.tsv")
    assert f"{name}' lies" in str(caught.value)


def test_a_missing_list_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    root = plant(tmp_path)
    with pytest.raises(UserError, match=r"mine\.txt does not exist"):
        lfw(root, pairs="mine.txt")
    (root / "pairs.txt").write_bytes(b"10\t300\n\xff\xfe\n")
    with pytest.raises(UserError, match=r"pairs\.txt is not UTF-8"):
        lfw(root)


@pytest.mark.real
def test_the_real_lists_agree_on_the_first_five_folds(real_data: Path) -> None:
    root = real_data / "lfw_aligned_112x96"
    official = lfw(root, folds=5)
    table = lfw(root, pairs="pairs_folds0-4.tsv", size=(112, 96))
    assert len(official) == 3000
    assert int(official.truth["same"].sum()) == 1500
    assert list(official.keys) == list(table.keys)
    assert {column: values.tolist() for column, values in official.truth.items()} == {
        column: values.tolist() for column, values in table.truth.items()
    }
    assert ((official.truth["person"] == official.truth["person_b"]) == official.truth["same"]).all()
    assert official.read(2999).shape == (3, 112, 96)
