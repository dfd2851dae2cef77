"""Retrieval judged by hand: the first pixels are the descriptor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.tasks.retrieval import Retrieval, embed
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records

TASK = Retrieval()


class Pixels(nn.Module):
    def __init__(self, parts: int = 0) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        flat = images[:, 0, 0] - 0.5
        return {"embedding": flat.unflatten(1, (self.parts, -1)) if self.parts else flat}


def _part(vectors: Tensor, **truth: Tensor) -> Samples:
    pixels = vectors.to(torch.uint8)[:, None, None].expand(-1, 3, 1, -1)
    return Samples("toy", [str(row) for row in range(len(pixels))], lambda row: pixels[row], truth)


def _set(seed: int = 0, queries: int = 12, gallery: int = 30, people: int = 5) -> Samples:
    """Queries whose person 0 is only there under its own camera, and person `people` not at all."""
    generator = seeded(seed)
    vectors = torch.randint(0, 256, (queries + gallery, 6), generator=generator)
    shown = torch.randint(0, people, (gallery,), generator=generator)
    person = torch.cat([torch.arange(queries) % (people + 1), shown])
    camera = torch.randint(0, 3, (queries + gallery,), generator=generator)
    camera[person == 0] = 1
    against = _part(vectors[queries:], person=person[queries:], camera=camera[queries:])
    return replace(_part(vectors[:queries], person=person[:queries], camera=camera[:queries]), against=against)


def _judge(samples: Samples, task: Retrieval = TASK, images: Tensor | None = None) -> Columns:
    victim = Victim(Pixels())
    context = task.context(victim, samples)
    seen = samples.images() if images is None else images
    return task.judge(victim, seen, samples, range(len(samples)), context)


def _records(columns: Columns) -> Records:
    return {name: values.numpy() for name, values in columns.items()}


def _ranked(samples: Samples, *, junk: bool) -> list[list[bool]]:
    """For each query the gallery from the most similar down, junk left out: is it a right answer?"""
    against = samples.against
    assert against is not None
    ask, answer = (part.images()[:, 0, 0].double() - 0.5 for part in (samples, against))
    cosine = torch.nn.functional.normalize(ask) @ torch.nn.functional.normalize(answer).T
    ranked = []
    for row in range(len(samples)):
        same = against.truth["person"] == samples.truth["person"][row]
        ignored = same & (against.truth["camera"] == samples.truth["camera"][row]) if junk else same & False
        order = cosine[row].argsort(descending=True).tolist()
        ranked.append([bool(same[item]) for item in order if not ignored[item]])
    return ranked


def _average_precision(hits: list[bool]) -> float:
    places = [place for place, hit in enumerate(hits) if hit]
    return float(np.mean([(count + 1) / (place + 1) for count, place in enumerate(places)]))


@pytest.mark.parametrize("junk", ["same-camera", "none"])
def test_scores_are_as_ranked_naively(junk: str) -> None:
    samples = _set()
    task = Retrieval(junk="same-camera" if junk == "same-camera" else "none")
    judged = _judge(samples, task)
    ranked = _ranked(samples, junk=junk == "same-camera")
    for row, hits in enumerate(ranked):
        if not any(hits):
            assert math.isnan(judged["score"][row])
            assert math.isnan(judged["ap"][row])
            continue
        assert judged["score"][row] == hits[0]
        assert judged["recall_at_5"][row] == any(hits[:5])
        assert judged["recall_at_10"][row] == any(hits[:10])
        assert judged["ap"][row].item() == pytest.approx(_average_precision(hits))
        last = max(place for place, hit in enumerate(hits) if hit)
        assert judged["inp"][row].item() == pytest.approx(sum(hits) / (last + 1))
    without = [not any(hits) for hits in ranked]
    assert any(without)
    assert not all(without)
    assert judged["person"].tolist() == samples.truth["person"].tolist()


def test_junk_is_the_same_person_under_the_same_camera() -> None:
    """Person 0 is only there under its own camera: nothing to find with junk, something without."""
    samples = _set()
    own = samples.truth["person"] == 0
    with_junk, without = (_judge(samples, Retrieval(junk=junk))["score"] for junk in ("same-camera", "none"))
    assert with_junk[own].isnan().all()
    assert not without[own].isnan().any()


def test_the_gallery_of_distractors_and_cameras_is_needed() -> None:
    samples = _set()
    assert samples.against is not None
    with pytest.raises(UserError, match="has no gallery"):
        _judge(replace(samples, against=None))
    bare = replace(samples, against=replace(samples.against, truth={"person": samples.against.truth["person"]}))
    with pytest.raises(UserError, match="camera"):
        _judge(bare)
    assert not _judge(bare, Retrieval(junk="none"))["score"].isnan().all()


def test_metrics_leave_out_queries_without_an_answer() -> None:
    columns = _judge(_set())
    metrics = TASK.metrics(_records(columns))
    assert list(metrics) == ["recall@1", "mAP", "mAP_trapezoid", "recall@5", "recall@10", "mINP", "cosine_to_clean"]
    assert TASK.headline == "recall@1"
    known = ~columns["score"].isnan()
    names = {
        "recall@1": "score",
        "mAP": "ap",
        "mAP_trapezoid": "ap_trapezoid",
        "recall@5": "recall_at_5",
        "mINP": "inp",
    }
    for name, column in names.items():
        assert metrics[name].value == pytest.approx(float(columns[column][known].mean()))
    assert metrics["cosine_to_clean"].value == pytest.approx(1)


def test_both_denominators_leave_out_queries_without_an_answer() -> None:
    samples = _set(seed=3, queries=24)
    clean, attacked = _judge(samples), _judge(samples, images=_set(seed=9, queries=24).images())
    rates = TASK.compare(_records(clean), _records(attacked))
    known = [row for row in range(24) if not math.isnan(clean["score"][row])]
    broken = [attacked["score"][row].item() < 0.5 for row in known]
    among = [attacked["score"][row].item() < 0.5 for row in known if clean["score"][row] >= 0.5]
    assert 0 < len(among) < len(known) < 24
    assert rates["success_all"].value == pytest.approx(np.mean(broken))
    assert rates["success_conditional"].value == pytest.approx(np.mean(among))


def test_cosine_to_clean_is_that_of_the_descriptors() -> None:
    samples, other = _set(), _set(seed=5)
    judged = _judge(samples, images=other.images())
    a, b = (part.images()[:, 0, 0].double() - 0.5 for part in (samples, other))
    expected = (a * b).sum(1) / a.norm(dim=1) / b.norm(dim=1)
    torch.testing.assert_close(judged["cosine_to_clean"], expected, atol=1e-5, rtol=0)


def test_rows_are_those_asked_for() -> None:
    samples, victim = _set(), Victim(Pixels())
    context, rows = TASK.context(victim, samples), [7, 2, 9]
    some = TASK.judge(victim, samples.images(rows), samples, rows, context)
    every = TASK.judge(victim, samples.images(), samples, range(12), context)
    for name, values in some.items():
        assert torch.equal(values.nan_to_num(-1), every[name][rows].nan_to_num(-1)), name


def test_the_descriptor_has_length_one_and_parts_weigh_alike() -> None:
    whole = torch.randn(4, 6, generator=seeded(0))
    torch.testing.assert_close(Outputs({"embedding": whole}).descriptor, whole / whole.norm(dim=1, keepdim=True))
    parts = torch.randn(4, 3, 5, generator=seeded(1)) * torch.tensor([1.0, 10.0, 100.0])[:, None]
    found = Outputs({"embedding": parts}).descriptor
    assert found.shape == (4, 15)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    cosines = [torch.nn.functional.cosine_similarity(parts[0, p], parts[1, p], dim=0) for p in range(3)]
    torch.testing.assert_close(found[0] @ found[1], torch.stack(cosines).mean())


def test_parts_are_ranked_by_their_mean_cosine() -> None:
    samples, victim = _set(), Victim(Pixels(parts=2))
    judged = TASK.judge(victim, samples.images(), samples, range(12), TASK.context(victim, samples))
    assert samples.against is not None
    ask, answer = (part.images()[:, 0, 0].double().unflatten(1, (2, 3)) - 0.5 for part in (samples, samples.against))
    unit = [torch.nn.functional.normalize(vectors, dim=-1) for vectors in (ask, answer)]
    cosine = torch.einsum("qpd,gpd->qg", *unit) / 2
    for row in range(12):
        same = samples.against.truth["person"] == samples.truth["person"][row]
        junk = same & (samples.against.truth["camera"] == samples.truth["camera"][row])
        if (same & ~junk).any():
            first = int(cosine[row].masked_fill(junk, -9).argmax())
            assert judged["score"][row] == float(same[first])


def test_embedding_does_not_depend_on_the_batch() -> None:
    samples, victim = _set(), Victim(Pixels())
    torch.testing.assert_close(embed(victim, samples, batch=5), embed(victim, samples), atol=1e-6, rtol=0)
