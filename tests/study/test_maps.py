"""Maps hold what the run kept, the same every time, and every sample is in some bin."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

import tiny_world
from tiny_world import Tiny, describe, in_memory, memory
from turncoat.core.seeds import seeded
from turncoat.data.load import DATASETS
from turncoat.study import maps
from turncoat.study.bench import Bench
from turncoat.study.bins import COSINE_EDGES, cosine_counts, shift_counts, shift_edges
from turncoat.study.cells import CLEAN
from turncoat.study.charts import Map
from turncoat.study.maps import spread, write_maps
from turncoat.study.plan import Study
from turncoat.study.projections import principal, tsne, unit
from turncoat.study.runner import benches, run
from turncoat.study.store import Store
from turncoat.tasks.metrics.estimate import bootstrap

__all__ = ["in_memory"]
pytestmark = pytest.mark.usefixtures("in_memory")

ATTACKS = ["sign_noise", {"name": "uturn", "steps": 3}]
VICTIMS = [
    {"name": "a", "source": "python:tiny_world:net", "reads": "logits"},
    {"name": "b", "source": "python:tiny_world:net", "reads": "logits", "options": {"seed": 5}},
]


class Flat(nn.Module):
    """The tiny network with two features, the classes being directions in their plane."""

    def __init__(self) -> None:
        super().__init__()
        self.tiny = Tiny(seed=3, classes=2)
        self.head = nn.Linear(2, tiny_world.CLASSES, bias=False)
        self.head.weight.data = torch.randn(tiny_world.CLASSES, 2, generator=seeded(1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        point = self.tiny(images)["logits"]
        return {"embedding": point, "logits": self.head(point)}


def _described(task: str = "retrieval", **changes: Any) -> dict[str, Any]:
    features = changes.pop("features", 256)
    made = describe(task, **{"attacks": ATTACKS, "budgets": ["8/255", "24/255"], **changes})
    return {**made, "features": features}


def _run(described: dict[str, Any], folder: Path) -> tuple[list[Map], list[Bench]]:
    study, store = Study.model_validate(described), Store(folder)
    work = benches(study, Path(), store)
    run(study, work, store)
    return _read(folder), work


def _read(folder: Path) -> list[Map]:
    return TypeAdapter(list[Map]).validate_python(json.loads((folder / "maps.json").read_text()))


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Map], Bench, Path]]:
    """A run with a defence and a transfer, made once."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "memory", memory)
        patch.setitem(bootstrap.__kwdefaults__, "resamples", 5)
        made, work = _run(_described(defenses=["bit_depth"], victims=VICTIMS, transfer={}), folder)
        yield made, work[0], folder


def _kept(bench: Bench, folder: Path, attack: str, defense: str = "none", eps: float = 0.0) -> Any:
    (cell,) = [
        one
        for one in bench.cells()
        if (one.attack, one.defense) == (attack, defense)
        and one.stance in ("none", "adaptive")
        and math.isclose(one.eps, eps)
    ]
    store, keys = Store(folder), [bench.key(cell, shard) for shard in bench.shards()]
    return store.features(keys), store.read(keys)


def test_there_is_a_map_of_each_victim_behind_each_defence_under_informed_attacks_alone(
    retrieval: tuple[list[Map], Bench, Path],
) -> None:
    made, bench, _ = retrieval
    defense = next(name for name in bench.defended if name != "none")
    assert [(one.victim, one.defense) for one in made] == [(v, d) for v in "ab" for d in ("none", defense)]
    for one in made:
        assert one.plane is not None
        stops = [(stop.attack, round(stop.eps * 255)) for stop in one.plane.stops]
        assert stops == [(name, eps) for name in ("sign_noise", "uturn") for eps in (8, 24)]


def test_every_query_is_in_some_bin_or_left_out(retrieval: tuple[list[Map], Bench, Path]) -> None:
    made, bench, folder = retrieval
    for one in made[:2]:
        for figure, chart in (("cosine_to_clean", one.cosines), ("first_good", one.shifts)):
            assert chart is not None
            for bars in chart.bars:
                _, records = _kept(bench, folder, bars.attack, one.defense, bars.eps)
                _, clean = _kept(bench, folder, CLEAN, one.defense)
                values = records[figure] - (clean[figure] if figure == "first_good" else 0)
                assert sum(bars.counts) + bars.left_out == len(bench.samples) == 12
                assert bars.left_out == np.isnan(values).sum()
                middle = [(low + high) / 2 for low, high in zip(chart.edges, chart.edges[1:], strict=False)]
                guess = np.repeat(middle, bars.counts)
                widest = max(np.diff(chart.edges))
                np.testing.assert_allclose(np.sort(values[~np.isnan(values)]), guess, atol=widest)
    assert made[0].shifts is not None
    assert made[0].shifts.bars[0].left_out > 0  # person 4 is not in the gallery


