"""One folder per class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.imagefolder import imagefolder


def paint(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size[1], size[0]), (value, value, value)).save(path)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    for value, name in enumerate(["owl/10.png", "owl/2.png", "ant/1.png"]):
        paint(tmp_path / "zoo" / name, value)
    return tmp_path / "zoo"


def test_labels_follow_the_alphabet_and_files_their_numbers(zoo: Path) -> None:
    samples = imagefolder(zoo)
    assert samples.keys == ["ant/1.png", "owl/2.png", "owl/10.png"]
    assert samples.truth["label"].tolist() == [0, 1, 1]
    assert samples.names["label"] == ["ant", "owl"]
    assert [int(samples.read(row).max()) for row in range(3)] == [2, 1, 0]


def test_given_classes_keep_the_labels_of_the_network(zoo: Path) -> None:
    samples = imagefolder(zoo, classes=["yak", "owl", "ant"])
    assert samples.truth["label"].tolist() == [2, 1, 1]


def test_different_sizes_need_a_size(zoo: Path) -> None:
    paint(zoo / "ant" / "2.png", 9, size=(6, 5))
    with pytest.raises(UserError, match=r"2\.png is 6x5 but .*1\.png is 4x4.*give size"):
        imagefolder(zoo)
    assert imagefolder(zoo, size=(3, 2)).images().shape == (4, 3, 3, 2)


def test_mistakes_are_named(zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"owl is not in classes"):
        imagefolder(zoo, classes=["ant", "howl"])
    with pytest.raises(UserError, match="'ant' twice"):
        imagefolder(zoo, classes=["ant", "owl", "ant"])
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        imagefolder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is a file, not a folder"):
        imagefolder(zoo / "ant" / "1.png")
    with pytest.raises(UserError, match="no class folders"):
        imagefolder(zoo / "ant")
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match="hold no images"):
        imagefolder(tmp_path / "hollow")


def test_taken_rows_read_their_own_images(zoo: Path) -> None:
    samples = imagefolder(zoo)
    taken = samples.take([2, 0])
    assert taken.truth["label"].tolist() == [1, 0]
    assert torch.equal(taken.images(), samples.images([2, 0]))


def test_numbered_classes_are_in_alphabetical_order_too(tmp_path: Path) -> None:
    for name in ("2", "10", "B", "a"):
        paint(tmp_path / name / "1.png", 0)
    assert imagefolder(tmp_path).names["label"] == ["10", "2", "B", "a"]
