"""Market-1501 and Duke: person and camera from the file name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import tiny_sets
from turncoat.core.errors import UserError
from turncoat.data.market import duke, market, person_and_camera
from turncoat.tasks.retrieval import Retrieval

TREE = {
    "query": ["0007_c2s1_000451_00.jpg", "0002_c1s1_000451_00.jpg"],
    "bounding_box_test": ["-1_c1s1_000401_03.jpg", "0000_c3s1_000151_01.jpg", "0002_c6s1_000776_01.jpg"],
    "bounding_box_train": ["0030_c1s1_000001_01.jpg", "0011_c5s2_000002_01.jpg", "0030_c2s1_000003_01.jpg"],
}


def plant(root: Path, tree: dict[str, list[str]]) -> Path:
    value = 0
    for part, names in tree.items():
        (root / part).mkdir(parents=True)
        (root / part / "Thumbs.db").write_bytes(b"\xd0\xcf")
        for name in names:
            value += 20
            Image.new("RGB", (64, 128), (value, 0, 0)).save(root / part / name, quality=100)
    return root


def test_queries_and_gallery_carry_person_and_camera(tmp_path: Path) -> None:
    queries = market(plant(tmp_path, TREE))
    gallery = queries.against
    assert gallery is not None
    assert queries.keys == ["query/0002_c1s1_000451_00.jpg", "query/0007_c2s1_000451_00.jpg"]
    assert queries.truth["person"].tolist() == [2, 7]
    assert queries.truth["camera"].tolist() == [1, 2]
    rows = sorted(zip(gallery.truth["person"].tolist(), gallery.truth["camera"].tolist(), strict=True))
    assert rows == [(-1, 1), (0, 3), (2, 6)]
    assert queries.read(0).shape == (3, 256, 128)
    assert [int(queries.read(row)[0].float().mean().round()) for row in range(2)] == [40, 20]


def test_train_numbers_its_people_in_order(tmp_path: Path) -> None:
    train = market(plant(tmp_path, TREE), "train", size=(8, 4))
    assert train.truth["person"].tolist() == [11, 30, 30]
    assert train.truth["label"].tolist() == [0, 1, 1]
    assert train.names["label"] == ["11", "30"]
    assert train.images().shape == (3, 3, 8, 4)


def test_who_answers_a_query_and_who_does_not_count(tmp_path: Path) -> None:
    queries = market(tiny_sets.folders(tmp_path, tiny_sets.MARKET), size=(8, 4))
    assert queries.against is not None
    names = [key.rpartition("/")[2] for key in queries.against.keys]
    related = Retrieval().relations(queries, range(3))
    assert [names[row] for row in related.dropped.nonzero()[:, 0].tolist()] == ["-1_c1s1_000401_03.jpg"]
    pairs = zip(related.query.tolist(), related.row.tolist(), related.good.tolist(), strict=True)
    assert [(query, names[row], good) for query, row, good in pairs] == [
        (0, "0002_c1s1_000776_01.jpg", False),  # the same camera
        (0, "0002_c6s1_000776_01.jpg", True),
        (1, "0007_c1s1_000776_01.jpg", True),
    ]  # 0000 is a plain negative of everybody, and nobody answers for 9, which stays
    assert queries.truth["person"].tolist() == [2, 7, 9]


def test_duke_names_have_no_sequence(tmp_path: Path) -> None:
    tree = {"query": ["0005_c2_f0046985.jpg"], "bounding_box_test": ["0005_c8_f0051341.jpg"]}
    queries = duke(plant(tmp_path, {**tree, "bounding_box_train": tiny_sets.DUKE["bounding_box_train"]}))
    assert duke(tmp_path, "train").truth["label"].tolist() == [0, 1]
    assert queries.name == "duke-query"
    assert queries.against is not None
    assert (queries.truth["person"].item(), queries.against.truth["camera"].item()) == (5, 8)


def test_mistakes_are_named(tmp_path: Path) -> None:
    root = plant(tmp_path / "market", TREE)
    with pytest.raises(UserError, match="'val'; it must be one of test, train"):
        market(root, "val")
    with pytest.raises(UserError, match=r"query/query|query.bounding_box_test does not exist"):
        market(root / "query")
    Image.new("RGB", (64, 128)).save(root / "query" / "holiday.jpg")
    with pytest.raises(UserError, match=r"holiday\.jpg: the name must begin with person and camera"):
        market(root)
    for path in (root / "bounding_box_train").glob("*.jpg"):
        path.unlink()
    with pytest.raises(UserError, match="bounding_box_train holds no images"):
        market(root, "train")


@pytest.mark.real
def test_the_real_names(real_data: Path, tmp_path: Path) -> None:
    paths = sorted((real_data / "market1501_samples").glob("*.jpg"))
    assert [person_and_camera(path) for path in paths[:3]] == [(66, 3), (112, 1), (145, 2)]
    (tmp_path / "bounding_box_train").mkdir()
    for path in paths:
        (tmp_path / "bounding_box_train" / path.name).symlink_to(path)
    train = market(tmp_path, "train", size=None)
    assert train.truth["label"].unique().numel() == 9
    assert train.images().shape == (13, 3, 128, 64)