def test_points_are_unit_descriptors_in_the_plane_of_the_clean_ones(
    retrieval: tuple[list[Map], Bench, Path],
) -> None:
    made, bench, folder = retrieval
    plane = made[0].plane
    assert plane is not None
    assert plane.share is not None
    clean, _ = _kept(bench, folder, CLEAN)
    attacked, _ = _kept(bench, folder, "uturn", eps=24 / 255)
    clean, attacked = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (clean, attacked))
    values, vectors = np.linalg.eigh(np.cov(clean.astype(np.float64).T))
    assert plane.share == pytest.approx(values[-2:].sum() / values.sum(), abs=1e-3)
    for points, unit_vectors in ((plane.clean, clean), (plane.stops[-1].points, attacked)):
        expected = unit_vectors @ vectors[:, [-1, -2]]
        signs = np.sign((expected * np.array(points)).sum(0))
        np.testing.assert_allclose(np.array(points), expected * signs, atol=2e-3)


def test_what_is_turned_round_lies_opposite() -> None:
    descriptors = unit(np.random.default_rng(0).normal(1, 1, (20, 6)))
    directions, share = principal(descriptors)
    np.testing.assert_allclose(directions.T @ directions, np.eye(2), atol=1e-12)
    assert 0 < share < 1
    np.testing.assert_array_equal(-descriptors @ directions, -(descriptors @ directions))


def test_clean_and_attacked_queries_are_laid_out_together(retrieval: tuple[list[Map], Bench, Path]) -> None:
    made, bench, folder = retrieval
    (laid,) = made[0].neighbours
    assert (laid.method, laid.attack, round(laid.eps * 255)) == ("t-SNE", "uturn", 24)
    clean, _ = _kept(bench, folder, CLEAN)
    attacked, _ = _kept(bench, folder, "uturn", eps=24 / 255)
    expected = tsne(unit(np.concatenate([clean, attacked])))
    assert expected.shape == (24, 2)
    np.testing.assert_allclose(np.array([*laid.clean, *laid.attacked]), expected, rtol=2e-3)


def test_neighbours_stay_neighbours() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 16))
    group = np.repeat(np.arange(3), 15)
    laid = tsne(unit(centres[group] + 0.05 * rng.normal(size=(45, 16))))
    away = np.linalg.norm(laid[:, None] - laid[None], axis=2) + 1e9 * np.eye(45)
    assert (group[away.argmin(1)] == group).all()


def test_maps_are_the_same_bytes_again(retrieval: tuple[list[Map], Bench, Path], tmp_path: Path) -> None:
    _, bench, folder = retrieval
    shutil.copytree(folder, tmp_path / "run")
    store = Store(tmp_path / "run")
    write_maps([bench, *(other for name, other in bench.others.items() if name == "b")], store, 256)
    assert (store.folder / "maps.json").read_bytes() == (folder / "maps.json").read_bytes()


def test_the_groups_are_the_people_of_the_points(retrieval: tuple[list[Map], Bench, Path]) -> None:
    made, bench, _ = retrieval
    people = [int(one) for one in bench.samples.truth["person"]]
    assert [made[0].crowd.names[group] for group in made[0].crowd.group] == [f"person {one}" for one in people]


