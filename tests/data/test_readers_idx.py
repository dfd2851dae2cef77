"""MNIST and Fashion-MNIST idx files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from turncoat.core.errors import UserError
from turncoat.data.idx import fashion_mnist, mnist, read_idx


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


PIXELS = np.arange(3 * 4 * 5).reshape(3, 4, 5)


def write(folder: Path, labels: list[int], *, prefix: str = "t10k", mark: str = "-", zipped: bool = False) -> Path:
    for stem, content in (("images", idx(PIXELS)), ("labels", idx(np.array(labels)))):
        name = f"{prefix}-{stem}{mark}idx{3 if stem == 'images' else 1}-ubyte"
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("mark", ["-", "."])
def test_grey_is_repeated_and_labels_follow(tmp_path: Path, mark: str, zipped: bool) -> None:
    samples = mnist(write(tmp_path, [7, 2, 1], mark=mark, zipped=zipped))
    assert samples.truth["label"].tolist() == [7, 2, 1]
    for row in range(3):
        assert np.array_equal(samples.read(row).numpy(), np.stack([PIXELS[row]] * 3))


def test_the_splits_are_different_files_and_fashion_has_its_names(tmp_path: Path) -> None:
    write(tmp_path, [7, 2, 1])
    write(tmp_path, [0, 9, 1], prefix="train")
    samples = fashion_mnist(tmp_path, "train")
    assert [samples.names["label"][label] for label in samples.truth["label"]] == [
        "T-shirt/top",
        "Ankle boot",
        "Trouser",
    ]
    with pytest.raises(UserError, match="'val'; it must be one of train, test"):
        mnist(tmp_path, "val")


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte does not exist"):
        mnist(tmp_path)
    write(tmp_path, [1, 2])
    with pytest.raises(UserError, match=r"2 labels for the 3 images"):
        mnist(tmp_path)
    write(tmp_path, [1, 2, 10])
    with pytest.raises(UserError, match="label 10 is above 9"):
        mnist(tmp_path)
    images = tmp_path / "t10k-images-idx3-ubyte"
    images.write_bytes(idx(PIXELS)[:-1])
    with pytest.raises(UserError, match="has 59 values, its header promises 60"):
        mnist(tmp_path)
    images.write_bytes(idx(np.array([1, 2, 3])))
    with pytest.raises(UserError, match=r"starts with 00000801, .* with 00000803"):
        mnist(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08", b"\x00\x00\x08\x03\x00", idx(PIXELS, kind=13)])
def test_a_wrong_or_short_header_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match="starts with"):
        read_idx(tmp_path / "a", dimensions=3)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(idx(PIXELS))
    flipped = whole[:20] + bytes([whole[20] ^ 255]) + whole[21:]
    for content in (b"plain text", whole[:-9], flipped):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.gz: cannot be unpacked"):
            read_idx(tmp_path / "a.gz", dimensions=3)


@pytest.mark.real
def test_the_real_digits_have_the_known_mean_and_counts(real_data: Path) -> None:
    samples = mnist(real_data / "mnist_t10k")
    assert samples.truth["label"][:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
    assert samples.truth["label"].bincount()[:3].tolist() == [980, 1135, 1032]
    pixels = read_idx(real_data / "mnist_t10k" / "t10k-images-idx3-ubyte.gz", dimensions=3)
    assert pixels.mean() / 255 == pytest.approx(0.1325, abs=1e-4)


@pytest.mark.real
def test_the_real_garments_are_balanced(real_data: Path) -> None:
    samples = fashion_mnist(real_data / "fashion_mnist", "train")
    assert samples.truth["label"].bincount().tolist() == [6000] * 10
    assert samples.read(59999).shape == (3, 28, 28)
