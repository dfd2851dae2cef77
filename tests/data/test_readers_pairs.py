"""Pairs drawn from a folder per person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from turncoat.core.errors import UserError
from turncoat.data.pairs import person_folders
from turncoat.tasks.samples import Samples


def plant(root: Path, counts: list[int]) -> Path:
    for person, count in enumerate(counts, start=1):
        (root / f"s{person}").mkdir(parents=True)
        for number in range(1, count + 1):
            Image.new("L", (4, 6), 10 * person + number).save(root / f"s{person}" / f"{number}.pgm")
    (root / "README").write_text("a stranger")
    return root


def unordered(samples: Samples) -> list[frozenset[str]]:
    return [frozenset(key.split("|")) for key in samples.keys]


def people_of(samples: Samples, fold: int) -> set[int]:
    rows = samples.truth["fold"] == fold
    return set(samples.truth["person"][rows].tolist()) | set(samples.truth["person_b"][rows].tolist())


@pytest.mark.parametrize("counts", [[4] * 8, [2, 3, 4, 5, 6, 7, 3, 4, 1, 1]])
def test_pairs_are_different_balanced_and_of_disjoint_people(tmp_path: Path, counts: list[int]) -> None:
    samples = person_folders(plant(tmp_path, counts), pairs=16, folds=4)
    assert len(set(unordered(samples))) == 16
    assert all(len(pair) == 2 for pair in unordered(samples))
    kinds = zip(samples.truth["fold"].tolist(), samples.truth["same"].tolist(), strict=True)
    assert Counter(kinds) == {(fold, same): 2 for fold in range(4) for same in (True, False)}
    folds = [people_of(samples, fold) for fold in range(4)]
    assert sum(map(len, folds)) == len(set().union(*folds))


def test_truth_and_pixels_follow_the_files(tmp_path: Path) -> None:
    samples = person_folders(plant(tmp_path, [4] * 6), pairs=20, folds=2)
    assert samples.against is not None
    for row, key in enumerate(samples.keys):
        first, second = key.split("|")
        for side, name, person in (
            (samples, first, samples.truth["person"][row]),
            (samples.against, second, samples.truth["person_b"][row]),
        ):
            folder, number = name.split("/")
            assert samples.names["person"][person] == folder
            assert int(side.read(row)[0, 0, 0]) == 10 * int(folder[1:]) + int(number[0])
        assert bool(samples.truth["same"][row]) == (first.split("/")[0] == second.split("/")[0])


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    root = plant(tmp_path, [4] * 8)
    first, again, other = (person_folders(root, pairs=16, folds=4, seed=seed) for seed in (3, 3, 4))
    assert first.keys == again.keys
    assert first.keys != other.keys


def test_every_pair_can_be_drawn_once(tmp_path: Path) -> None:
    root = plant(tmp_path, [3, 2, 2])  # 3 + 1 + 1 pairs of one person, 6 + 6 + 4 of two
    samples = person_folders(root, pairs=10, folds=1)
    same = [pair for pair, kind in zip(unordered(samples), samples.truth["same"], strict=True) if kind]
    assert len(set(same)) == 5
    seen = Counter(pair for seed in range(200) for pair in unordered(person_folders(root, pairs=2, folds=1, seed=seed)))
    assert len(seen) == 5 + 16
    assert min(seen.values()) >= 2
    with pytest.raises(UserError, match="allows 5 pairs of one person and 16 of two; pairs=12 needs 6 of each"):
        person_folders(root, pairs=12, folds=1)


def test_too_few_people_for_the_folds_share_them(tmp_path: Path) -> None:
    samples = person_folders(plant(tmp_path, [4, 4, 4]), pairs=16, folds=4)
    assert len(set(unordered(samples))) == 16
    kinds = zip(samples.truth["fold"].tolist(), samples.truth["same"].tolist(), strict=True)
    assert Counter(kinds) == {(fold, same): 2 for fold in range(4) for same in (True, False)}
    assert samples.truth["fold"].tolist() == sorted(samples.truth["fold"].tolist())


def test_mistakes_are_named(tmp_path: Path) -> None:
    root = plant(tmp_path / "faces", [4])
    with pytest.raises(UserError, match="pairs=30 must be a multiple of 2 x folds = 20"):
        person_folders(root, pairs=30)
    with pytest.raises(UserError, match="must be a multiple"):
        person_folders(root, folds=0)
    with pytest.raises(UserError, match="1 folders with images; needed: at least 2"):
        person_folders(root)
    with pytest.raises(UserError, match="gone does not exist"):
        person_folders(tmp_path / "gone")


@pytest.mark.real
def test_the_real_orl_faces(real_data: Path) -> None:
    samples = person_folders(real_data / "orl_att_faces")
    assert len(samples) == 1000
    assert samples.names["person"][:3] == ["s1", "s2", "s3"]
    assert sum(len(people_of(samples, fold)) for fold in range(10)) == 40
    assert samples.read(0).shape == (3, 112, 92)
