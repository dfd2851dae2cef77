"""Pictures show what was attacked, say what the victim says of it, stay small, and survive a second run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tiny_world import Passes, bench_of, describe, in_memory, memory
from turncoat.core.victim import Victim
from turncoat.data.load import DATASETS
from turncoat.study.pictures import choose, pictured, shrink, thin
from turncoat.study.plan import Study
from turncoat.study.runner import benches, run
from turncoat.study.store import Store
from turncoat.study.told import Asked, tell
from turncoat.tasks.metrics.estimate import bootstrap
from turncoat.tasks.retrieval import Retrieval

__all__ = ["in_memory"]
pytestmark = pytest.mark.usefixtures("in_memory")

TASKS = ["classification", "attributes", "retrieval", "verification"]
Album = dict[str, Any]
Runs = dict[str, tuple[Path, list[Album]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A finished run of each task with its albums, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "memory", memory)
        patch.setitem(bootstrap.__kwdefaults__, "resamples", 5)
        yield {task: _kept(task, tmp_path_factory.mktemp(task)) for task in TASKS}


def _kept(task: str, folder: Path) -> tuple[Path, list[Album]]:
    return folder, _run(_described(task), folder)


def _run(described: dict[str, Any], folder: Path) -> list[Album]:
    study = Study.model_validate(described)
    run(study, benches(study, Path()), Store(folder))
    return [json.loads((folder / name).read_text()) for name in json.loads((folder / "pictures.json").read_text())]


def _described(task: str = "classification", **changes: Any) -> dict[str, Any]:
    return describe(task, **{"pictures": 3, "limit": 6, "defenses": ["bit_depth"], **changes})


def _pixels(path: Path) -> NDArray[np.int64]:
    return np.asarray(Image.open(path)).astype(np.int64)


def test_cells_with_pictures_are_the_informed_attacks_at_their_largest_budget() -> None:
    attacks = ["sign_noise", "fgsm", {"name": "pgd", "steps": 2, "budgets": ["4/255"]}]
    bench = bench_of(_described(attacks=attacks, seeds=[0, 1], budgets=["2/255", "8/255"]))
    chosen = {
        (one.attack, round(one.eps * 255), one.stance, one.seed)
        for one in bench.cells()
        if pictured(bench, one, bench.shards()[0])
    }
    expected = {("fgsm", 8, "none", 0), ("fgsm", 8, "adaptive", 0), ("pgd", 4, "none", 0), ("pgd", 4, "adaptive", 0)}
    assert chosen == expected
    assert not any(pictured(bench, cell, bench.shards()[1]) for cell in bench.cells())


@pytest.mark.parametrize("task", TASKS)
def test_pictures_are_the_images_and_their_difference(task: str, runs: Runs) -> None:
    folder, albums = runs[task]
    assert [(album["attack"], album["stance"]) for album in albums] == [("pgd", "none"), ("pgd", "adaptive")]
    samples = memory(task)
    for album in albums:
        assert len(album["examples"]) == 3
        for example in album["examples"]:
            clean, perturbed, change = (_pixels(folder / example[kind]) for kind in ("clean", "perturbed", "change"))
            original = samples.read(list(samples.keys).index(example["key"])).permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(clean, original)
            moved = perturbed - clean
            assert np.abs(moved).max() == round(example["linf"] * 255) <= 8
            np.testing.assert_allclose(change, (127.5 + moved * example["times"]).clip(0, 255), atol=0.51)
            assert moved.any() == (example["times"] > 1)


def test_what_is_said_of_classes_is_what_the_records_say(runs: Runs) -> None:
    folder, albums = runs["classification"]
    bench, store = bench_of(_described()), Store(folder)
    for cell in bench.cells():
        for album in (one for one in albums if (one["attack"], one["stance"]) == (cell.attack, cell.stance)):
            records = store.read([bench.key(cell, bench.shards()[0])])
            if cell.eps == album["eps"]:
                said = {one["key"]: (one["after"]["prediction"], one["after"]["right"]) for one in album["examples"]}
                columns = (records[name].tolist() for name in ("key", "prediction", "score"))
                told = {key: (f"number {guess}", score == 1) for key, guess, score in zip(*columns, strict=True)}
                assert said.items() <= told.items()


def test_attributes_are_sorted_into_right_missed_and_made_up(runs: Runs) -> None:
    samples = memory("attributes")
    for album in runs["attributes"][1]:
        for example in album["examples"]:
            truth = samples.truth["attributes"][list(samples.keys).index(example["key"])].tolist()
            present = {f"number {place}" for place, value in enumerate(truth) if value}
            for said in (example["before"], example["after"]):
                assert set(said["right"]) | set(said["missed"]) == present
                assert not set(said["made_up"]) & present


def test_a_pair_is_shown_with_its_second_image_and_its_threshold(runs: Runs) -> None:
    samples = memory("verification")
    assert samples.against is not None
    folder, albums = runs["verification"]
    for album in albums:
        for example in album["examples"]:
            place = list(samples.keys).index(example["key"])
            second = samples.against.read(place).permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(_pixels(folder / example["other"]), second)
            for said in (example["before"], example["after"]):
                assert said["same"] == bool(samples.truth["same"][place])
                assert said["right"] == (said["same"] == (said["cosine"] > said["threshold"]))


def test_a_ranked_list_is_sorted_and_marked_by_the_rules_of_the_metrics(runs: Runs) -> None:
    samples = memory("retrieval")
    assert samples.against is not None
    queries, gallery = samples.truth, samples.against.truth
    folder, albums = runs["retrieval"]
    for album in albums:
        for example in album["examples"]:
            place = list(samples.keys).index(example["key"])
            for said in (example["before"], example["after"]):
                ranked = said["ranked"]
                cosines = [one["cosine"] for one in ranked]
                assert cosines == sorted(cosines, reverse=True)
                counted = sum(one["mark"] != "junk" for one in ranked)
                assert counted == 10 or (counted < 10 and len(ranked) == len(samples.against))
                for one in ranked:
                    same = queries["person"][place] == gallery["person"][one["row"]]
                    near = queries["camera"][place] == gallery["camera"][one["row"]]
                    assert one["mark"] == ("junk" if same and near else "right" if same else "wrong")
                    shown = samples.against.read(one["row"]).permute(1, 2, 0).numpy()
                    np.testing.assert_array_equal(_pixels(folder / one["file"]), shown)


def test_the_first_answer_is_right_exactly_where_the_record_scores_it(runs: Runs) -> None:
    folder, albums = runs["retrieval"]
    bench = bench_of(_described("retrieval"))
    cell = next(one for one in bench.cells() if pictured(bench, one, bench.shards()[0]))
    records = Store(folder).read([bench.key(cell, bench.shards()[0])])
    scores = dict(zip(records["key"].tolist(), records["score"].tolist(), strict=True))
    for example in albums[0]["examples"]:
        first = next(one["mark"] for one in example["after"]["ranked"] if one["mark"] != "junk")
        score = scores[example["key"]]
        if not np.isnan(score):
            assert (first == "right") == (score >= 0.5)


def test_without_cameras_nothing_is_junk() -> None:
    samples = memory("retrieval")
    bench = bench_of(describe("retrieval"))
    victim: Victim = bench.victim
    context = bench.task.context(victim, samples)
    told = tell(Retrieval(junk="none"), Asked(victim, samples.images([0, 1]), samples, [0, 1], context))
    marks = [one["mark"] for said in told for one in _entries(said)]
    assert set(marks) == {"right", "wrong"}


def _entries(said: dict[str, object]) -> list[dict[str, object]]:
    ranked = said["ranked"]
    assert isinstance(ranked, list)
    return ranked


def test_a_second_run_leaves_the_pictures_alone(runs: Runs) -> None:
    folder, first = runs["classification"]
    times = {path: path.stat().st_mtime_ns for path in (folder / "pictures").iterdir()}
    with Passes() as spent:
        assert _run(_described(), folder) == first
    assert {path: path.stat().st_mtime_ns for path in (folder / "pictures").iterdir()} == times
    assert spent.backwards == 0


def test_a_finished_shard_implies_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = _described()
    bench = bench_of(described)
    whole, seen = os.replace, []

    def watched(source: Path, target: Path) -> None:
        seen.append(Path(target).relative_to(tmp_path).as_posix())
        whole(source, target)

    monkeypatch.setattr(os, "replace", watched)
    _run(described, tmp_path)
    for cell in (one for one in bench.cells() if pictured(bench, one, bench.shards()[0])):
        key = bench.key(cell, bench.shards()[0])
        assert seen.index(f"pictures/{key}.json") < seen.index(f"records/{key}.parquet")
        files = {example[kind] for example in _album(tmp_path, key)["examples"] for kind in ("clean", "change")}
        assert all(seen.index(name) < seen.index(f"pictures/{key}.json") for name in files)


def _album(folder: Path, key: str) -> Album:
    album: Album = json.loads((folder / f"pictures/{key}.json").read_text())
    return album


def test_no_pictures_are_kept_where_none_are_asked_for(tmp_path: Path) -> None:
    assert _run(_described(pictures=0), tmp_path) == []
    assert not (tmp_path / "pictures").exists()


def test_the_index_leaves_out_what_an_earlier_study_left(tmp_path: Path, runs: Runs) -> None:
    shutil.copytree(runs["classification"][0], tmp_path / "run")
    albums = _run(_described(attacks=["fgsm"]), tmp_path / "run")
    assert {album["attack"] for album in albums} == {"fgsm"}


def test_broken_samples_are_chosen_first_and_evenly() -> None:
    before, after = torch.ones(20), torch.ones(20)
    after[[3, 5, 9, 13, 19]] = 0
    assert choose(before, after, 3) == [3, 9, 19]
    assert choose(before, after, 5) == [3, 5, 9, 13, 19]
    more = choose(before, after, 8)
    assert len(more) == len(set(more)) == 8
    assert {3, 5, 9, 13, 19} < set(more)
    before[3] = 0  # wrong before anybody attacked
    assert choose(before, after, 1) == [5]
    assert choose(before, after, 99) == list(range(20))


def test_large_images_are_reduced_and_small_ones_left_alone() -> None:
    image = torch.rand(3, 400, 200, generator=torch.Generator().manual_seed(0))
    assert shrink(image, 100).shape == thin(image, 100).shape == (3, 100, 50)
    torch.testing.assert_close(shrink(image, 100)[:, 0, 0], image[:, :4, :4].mean((1, 2)))
    assert torch.isin(thin(image, 100), image).all()
    assert shrink(image, 400) is image
    assert thin(image, 400) is image
