"""The pictures of the built-in world: the same for the same numbers, and more alike within a person than between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from turncoat.core.errors import UserError
from turncoat.data.street import Person
from turncoat.data.street.body import body
from turncoat.data.street.face import face
from turncoat.data.street.light import Lamp
from turncoat.data.street.sheet import contact_sheet

Draw = Callable[[Person, int, int], np.ndarray]


@pytest.mark.parametrize("draw", [body, face])
def test_the_same_numbers_give_the_same_bytes_and_others_do_not(draw: Draw) -> None:
    person = Person.sample(3)
    first = draw(person, 1, 8)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw(person, 1, 8))
    for other in (draw(person, 1, 9), draw(person, 2, 8), draw(Person.sample(4), 1, 8)):
        assert (first != other).mean() > 0.5


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    body(Person.sample(0), 0, 0, height=64)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize("height", [64, 96, 128, 160])
def test_pictures_have_the_size_asked_for(height: int) -> None:
    assert body(Person.sample(0), 0, 0, height=height).shape == (height, height // 2, 3)
    assert face(Person.sample(0), 0, 0, size=height).shape == (height, height, 3)


@pytest.mark.parametrize("draw", [body, face])
def test_a_person_looks_more_like_themselves_than_like_others(draw: Draw) -> None:
    people, seeds = 8, 4
    shots = np.array(
        [[draw(Person.sample(100 + p), 0, s).astype(np.float32) for s in range(seeds)] for p in range(people)]
    )
    flat = shots.reshape(people * seeds, -1)
    gaps = np.abs(flat[:, None] - flat[None]).mean(2)
    owner = np.repeat(np.arange(people), seeds)
    same = owner[:, None] == owner[None]
    within = gaps[same & ~np.eye(len(owner), dtype=bool)].mean()
    assert within < 0.93 * gaps[~same].mean()


def test_what_a_person_wears_is_seen_on_them() -> None:
    person = replace(Person.sample(6), identity=6)
    red, blue = (
        replace(person, wear=replace(person.wear, pattern="plain", upper="tshirt", carry="none", upper_colour=colour))
        for colour in ((190, 30, 30), (30, 30, 190))
    )
    for camera in range(6):
        chest = [body(p, camera, 2)[35:55, 24:40].reshape(-1, 3).astype(float).mean(0) for p in (red, blue)]
        assert chest[0][0] - chest[0][2] > 20
        assert chest[1][2] - chest[1][0] > 20


def test_the_side_towards_the_lamp_is_the_brighter_one() -> None:
    x = np.linspace(-1, 1, 41, dtype=np.float32)
    ball = 20 * np.sqrt(np.maximum(0, 1 - x**2 - x[:, None] ** 2))
    shade = Lamp((-0.7, 0.0, 0.7), 0.3).shade(ball, 1.0)
    assert shade[20, 12] > 1.1 * shade[20, 28]
    flat = Lamp((-0.7, 0.0, 0.7), 0.3).shade(np.zeros((5, 5), dtype=np.float32), 1.0)
    np.testing.assert_allclose(flat, 1.0, atol=1e-5)


def test_a_camera_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="camera 6"):
        body(Person.sample(0), 6, 0)


def test_the_contact_sheet_is_a_picture_of_modest_size(tmp_path: pytest.TempPathFactory) -> None:
    path = f"{tmp_path}/pictures/street.png"
    contact_sheet(path, people=(1, 2))
    with open(path, "rb") as file:
        data = file.read()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 250_000
