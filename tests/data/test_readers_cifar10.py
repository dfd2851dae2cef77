"""CIFAR-10 as pickled batches, read without running them, and as class folders."""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.cifar10 import CLASSES, cifar10
from turncoat.data.safe_pickle import load_arrays


def batch(rows: int, seed: int = 0) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    data = generator.integers(0, 256, (rows, 3072), dtype=np.uint8)
    labels = generator.integers(0, 10, rows).tolist()
    return {"batch_label": "one", "labels": labels, "data": data, "filenames": ["a.png"] * rows}


def write(folder: Path, name: str, content: object, protocol: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    return folder / name


def python2_pickle(content: dict[str, object]) -> bytes:
    """The same dict as Python 2 and its numpy wrote it: byte strings (opcode U and T) all through."""
    data = content["data"]
    assert isinstance(data, np.ndarray)
    raw = data.tobytes()

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(K" + bytes([data.shape[0]]) + b"M" + (3072).to_bytes(2, "little") + b"t"
    state = b"(K\x01" + shape + dtype + b"I00\n" + b"T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    labels = b"(l" + b"".join(b"K" + bytes([label]) + b"a" for label in content["labels"])  # type: ignore[attr-defined]
    return b"\x80\x02}" + text(b"labels") + labels + b"s" + text(b"data") + array + state + b"s."


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_a_batch_gives_planes_of_red_green_blue(tmp_path: Path, protocol: int) -> None:
    content = batch(3)
    write(tmp_path / "cifar-10-batches-py", "test_batch", content, protocol)
    for folder in (tmp_path, tmp_path / "cifar-10-batches-py"):
        samples = cifar10(folder)
        assert samples.truth["label"].tolist() == content["labels"]
        for row, flat in enumerate(content["data"]):  # type: ignore[arg-type, var-annotated]
            image = samples.read(row).numpy()
            assert [image[c, y, x] for c, y, x in [(0, 0, 1), (1, 0, 0), (2, 31, 31)]] == [
                flat[1],
                flat[1024],
                flat[3071],
            ]


def test_the_bytes_of_python_2_are_read_too(tmp_path: Path) -> None:
    content = batch(2)
    (tmp_path / "test_batch").write_bytes(python2_pickle(content))
    samples = cifar10(tmp_path)
    assert samples.truth["label"].tolist() == content["labels"]
    assert np.array_equal(samples.read(1).numpy().ravel(), content["data"][1])  # type: ignore[index]


def test_columns_first_arrays_are_not_scrambled(tmp_path: Path) -> None:
    data = np.asfortranarray(batch(3)["data"])
    path = write(tmp_path, "test_batch", {"data": data})
    assert np.array_equal(load_arrays(path)["data"], data)  # type: ignore[arg-type]


def test_train_is_the_five_batches_in_order(tmp_path: Path) -> None:
    contents = [batch(2, seed) for seed in range(5)]
    for number, content in enumerate(contents, start=1):
        write(tmp_path, f"data_batch_{number}", content)
    samples = cifar10(tmp_path, "train")
    assert samples.truth["label"].tolist() == [label for content in contents for label in content["labels"]]  # type: ignore[attr-defined]
    assert samples.keys[3] == "data_batch_2/1"
    (tmp_path / "data_batch_4").unlink()
    with pytest.raises(UserError, match="data_batch_4 does not exist"):
        cifar10(tmp_path, "train")


class Touch:
    """Unpickled by anything but a restricted reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_and_never_runs(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "sprung"
    path = write(tmp_path, "test_batch", {"labels": [0], "data": Touch(trap)}, protocol)
    with pytest.raises(UserError, match=r"test_batch: refused.*was not run"):
        cifar10(tmp_path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists(), "the trap does not work, so the test above proves nothing"


@pytest.mark.parametrize(
    "name", ["builtins eval", "os system", "posix system", "numpy load", "codecs encode", "_codecs decode"]
)
def test_only_the_names_an_array_needs_are_known(tmp_path: Path, name: str) -> None:
    path = tmp_path / "test_batch"
    path.write_bytes(b"c" + name.replace(" ", "\n").encode() + b"\n.")
    with pytest.raises(UserError, match="it asks for " + name.replace(" ", r"\.")):
        load_arrays(path)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "test_batch", {"data": np.array([None, "x"], dtype=object)})
    with pytest.raises(UserError, match="only numbers"):
        load_arrays(path)


def test_a_pickle_cannot_change_the_reader_itself(tmp_path: Path) -> None:
    forged = b"cnumpy\ndtype\n(N}(X\x08\x00\x00\x00__init__K\x01utb."
    pickletools.dis(forged, out=(tmp_path / "dis.txt").open("w"))
    (tmp_path / "test_batch").write_bytes(forged)
    with pytest.raises(UserError, match="refused"):
        load_arrays(tmp_path / "test_batch")
    content = batch(1)
    write(tmp_path, "test_batch", content)
    assert cifar10(tmp_path).truth["label"].tolist() == content["labels"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((2, 100), np.uint8)}, "rows of 3072"),
        ({"data": [1, 2]}, "rows of 3072"),
        ({"data": np.zeros((2, 3072), np.int64)}, "uint8 array"),
        ({"labels": [1, 10]}, "0 to 9"),
        ({"labels": None}, "0 to 9"),
        ({"labels": [1]}, "1 labels for 2 images"),
    ],
)
def test_a_batch_of_something_else_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write(tmp_path, "test_batch", {**batch(2), **change})
    with pytest.raises(UserError, match=f"test_batch: .*{message}"):
        cifar10(tmp_path)


def test_broken_and_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    whole = pickle.dumps(batch(2), protocol=2)
    for content in (b"", b"hello\nworld", whole[:100], whole[:-3]):
        (tmp_path / "test_batch").write_bytes(content)
        with pytest.raises(UserError, match="test_batch: refused") as caught:
            cifar10(tmp_path)
        assert "\n" not in str(caught.value)
    write(tmp_path, "test_batch", [1, 2])
    with pytest.raises(UserError, match="holds a list, not a dict"):
        cifar10(tmp_path)


def test_class_folders_are_recognised(tmp_path: Path) -> None:
    for name, value in (("truck", 9), ("bird", 2)):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), (value, 0, 0)).save(tmp_path / "test" / name / "0000.png")
    samples = cifar10(tmp_path)
    assert samples.truth["label"].tolist() == [2, 9]
    assert [int(samples.read(row)[0, 0, 0]) for row in range(2)] == [2, 9]
    with pytest.raises(UserError, match=r"neither cifar-10-batches-py/data_batch_1 nor class folders train/"):
        cifar10(tmp_path, "train")
    with pytest.raises(UserError, match="'val'; it must be one of train, test"):
        cifar10(tmp_path, "val")


@pytest.mark.real
def test_the_real_class_folders(real_data: Path) -> None:
    samples = cifar10(real_data / "cifar10_jpg")
    assert samples.truth["label"].bincount().tolist() == [200] * 10
    assert tuple(samples.names["label"]) == CLASSES
    assert samples.images([0, 1999]).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_numbers_of_every_kind_and_nesting_arrive(tmp_path: Path, protocol: int) -> None:
    content = {
        "deep": [
            {"big": np.arange(4, dtype=">i4").reshape(2, 2), "none": np.zeros(0)},
            (np.float64(0.5), np.int16(-3)),
        ],
        "flags": np.array([True, False]),
    }
    found = load_arrays(write(tmp_path, "test_batch", content, protocol))
    first, second = found["deep"]  # type: ignore[misc]
    assert first["big"].tolist() == [[0, 1], [2, 3]]
    assert first["none"].size == 0
    assert second == [0.5, -3]
    assert found["flags"].tolist() == [True, False]  # type: ignore[attr-defined]


def test_a_forged_byte_order_or_number_is_refused(tmp_path: Path) -> None:
    for forged in (
        b"cnumpy\ndtype\n(X\x02\x00\x00\x00i4tR(K\x03X\x01\x00\x00\x00?tb.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00i4tRX\x01\x00\x00\x00atR.",
        b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8tR.",
    ):
        (tmp_path / "test_batch").write_bytes(forged)
        with pytest.raises(UserError, match=r"numpy does not write|not plain|only numbers"):
            load_arrays(tmp_path / "test_batch")
