"""The four sets of the built-in world: who is in them, and what is promised about their truth."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.data.street import ATTRIBUTES, Person, cache, sets
from turncoat.data.street.body import body
from turncoat.tasks.samples import Samples


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TURNCOAT_CACHE", str(tmp_path / "cache"))


def people(samples: Samples) -> set[int]:
    return set(samples.truth["person"].tolist())


def test_default_sizes_are_those_of_the_demo() -> None:
    test = [sets.classification("test"), sets.attributes("test"), sets.retrieval("test"), sets.verification("test")]
    assert [len(samples) for samples in test] == [300, 300, 120, 400]
    assert test[2].against is not None
    assert test[3].against is not None
    assert (len(test[2].against), len(test[3].against)) == (480, 400)
    train = [sets.classification("train"), sets.attributes("train"), sets.retrieval("train")]
    assert all(3000 <= len(samples) <= 4000 for samples in [*train, sets.verification("train")])


def test_no_picture_is_in_two_sets_and_open_sets_share_no_person() -> None:
    makers = (sets.classification, sets.attributes, sets.retrieval, sets.verification)
    keys: set[str] = set()
    for make in makers:
        train, test = make("train"), make("test")
        parts = [train, test] + ([test.against] if test.against is not None else [])
        for part in parts:
            assert keys.isdisjoint(part.keys)
            keys |= set(part.keys)
        if make is not sets.classification:
            assert people(train).isdisjoint(set.union(*(people(part) for part in parts[1:])))
        else:
            assert people(train) == people(test)


def test_classification_is_balanced_and_its_people_wear_one_uniform() -> None:
    train = sets.classification("train", size=100, people=10)
    assert torch.bincount(train.truth["label"]).tolist() == [10] * 10
    assert len(train.names["label"]) == 10
    staff = [Person.sample(person) for person in people(train)]
    assert len({guard.wear.upper_colour for guard in staff}) == len({guard.wear.carry for guard in staff}) == 1
    assert len({guard.skin for guard in staff}) == 10


def test_attributes_are_those_of_the_person_and_both_values_occur() -> None:
    test = sets.attributes("test")
    table = test.truth["attributes"]
    assert len(people(test)) == 300
    assert table.shape == (300, len(ATTRIBUTES)) == (300, len(test.names["groups"]))
    for row in (0, 17, 299):
        assert tuple(table[row].tolist()) == Person.sample(int(test.truth["person"][row])).attributes()
    assert (table.sum(0) >= 10).all()
    assert (table.sum(0) <= 290).all()


def test_every_query_has_a_match_from_another_camera_and_distractors_are_never_asked_for() -> None:
    for queries, gallery in ((120, 480), (40, 160)):
        test = sets.retrieval("test", queries=queries, gallery=gallery)
        assert test.against is not None
        wall = test.against.truth
        for person, camera in zip(test.truth["person"], test.truth["camera"], strict=True):
            assert ((wall["person"] == person) & (wall["camera"] != camera)).any()
        strangers = people(test.against) - people(test)
        assert sum(person in strangers for person in wall["person"].tolist()) == gallery // 2


def test_verification_folds_have_their_own_people_and_are_half_same() -> None:
    test = sets.verification("test")
    assert test.against is not None
    one, two, fold = test.truth["person"], test.against.truth["person"], test.truth["fold"]
    torch.testing.assert_close(test.truth["same"], one == two)
    owner: dict[int, int] = {}
    for place in range(10):
        assert (fold == place).sum() == 40
        assert test.truth["same"][fold == place].sum() == 20
        for person in torch.cat([one[fold == place], two[fold == place]]).tolist():
            assert owner.setdefault(person, place) == place


def test_labels_count_from_zero_to_the_last_person() -> None:
    for samples in (sets.retrieval("train", size=60, people=20), sets.verification("train", size=60, people=20)):
        assert samples.truth["label"].unique().tolist() == list(range(20)) == list(range(len(samples.names["label"])))


def test_reading_gives_the_rendered_picture_channels_first(tmp_path: Path) -> None:
    samples = sets.attributes("test", size=3, height=64)
    person, camera = int(samples.truth["person"][2]), int(samples.truth["camera"][2])
    image = samples.read(2)
    assert image.dtype == torch.uint8
    np.testing.assert_array_equal(image.permute(1, 2, 0), body(Person.sample(person), camera, 2, height=64))
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npy"]


def test_a_second_reader_opens_the_file_instead_of_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = sets.attributes("test", size=2, height=64).read(1)

    def refuse(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(cache.Shots, "render", refuse)
    torch.testing.assert_close(sets.attributes("test", size=2, height=64).read(1), first)


def test_a_cache_that_cannot_be_written_or_is_spoilt_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = sets.attributes("test", size=2, height=64).read(1)
    (spoilt,) = (tmp_path / "cache").glob("*.npy")
    spoilt.write_bytes(b"not an array")
    torch.testing.assert_close(sets.attributes("test", size=2, height=64).read(1), expected)
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    monkeypatch.setenv("TURNCOAT_CACHE", str(blocked))
    torch.testing.assert_close(sets.attributes("test", size=2, height=64).read(1), expected)


def test_other_settings_and_other_renderers_have_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    shots = cache.Shots(False, 64, ((1, 2, 3),))
    others = (cache.Shots(True, 64, ((1, 2, 3),)), cache.Shots(False, 96, ((1, 2, 3),)), cache.Shots(False, 64, ()))
    keys = {shots.key(), *(other.key() for other in others)}
    monkeypatch.setattr(cache, "RENDERER_VERSION", cache.RENDERER_VERSION + 1)
    assert len(keys | {shots.key()}) == 5


def test_shots_travel_to_another_process_without_their_pictures() -> None:
    shots = cache.Shots(False, 64, tuple((1, 2, seed) for seed in range(4)))
    before = len(pickle.dumps(shots))
    picture = shots(1)
    assert len(pickle.dumps(shots)) == before
    torch.testing.assert_close(pickle.loads(pickle.dumps(shots))(1), picture)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sets.classification("validation"), "'train' or 'test'"),
        (lambda: sets.classification("test", size=5), "at least 20"),
        (lambda: sets.verification("test", pairs=30), "multiple of 20 pairs"),
        (lambda: sets.retrieval("test", gallery=100), "at least 160"),
        (lambda: sets.attributes("test", height=21), "even number"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
