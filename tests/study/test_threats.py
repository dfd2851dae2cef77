"""Who is perturbed, what the images go through, and what is remembered of a gallery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tiny_world import Passes, describe
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.study.bench import Bench
from turncoat.study.plan import Study
from turncoat.study.registry import make_attack
from turncoat.study.roundtrip import through
from turncoat.study.runner import benches, run
from turncoat.study.store import Store
from turncoat.study.summary import Row
from turncoat.tasks.embedding import embed

pytestmark = pytest.mark.usefixtures("in_memory")

UTURN = {"name": "uturn", "steps": 3}
EPS = "24/255"


def _run(folder: Path, **changes: Any) -> tuple[list[Row], Bench]:
    given: dict[str, Any] = {"attacks": [UTURN], "budgets": [EPS], **changes}
    study, store = Study.model_validate(describe("retrieval", **given)), Store(folder)
    (bench,) = benches(study, Path(), store)
    return run(study, [bench], store), bench


def _records(bench: Bench, folder: Path, attack: str) -> Any:
    (cell,) = [one for one in bench.cells() if one.attack == attack]
    return Store(folder).read([bench.key(cell, shard) for shard in bench.shards()])


@pytest.mark.parametrize("perturbs", ["gallery", "both"])
def test_queries_are_ranked_against_the_perturbed_gallery(perturbs: str, tmp_path: Path) -> None:
    _, bench = _run(tmp_path, task={"name": "retrieval", "perturbs": perturbs})
    records = _records(bench, tmp_path, "uturn")
    (cell,) = [one for one in bench.cells() if one.attack == "uturn"]
    against, queries = bench.samples.against, bench.samples.images()
    assert against is not None
    assert cell.spec is not None
    attack = make_attack(cell.spec, cell.eps, bench.task)
    changed = attack(bench.victim, against.images(), None, generator=seeded(0)).images
    asked = attack(bench.victim, queries, None, generator=seeded(0)).images if perturbs == "both" else queries
    context = {**bench.context(bench.victim), "gallery": bench.victim.predict(changed).descriptor}
    judged = bench.task.judge(bench.victim, asked, bench.samples, range(len(queries)), context)
    assert np.allclose(records["ap"], judged["ap"].numpy(), equal_nan=True)
    assert (records["linf"].max() > 0) == (perturbs == "both")


def test_the_passes_of_a_perturbed_gallery_are_all_counted_once(tmp_path: Path) -> None:
    rows, bench = _run(tmp_path, task={"name": "retrieval", "perturbs": "gallery"})
    (row,) = [one for one in rows if one["attack"] == "uturn"]
    against = bench.samples.against
    assert against is not None
    assert row["backwards"] == 3 * len(against)
    with Passes() as again:
        _run(tmp_path, task={"name": "retrieval", "perturbs": "gallery"})
    assert again.backwards == 0


def test_a_gallery_image_is_steered_by_the_queries(tmp_path: Path) -> None:
    rows, _ = _run(tmp_path, attacks=[{"name": "fna", "steps": 3}], task={"name": "retrieval", "perturbs": "gallery"})
    clean, attacked = (next(row for row in rows if row["attack"] == name) for name in ("clean", "fna"))
    values = [row["metrics"]["mAP"]["value"] for row in (clean, attacked)]  # type: ignore[index]
    assert values[1] < values[0]


def test_the_threat_is_in_every_row(tmp_path: Path) -> None:
    rows, _ = _run(tmp_path, task={"name": "retrieval", "perturbs": "gallery"})
    assert {row["threat"] for row in rows} == {
        "every image of the gallery is perturbed on its own, the queries are clean"
    }


def test_gallery_descriptors_are_computed_once_and_kept_by_content(tmp_path: Path) -> None:
    _, bench = _run(tmp_path)
    against = bench.samples.against
    assert against is not None
    _, again = _run(tmp_path)  # nothing is missing, so nothing is looked at but one image to check
    with Passes() as spent:
        kept = again.context(again.victim)["gallery"]
    assert spent.forwards == 0
    assert torch.equal(kept, embed(bench.victim, against))
    with Passes() as other:
        _run(tmp_path, victims={"name": "tiny", "source": "python:tiny_world:net", "options": {"seed": 3}})
    assert other.forwards > len(against)


def test_an_image_goes_through_its_file(tmp_path: Path) -> None:
    rows, bench = _run(tmp_path, attacks=[{**UTURN, "roundtrip": "jpeg75"}])
    saved, attacked = _records(bench, tmp_path, "clean, jpeg75"), _records(bench, tmp_path, "uturn")
    images = bench.samples.images()
    seen = bench.task.judge(
        bench.victim, through(images, "jpeg75"), bench.samples, range(len(images)), bench.context(bench.victim)
    )
    assert np.allclose(saved["cosine_to_clean"], seen["cosine_to_clean"].numpy())
    assert saved["cosine_to_clean"].min() < 0.9999  # the file alone changes something
    assert attacked["linf"].max() > 24.5 / 255  # and what is recorded is what came out of it
    assert {row["attack"] for row in rows if row["eps"] == 0} == {"clean", "clean, jpeg75"}


def test_round_trips_round_as_they_say() -> None:
    images = torch.tensor([0.0, 0.4999, 0.9, 1.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    levels = {kind: (through(images, kind)[0, 0] * 255).round().flatten().tolist() for kind in ("uint8", "png")}
    assert levels == {"uint8": [0, 127, 229, 255], "png": [0, 127, 230, 255]}
    assert torch.equal(through(images, "none"), images)


def test_features_are_kept_for_the_first_samples(tmp_path: Path) -> None:
    described = describe("retrieval", attacks=[UTURN], budgets=[EPS])
    study, store = Study.model_validate({**described, "features": 6}), Store(tmp_path)
    (bench,) = benches(study, Path(), store)
    run(study, [bench], store)
    (clean,) = [one for one in bench.cells() if one.attack == "clean"]
    kept = store.features([bench.key(clean, shard) for shard in bench.shards()])
    expected = bench.victim.predict(bench.samples.images()).embedding[:6]
    assert np.allclose(kept, expected.numpy(), atol=1e-6)


def test_queries_without_an_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    rows, bench = _run(tmp_path)
    against = bench.samples.against
    assert against is not None
    person, camera = bench.samples.truth["person"], bench.samples.truth["camera"]
    answers = [
        bool(((against.truth["person"] == one) & (against.truth["camera"] != seen)).any())
        for one, seen in zip(person, camera, strict=True)
    ]
    assert 0 < answers.count(False) < len(answers)
    assert {row["left_out"] for row in rows} == {answers.count(False)}


def test_a_gallery_with_two_images_of_one_name_is_refused(tmp_path: Path) -> None:
    study = Study.model_validate(describe("retrieval"))
    (bench,) = benches(study, Path(), Store(tmp_path))
    against = bench.samples.against
    assert against is not None
    against.keys[1] = against.keys[0]  # type: ignore[index]
    with pytest.raises(UserError, match="holds g0 twice"):
        bench.check()


def test_a_descriptor_that_is_no_number_is_named_and_what_is_done_stays(tmp_path: Path) -> None:
    _, bench = _run(tmp_path)
    done = sorted(path.name for path in (tmp_path / "records").iterdir())
    for path in (tmp_path / "descriptors").iterdir():
        path.unlink()
    bench.victim.network.conv.weight.data[0, 0, 0, 0] = float("nan")  # type: ignore[union-attr,index]
    with pytest.raises(UserError, match=r"not a number for g0 \(12 of 12 here\)"):
        embed(bench.victim, bench.samples.against)  # type: ignore[arg-type]
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == done


def test_the_same_weights_with_other_options_have_descriptors_of_their_own(tmp_path: Path) -> None:
    given = describe("retrieval", attacks=[UTURN], budgets=[EPS])
    for gain in (1.0, 3.0):
        given["audits"][0]["victims"] = {"name": "t", "source": "python:tiny_world:net", "options": {"gain": gain}}
        (bench,) = benches(Study.model_validate(given), Path(), Store(tmp_path))
        kept = bench.context(bench.victim)["gallery"]
        assert torch.equal(kept, embed(bench.victim, bench.samples.against))  # type: ignore[arg-type]


def test_a_gallery_that_is_steered_by_the_queries_is_made_anew_for_others(tmp_path: Path) -> None:
    steered = {"attacks": [{"name": "fna", "steps": 3}], "task": {"name": "retrieval", "perturbs": "gallery"}}
    study = Study.model_validate({**describe("retrieval", budgets=[EPS], **steered), "limit": 6})
    run(study, benches(study, Path(), Store(tmp_path / "one")), Store(tmp_path / "one"))
    again, _ = _run(tmp_path / "one", **steered)
    fresh, _ = _run(tmp_path / "two", **steered)
    assert [row["metrics"] for row in again] == [row["metrics"] for row in fresh]


def test_a_gallery_that_was_interrupted_goes_on_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"name": "retrieval", "perturbs": "gallery"}
    with Passes() as whole:
        rows, _ = _run(tmp_path / "whole", task=task)
    write, left = Store.write_array, [2]

    def stop(store: Store, name: str, values: torch.Tensor) -> None:
        if name.startswith("descriptors"):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        write(store, name, values)

    monkeypatch.setattr(Store, "write_array", stop)
    with pytest.raises(KeyboardInterrupt), Passes() as first:
        _run(tmp_path / "cut", task=task)
    monkeypatch.setattr(Store, "write_array", write)
    with Passes() as second:
        again, _ = _run(tmp_path / "cut", task=task)
    assert [row["metrics"] for row in again] == [row["metrics"] for row in rows]
    assert first.backwards + second.backwards == whole.backwards + 4 * 3  # only the batch that was cut is made twice


def test_a_perturbed_gallery_tells_its_change_and_has_one_worst_attack(tmp_path: Path) -> None:
    task = {"name": "retrieval", "perturbs": "gallery"}
    rows, bench = _run(tmp_path, task=task, attacks=["sign_noise", UTURN])
    assert (
        abs(_records(bench, tmp_path, "uturn")["gallery_linf"].max() - 4 / 255) < 1e-6
    )  # three steps of a level, and the jitter
    scores = {row["attack"]: row["metrics"]["recall@1"]["value"] for row in rows}  # type: ignore[index]
    assert scores["worst"] == min(scores["uturn"], scores["sign_noise"])
    assert _records(bench, tmp_path, "clean")["linf"].max() == 0


def test_a_transferred_gallery_is_steered_on_the_surrogate(tmp_path: Path) -> None:
    net = "python:tiny_world:net"
    victims = [{"name": "a", "source": net}, {"name": "b", "source": net, "options": {"seed": 5}}]
    changes: dict[str, Any] = {"attacks": [{"name": "fna", "steps": 3}], "budgets": [EPS], "transfer": True}
    task = {"name": "retrieval", "perturbs": "gallery"}
    study = Study.model_validate(describe("retrieval", victims=victims, task=task, **changes))
    a, b = benches(study, Path(), Store(tmp_path))
    run(study, [a, b], Store(tmp_path))
    rows = Store(tmp_path)
    (cell,) = [one for one in b.cells() if one.surrogate]
    against = b.samples.against
    assert against is not None
    records = rows.read([b.key(cell, shard) for shard in b.shards()])
    known = a.context(a.victim)
    flipped = {"gallery": known["query"], "query": known["gallery"]}
    turned = replace(against, against=b.samples)
    guides = a.task.guides(["push", "pull"], turned, range(len(against)), flipped)
    assert cell.spec is not None
    made = make_attack(cell.spec, cell.eps, a.task)(a.victim, against.images(), guides, generator=seeded(0)).images
    context = {**b.context(b.victim), "gallery": b.victim.predict(made).descriptor}
    judged = b.task.judge(b.victim, b.samples.images(), b.samples, range(len(b.samples)), context)
    assert np.allclose(records["ap"], judged["ap"].numpy(), equal_nan=True)
