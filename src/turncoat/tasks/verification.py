"""Do two images show the same person?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import PairMistaken
from turncoat.objectives.pairs import PairSimilarity
from turncoat.tasks.embedding import embed
from turncoat.tasks.metrics import verification as formulas
from turncoat.tasks.metrics.estimate import Estimate, bootstrap
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Embed, Records, Task


@dataclass(frozen=True)
class Verification(Task):
    """Accuracy and true accept rate by cosine; the attacker changes the first image of each pair.

    A pair of the same person is dodged, one of different people impersonated. The threshold of a fold is chosen on
    the clean pairs of all other folds, as this victim with its own defence sees them, and frozen before the attack:
    the most accurate one for `accuracy`, and for `tar` that which accepts a share of at most `far` of the impostors.
    """

    far: float = 0.01

    name = "verification"
    headline = "accuracy"
    needs = "embedding"
    cluster = "person"
    columns = ("same", "fold", "person")
    compares = "second images"
    harm = ("score", "margin")

    @property
    def objective(self) -> PairSimilarity:
        return PairSimilarity()

    @property
    def criterion(self) -> PairMistaken:
        return PairMistaken()

    @property
    def margin(self) -> PairSimilarity:
        return PairSimilarity()

    @property
    def threat(self) -> str:
        return "the first image of each pair is perturbed, the second is clean"

    def context(self, victim: Victim, samples: Samples, embed: Embed = embed) -> Columns:
        """`other` `[N, D]`: descriptors of the second images; the two thresholds `[N]` of each pair's fold."""
        if samples.against is None:
            raise UserError(f"{samples.name} has no second images: verification needs pairs")
        other = embed(victim, samples.against)
        scores = (embed(victim, samples) * other).sum(1)
        same, folds = column(samples.truth, "same"), column(samples.truth, "fold")
        most_accurate = formulas.ten_fold(scores, same, folds)[1]
        at_far = formulas.tar_at_far(scores, same, folds, self.far)[1]
        return {"other": other, "threshold": most_accurate[folds], "threshold_far": at_far[folds]}

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        chosen = list(rows)
        return {
            "same": column(samples.truth, "same")[chosen],
            "other": context["other"][chosen],
            "threshold": context["threshold"][chosen],
        }

    def judge(self, victim: Victim, images: Tensor, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        chosen = list(rows)
        cosine = (victim.predict(images).descriptor.cpu() * context["other"][chosen]).sum(1).double()
        same = column(samples.truth, "same")[chosen]
        accepted = cosine > context["threshold"][chosen]
        return {
            "person": column(samples.truth, "person")[chosen],
            "fold": column(samples.truth, "fold")[chosen],
            "same": same,
            "cosine": cosine,
            "threshold": context["threshold"][chosen],
            "margin": (cosine - context["threshold"][chosen]) * torch.where(same, 1, -1),
            "accepted_at_far": cosine > context["threshold_far"][chosen],
            "score": (accepted == same).double(),
        }

    def metrics(self, records: Records) -> dict[str, Estimate]:
        same = records["same"].astype(bool)
        accepted = records["accepted_at_far"].astype(np.float64)
        scores = {"cosine": records["cosine"], "same": same}
        return {
            "accuracy": self.rate(records["score"], records),
            f"tar@far={self.far:g}": self.rate(accepted[same], records, same),
            "far_reached": self.rate(accepted[~same], records, ~same),
            "eer": bootstrap(scores, _eer, clusters=records["person"]),
        }

    def compare(self, clean: Records, attacked: Records) -> dict[str, Estimate]:
        same, right = attacked["same"].astype(bool), clean["score"] == 1
        broken = (attacked["score"] == 0).astype(np.float64)
        figures = super().compare(clean, attacked)
        for name, kind in (("dodging", same), ("impersonation", ~same)):
            figures[f"{name}_all"] = self.rate(broken[kind], attacked, kind)
            figures[f"{name}_conditional"] = self.rate(broken[kind & right], attacked, kind & right)
        return figures


def _eer(table: Mapping[str, NDArray[np.generic]]) -> float:
    return formulas.eer(torch.from_numpy(table["cosine"]), torch.from_numpy(table["same"]))