def test_of_many_people_the_first_have_a_colour(
    retrieval: tuple[list[Map], Bench, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bench, folder = retrieval
    monkeypatch.setattr(maps, "FEW", 3)
    monkeypatch.setattr(maps, "FIRST", 2)
    monkeypatch.setattr(maps, "POINTS", 7)
    one = next(maps.maps_of(maps.Recorded(bench, Store(folder), 256)))
    assert one.plane is not None
    assert len(one.plane.clean) == len(one.crowd.group) == len(one.neighbours[0].attacked) == 7
    people = bench.samples.truth["person"][spread(12, 7)].tolist()
    assert one.crowd.names == [f"person {people[0]}", f"person {people[1]}"]
    assert one.crowd.group == [people[:2].index(person) if person in people[:2] else -1 for person in people]


@pytest.mark.parametrize("features", [0, 6])
def test_of_features_that_were_not_kept_there_is_no_map(features: int, tmp_path: Path) -> None:
    (one,), _ = _run(_described(features=features), tmp_path)
    assert len(one.crowd.group) == features
    assert (one.plane is None) == (features == 0) == (not one.neighbours)
    assert one.cosines is not None
    assert sum(one.cosines.bars[0].counts) == 12


@pytest.mark.parametrize("damage", ["missing", "cut off", "not finite"])
def test_features_that_are_no_longer_there_end_the_map(damage: str, tmp_path: Path) -> None:
    _, (bench,) = _run(_described(), tmp_path)
    attack = next(cell for cell in bench.cells() if cell.attack == "uturn")
    path = tmp_path / f"features/{bench.key(attack, bench.shards()[1])}.npy"
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-8])
    else:
        np.save(path, np.load(path) * np.nan)
    write_maps([bench], Store(tmp_path), 256)
    (one,) = _read(tmp_path)
    assert len(one.crowd.group) == (0 if damage == "not finite" else 4)


def test_two_features_of_a_classifier_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_world, "net", Flat)
    (one,), (bench,) = _run(_described("classification"), tmp_path)
    assert one.plane is not None
    assert (one.plane.share, one.neighbours, one.cosines, one.shifts) == (None, [], None, None)
    clean, _ = _kept(bench, tmp_path, CLEAN)
    attacked, _ = _kept(bench, tmp_path, "uturn", eps=24 / 255)
    np.testing.assert_allclose(np.array(one.plane.clean), clean, rtol=1e-3)
    np.testing.assert_allclose(np.array(one.plane.stops[-1].points), attacked, rtol=1e-3)
    labels = sorted(set(bench.samples.truth["label"].tolist()))
    assert one.crowd.names == [f"class {label}" for label in labels]


def test_a_classifier_with_many_features_has_no_map(tmp_path: Path) -> None:
    assert _run(_described("classification"), tmp_path)[0] == []


def test_where_the_gallery_is_perturbed_only_ranks_move(tmp_path: Path) -> None:
    threat = {"name": "retrieval", "perturbs": "gallery"}
    (one,), _ = _run(_described(data={"name": "memory", "task": "retrieval"}, task=threat), tmp_path)
    assert (one.plane, one.neighbours, one.cosines) == (None, [], None)
    assert one.shifts is not None


def test_umap_stands_beside_where_it_is_installed(
    retrieval: tuple[list[Map], Bench, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Made:
        def __init__(self, **options: object) -> None:
            assert options["random_state"] == 0

        def fit_transform(self, features: Any) -> Any:
            return features[:, :2]

    module = ModuleType("umap")
    module.UMAP = Made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", module)
    monkeypatch.setattr(maps, "has_umap", lambda: True)
    _, bench, folder = retrieval
    one = next(maps.maps_of(maps.Recorded(bench, Store(folder), 256)))
    assert [laid.method for laid in one.neighbours] == ["t-SNE", "UMAP"]


def test_cosines_are_counted_between_their_edges() -> None:
    cosines = np.array([-1.0, -0.999, 0.0, 0.049, 0.05, 1.0, 1.0000001, np.nan])
    counts = dict(zip(COSINE_EDGES, cosine_counts(cosines), strict=False))
    assert {edge: count for edge, count in counts.items() if count} == {-1.0: 2, 0.0: 2, 0.05: 1, 0.95: 2}


def test_shifts_are_counted_by_how_far_they_are_from_none() -> None:
    shifts = np.array([0, 0.5, -0.5, 1, 2, 3, 9, 10, 250, -1, -2.5, -3, np.nan])
    edges = shift_edges([shifts])
    assert edges == [-10, -3, -1, 1, 3, 10, 30, 100, 300]
    assert shift_counts(shifts, edges) == [1, 2, 3, 2, 2, 1, 0, 1]
    assert shift_edges([np.array([np.nan, 0.0])]) == [-1, 1]
    assert shift_edges([np.array([3.0])]) == [-1, 1, 3, 10]


def test_places_are_evenly_spread() -> None:
    assert spread(5, 10) == [0, 1, 2, 3, 4]
    assert spread(101, 5) == [0, 25, 50, 75, 100]
    assert spread(0, 5) == []
