"""CUHK03 under the new protocol: as CUHK03-NP, and from its protocol file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import tiny_sets
from turncoat.core.errors import UserError
from turncoat.data.cuhk03 import cuhk03


@pytest.mark.parametrize("boxes", ["detected", "labeled"])
def test_the_np_layout_is_that_of_market(tmp_path: Path, boxes: str) -> None:
    root = tiny_sets.cuhk03_np(tmp_path)
    (root / boxes / "query" / "0003_c1_20.png").rename(root / boxes / "query" / "0005_c1_20.png")
    queries = cuhk03(root, boxes=boxes, size=(16, 8))
    gallery = queries.against
    assert gallery is not None
    assert queries.name == f"cuhk03-{boxes}-query"
    assert sorted(queries.truth["person"].tolist()) == [4, 5]  # 5 has nobody in the gallery, and stays
    assert sorted(zip(gallery.truth["person"].tolist(), gallery.truth["camera"].tolist(), strict=True)) == [
        (3, 1), (3, 2), (4, 1),
    ]  # fmt: skip
    train = cuhk03(root, "train", boxes=boxes)
    assert train.truth["label"].tolist() == [0, 0, 1]
    assert train.truth["camera"].tolist() == [1, 2, 1]
    assert train.read(0).shape == (3, 256, 128)


def test_the_protocol_file_counts_from_one_and_takes_people_from_labels(tmp_path: Path) -> None:
    root = tiny_sets.cuhk03_protocol(tmp_path)
    queries = cuhk03(root, size=(16, 8))
    gallery = queries.against
    assert gallery is not None
    assert (queries.keys, gallery.keys) == (["2_003_1_01.png"], ["2_003_1_02.png", "2_003_2_10.png"])
    assert queries.truth["person"].tolist() == [1003]
    assert gallery.truth["person"].tolist() == [1003, 1003]
    assert gallery.truth["camera"].tolist() == [1, 2]
    train = cuhk03(root, "train")
    assert train.keys == ["1_001_1_01.png", "1_001_2_06.png", "1_002_1_01.png"]
    assert train.truth["label"].tolist() == [0, 0, 1]
    assert train.truth["camera"].tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([1, 2])}, "2 labels for 6 files"),
        ({"labels": None}, "no numbers 'labels'"),
        ({"query_idx": np.array([0])}, "query_idx must count from 1 to the 6 files"),
        ({"query_idx": np.array([7])}, "query_idx must count from 1 to the 6 files"),
        ({"gallery_idx": np.array([4, 4])}, r"gallery_idx names '2_003_2_10\.png' twice"),
        ({"filelist": np.array([1.0])}, "no cell array 'filelist'"),
        ({"filelist": np.array([f"{k}.png" for k in range(6)], dtype=object)}, "has no camera"),
    ],
)
def test_a_protocol_of_something_else_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    root = tiny_sets.cuhk03_protocol(tmp_path)
    path = root / "cuhk03_new_protocol_config_detected.mat"
    content = {key: value for key, value in loadmat(path).items() if not key.startswith("__")} | change
    savemat(path, {key: value for key, value in content.items() if value is not None})
    with pytest.raises(UserError, match=message) as caught:
        cuhk03(root)
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    root = tiny_sets.cuhk03_protocol(tmp_path)
    with pytest.raises(UserError, match=r"has neither labeled/query, .* nor cuhk03_\w+_labeled\.mat"):
        cuhk03(root, boxes="labeled")
    with pytest.raises(UserError, match="'drawn'; it must be one of detected, labeled"):
        cuhk03(root, boxes="drawn")
    (root / "images_detected" / "2_003_1_01.png").unlink()
    with pytest.raises(UserError, match=r"config_detected\.mat: the file .*2_003_1_01\.png does not exist"):
        cuhk03(root)
    (root / "images_detected").rename(root / "pictures")
    with pytest.raises(UserError, match=r"needs the images, taken out of cuhk-03\.mat"):
        cuhk03(root)
    (root / "images_detected").mkdir()
    (root / "cuhk03_new_protocol_config_detected.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\0\2IM")
    with pytest.raises(UserError, match="cannot be read") as caught:
        cuhk03(root)
    assert "\n" not in str(caught.value)
