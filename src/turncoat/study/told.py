"""What a victim says about a few images, in words and names: what stands under their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.tasks.attributes import AttributeRecognition
from turncoat.tasks.classification import Classification
from turncoat.tasks.retrieval import Retrieval
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Task
from turncoat.tasks.verification import Verification

RANKS = 10
Told = dict[str, object]


@dataclass(frozen=True)
class Asked:
    """Images `[N, 3, H, W]` that stand for the given rows of the samples, and the victim they are shown to."""

    victim: Victim
    images: Tensor
    samples: Samples
    rows: Sequence[int]
    context: Columns

    def truth(self, name: str) -> Tensor:
        return column(self.samples.truth, name)[list(self.rows)]


@singledispatch
def tell(task: Task, asked: Asked) -> list[Told]:  # noqa: ARG001
    """One mapping per image, ready for JSON; empty for a task that has nothing to say beyond its score."""
    return [{} for _ in asked.rows]


@tell.register
def _(task: Classification, asked: Asked) -> list[Told]:  # noqa: ARG001
    confidence, chosen = asked.victim.predict(asked.images).logits.cpu().softmax(1).max(1)
    names = asked.samples.names.get("label", ())
    return [
        {"label": _name(names, truth), "prediction": _name(names, said), "confidence": sure, "right": truth == said}
        for truth, said, sure in zip(asked.truth("label").tolist(), chosen.tolist(), confidence.tolist(), strict=True)
    ]


@tell.register
def _(task: AttributeRecognition, asked: Asked) -> list[Told]:
    decided = asked.victim.predict(asked.images).logits.cpu().sigmoid() > task.threshold
    truth, names = asked.truth("attributes"), asked.samples.names.get("attributes", ())

    def listed(chosen: Tensor) -> list[str]:
        return [_name(names, place) for place in chosen.nonzero()[:, 0].tolist()]

    return [
        {
            "right": listed(said & (true == 1)),
            "missed": listed(~said & (true == 1)),
            "made_up": listed(said & (true == 0)),
        }
        for said, true in zip(decided, truth, strict=True)
    ]


@tell.register
def _(task: Verification, asked: Asked) -> list[Told]:
    judged = task.judge(asked.victim, asked.images, asked.samples, asked.rows, asked.context)
    columns = (judged[name].tolist() for name in ("same", "cosine", "threshold", "score"))
    return [
        {
            "same": bool(same),
            "cosine": cosine,
            "threshold": threshold,
            "accepted": cosine > threshold,
            "right": score == 1,
        }
        for same, cosine, threshold, score in zip(*columns, strict=True)
    ]


@tell.register
def _(task: Retrieval, asked: Asked) -> list[Told]:
    """The first gallery rows until ten of them count; a `mark` is right, wrong, or junk, which nobody counts."""
    seen = asked.victim.predict(asked.images).descriptor.cpu()
    cosines = seen @ asked.context["gallery"].T
    marks = _marks(task, asked, cosines.shape[1])
    return [{"ranked": _ranked(*pair, asked.samples)} for pair in zip(cosines, marks, strict=True)]


def _ranked(cosines: Tensor, marks: Tensor, samples: Samples) -> list[Told]:
    keys = samples.against.keys if samples.against is not None else ()
    order = torch.argsort(cosines, descending=True, stable=True)[: 2 * RANKS].tolist()
    told: list[Told] = []
    for row in order:
        mark = ("wrong", "right", "junk")[int(marks[row])]
        told.append({"row": row, "key": keys[row], "mark": mark, "cosine": float(cosines[row])})
        if sum(one["mark"] != "junk" for one in told) == RANKS:
            break
    return told


def _marks(task: Retrieval, asked: Asked, gallery: int) -> Tensor:
    """0 wrong, 1 right, 2 junk for each query and gallery row, by the rules the metrics use."""
    related = task.relations(asked.samples, asked.rows)
    marks = torch.zeros(len(asked.rows), gallery, dtype=torch.int64)
    marks[related.query, related.row] = torch.where(related.good, 1, 2)
    marks[:, related.dropped] = 2
    return marks


def _name(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else f"number {place}"
