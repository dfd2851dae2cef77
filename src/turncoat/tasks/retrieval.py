"""Which images of a gallery show the same person or thing as the query?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.objectives.features import OppositeDirection
from turncoat.tasks.metrics.estimate import Estimate, bootstrap
from turncoat.tasks.metrics.ranking import rank_queries
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records, Task


@dataclass(frozen=True)
class Retrieval(Task):
    """Recall@K, mAP in both conventions and mINP by cosine; the attacker turns the query's descriptor round.

    `junk` says which gallery images are ignored: those of the same person by the same camera (Market-1501), or none.
    Queries without a right answer in the gallery have no score and are left out. A query is broken when its first
    answer is wrong; with ties, when that is likelier than not.
    """

    junk: Literal["same-camera", "none"] = "same-camera"

    name = "retrieval"
    headline = "recall@1"
    needs = "embedding"
    stops = False
    cluster = "person"
    columns = ("person",)
    compares = "gallery"
    harm = ("score", "ap", "cosine_to_clean")

    @property
    def objective(self) -> OppositeDirection:
        return OppositeDirection()

    def context(self, victim: Victim, samples: Samples) -> Columns:
        """`gallery` `[G, D]`: the unit descriptors of the gallery; `query` `[Q, D]`: those of the clean queries."""
        if samples.against is None:
            raise UserError(f"{samples.name} has no gallery: retrieval needs queries and a gallery")
        return {"gallery": embed(victim, samples.against), "query": embed(victim, samples)}

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:  # noqa: ARG002
        return {"label": column(samples.truth, "label")[list(rows)]} if "label" in samples.truth else {}

    def judge(self, victim: Victim, images: Tensor, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        if samples.against is None:
            raise UserError(f"{samples.name} has no gallery: retrieval needs queries and a gallery")
        seen, chosen = victim.predict(images).descriptor.cpu(), list(rows)
        queries, gallery = samples.truth, samples.against.truth
        figures = rank_queries(
            seen,
            context["gallery"],
            query_person=column(queries, "person")[chosen],
            gallery_person=column(gallery, "person"),
            query_camera=queries["camera"][chosen] if "camera" in queries else None,
            gallery_camera=gallery.get("camera"),
            junk=self.junk,
        )
        return {
            "person": column(queries, "person")[chosen],
            "score": figures.pop("cmc@1"),
            "cosine_to_clean": (seen * context["query"][chosen]).sum(1).double(),
            **{name.replace("cmc@", "recall_at_"): values for name, values in figures.items() if "mp@" not in name},
        }

    def metrics(self, records: Records) -> dict[str, Estimate]:
        persons = records["person"]
        return {
            "recall@1": self.rate(records["score"], records),
            "mAP": bootstrap(records["ap"], clusters=persons),
            "mAP_trapezoid": bootstrap(records["ap_trapezoid"], clusters=persons),
            "recall@5": self.rate(records["recall_at_5"], records),
            "recall@10": self.rate(records["recall_at_10"], records),
            "mINP": bootstrap(records["inp"], clusters=persons),
            "cosine_to_clean": bootstrap(records["cosine_to_clean"], clusters=persons),
        }


def embed(victim: Victim, samples: Samples, *, batch: int = 128) -> Tensor:
    """The unit descriptors of all samples, read and computed batch by batch, on the CPU."""
    return torch.cat([victim.predict(part.images()).descriptor.cpu() for part in samples.batches(batch)])
