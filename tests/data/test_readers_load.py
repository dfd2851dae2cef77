"""Data sets by name."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.load import DATASETS, Reader, load_data
from turncoat.tasks.samples import Samples


def test_a_name_gives_what_its_reader_gives(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "cat" / "1.png")
    samples = load_data("imagefolder", folder=str(tmp_path), size=[2, 2])
    assert samples.names["label"] == ["cat"]
    assert samples.read(0)[:, 1, 1].tolist() == [9, 8, 7]


@pytest.mark.parametrize("name", [name for name in DATASETS if not name.startswith("street_")])
def test_every_name_leads_to_a_reader_with_a_missing_folder_told(name: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    first = next(iter(inspect.signature(DATASETS[name].resolve()).parameters))  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="does not exist") as caught:
        load_data(name, **{first: str(gone)})
    assert str(gone) in str(caught.value)
    with pytest.raises(UserError, match=f"{name} needs the option '{first}'"):
        load_data(name)


@pytest.mark.parametrize("task", ["classification", "attributes", "retrieval", "verification"])
def test_every_street_set_leads_to_a_function(task: str) -> None:
    pytest.importorskip("turncoat.data.street.sets")
    reader = DATASETS[f"street_{task}"]
    assert isinstance(reader, Reader)
    assert next(iter(inspect.signature(reader.resolve()).parameters)) == "split"


def test_an_unknown_name_or_option_suggests_the_closest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'cifar' \(did you mean 'cifar10'\?\); known: .*lfw"):
        load_data("cifar")
    with pytest.raises(UserError, match=r"no data set is called 'zzz'; known"):
        load_data("zzz")
    with pytest.raises(UserError, match=r"lfw has no option 'fold' \(did you mean 'folds'\?\); it takes folder, pairs"):
        load_data("lfw", folder=str(tmp_path), fold=1)


def test_a_reader_of_ones_own_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(count: int = 2) -> Samples:
        return Samples("mine", ["a", "b"][:count], lambda row: torch.zeros(3, 1, row), {})

    monkeypatch.setitem(DATASETS, "mine", mine)
    assert load_data("mine", count=1).keys == ["a"]
    with pytest.raises(UserError, match="mine has no option 'folder'; it takes count"):
        load_data("mine", folder="x")


@pytest.mark.parametrize(
    ("name", "option", "wrong"),
    [
        ("imagefolder", "folder", 5),
        ("imagefolder", "size", 5),
        ("imagefolder", "size", [1, 2, 3]),
        ("imagefolder", "classes", "cat"),
        ("lfw", "pairs", ["a"]),
        ("lfw", "folds", "two"),
        ("cifar10", "split", None),
        ("street_classification", "size", "many"),
    ],
)
def test_an_option_of_the_wrong_type_is_told(tmp_path: Path, name: str, option: str, wrong: object) -> None:
    folder = {} if name.startswith("street_") else {"folder": str(tmp_path)}
    with pytest.raises(UserError, match=f"^{name}: {option}: ") as caught:
        load_data(name, **{**folder, option: wrong})
    assert f"(given {wrong!r})" in str(caught.value)


def test_names_are_known_without_importing_the_readers() -> None:
    code = (
        "import sys, turncoat.data.load;"
        "print([name for name in sys.modules if name.startswith('turncoat.data.') and name != 'turncoat.data.load'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
