"""Which images of a gallery show the same person or thing as the query?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.objectives.features import OppositeDirection
from turncoat.tasks.embedding import embed, require_finite
from turncoat.tasks.guides import GUIDES, guides
from turncoat.tasks.metrics.estimate import Estimate, bootstrap
from turncoat.tasks.metrics.ranking import rank
from turncoat.tasks.metrics.relations import Relations, by_person, from_lists
from turncoat.tasks.probes import probes
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import FEATURE, Embed, Records, Task


@dataclass(frozen=True)
class Retrieval(Task):
    """Recall@K, mAP in both conventions and mINP by cosine; the attacker turns the query's descriptor round.

    `junk` says which gallery images are ignored: those of the same person by the same camera (Market-1501), or none;
    where the queries come with lists of `good` and `junk` rows (landmarks), these decide. A query that is itself in the
    gallery (`itself`) never counts there. Queries without a right answer in the gallery have no score and are left
    out. A query is broken when its first answer is wrong; with ties, when that is likelier than not.

    `perturbs` says who is attacked: each query on its own, each image of the gallery on its own, or both.
    """

    junk: Literal["same-camera", "none"] = "same-camera"
    perturbs: Literal["query", "gallery", "both"] = "query"

    name = "retrieval"
    headline = "recall@1"
    needs = "embedding"
    stops = False
    cluster = "person"
    columns = ("person",)
    compares = "gallery"
    harm = ("score", "ap", "cosine_to_clean")
    offers = GUIDES

    @property
    def objective(self) -> OppositeDirection:
        return OppositeDirection()

    @property
    def threat(self) -> str:
        return {
            "query": "each query is perturbed on its own, the gallery is clean",
            "gallery": "every image of the gallery is perturbed on its own, the queries are clean",
            "both": "each query and every image of the gallery is perturbed on its own",
        }[self.perturbs]

    def check(self, samples: Samples, outputs: Outputs) -> None:
        super().check(samples, outputs)
        for which, keys in (("gallery holds", gallery_of(samples).keys), ("queries hold", samples.keys)):
            twice = next((key for key, count in Counter(keys).items() if count > 1), None)
            if twice is not None:
                raise UserError(f"{samples.name}: the {which} {twice} twice: give every image a name of its own")

    def context(self, victim: Victim, samples: Samples, embed: Embed = embed) -> Columns:
        """`gallery` `[G, D]`: the unit descriptors of the gallery; `query` `[Q, D]`: those of the clean queries."""
        return {"gallery": embed(victim, gallery_of(samples)), "query": embed(victim, samples)}

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:  # noqa: ARG002
        return {"label": column(samples.truth, "label")[list(rows)]} if "label" in samples.truth else {}

    def guides(self, wanted: Sequence[str], samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        return guides(wanted, probes(samples, rows, context)) if wanted else {}

    def judge(self, victim: Victim, images: Tensor, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        outputs, chosen = victim.predict(images), list(rows)
        seen = outputs.descriptor.cpu()
        require_finite(seen, victim.name, [samples.keys[row] for row in chosen])
        figures = rank(seen, context["gallery"], self.relations(samples, chosen))
        return {
            FEATURE: outputs.embedding.flatten(1).cpu(),
            "person": column(samples.truth, "person")[chosen],
            "score": figures.pop("cmc@1"),
            "cosine_to_clean": (seen * context["query"][chosen]).sum(1).double(),
            **{name.replace("cmc@", "recall_at_"): values for name, values in figures.items() if "mp@" not in name},
        }

    def relations(self, samples: Samples, rows: Sequence[int]) -> Relations:
        """Which gallery rows are good and which junk for the given queries."""
        gallery, chosen = gallery_of(samples), list(rows)
        asked = {name: values[chosen] for name, values in samples.truth.items()}
        if "good" in asked:
            junk = _listed(asked["junk"]) if "junk" in asked else [[] for _ in chosen]
            return from_lists(_listed(asked["good"]), junk, len(gallery))
        cameras = self.junk == "same-camera"
        if cameras and not ("camera" in asked and "camera" in gallery.truth):
            raise UserError(
                f"{samples.name} has no cameras, which junk: same-camera needs; without them use junk: none"
            )
        return by_person(
            column(asked, "person"),
            column(gallery.truth, "person"),
            query_camera=column(asked, "camera") if cameras else None,
            gallery_camera=column(gallery.truth, "camera") if cameras else None,
            junk_index=asked.get("itself"),
        )

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


def gallery_of(samples: Samples) -> Samples:
    """What the queries are ranked against; UserError where there is nothing."""
    if samples.against is None:
        raise UserError(f"{samples.name} has no gallery: retrieval needs queries and a gallery")
    return samples.against


def _listed(padded: Tensor) -> list[list[int]]:
    """Rows `[Q, M]` padded with -1 as lists."""
    return [[row for row in rows if row >= 0] for rows in padded.tolist()]
