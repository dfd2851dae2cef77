"""Which of K classes is it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.labels import CrossEntropy, LogitMargin
from turncoat.tasks.metrics.classification import top_k_correct
from turncoat.tasks.metrics.estimate import Estimate
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import FEATURE, Records, Task


@dataclass(frozen=True)
class Classification(Task):
    """Top-1 and top-5 accuracy; the attacker raises the cross-entropy of the true label."""

    name = "classification"
    headline = "top1"
    needs = "logits"
    columns = ("label",)
    harm = ("score", "top5")

    @property
    def objective(self) -> CrossEntropy:
        return CrossEntropy()

    @property
    def criterion(self) -> Misclassified:
        return Misclassified()

    @property
    def margin(self) -> LogitMargin:
        return LogitMargin()

    def check(self, samples: Samples, outputs: Outputs) -> None:
        super().check(samples, outputs)
        highest, classes = int(samples.truth["label"].max()), outputs.logits.shape[1]
        if highest >= classes:
            raise UserError(f"{samples.name} has a label {highest}, but {outputs.source} knows {classes} classes")

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:  # noqa: ARG002
        return {"label": column(samples.truth, "label")[list(rows)]}

    def judge(
        self,
        victim: Victim,
        images: Tensor,
        samples: Samples,
        rows: Sequence[int],
        context: Columns,  # noqa: ARG002
    ) -> Columns:
        seen = victim.predict(images)
        logits = seen.logits.cpu()
        label = column(samples.truth, "label")[list(rows)]
        return {
            "label": label,
            "prediction": logits.argmax(1),
            "confidence": logits.softmax(1).amax(1),
            "score": top_k_correct(logits, label, 1).double(),
            "top5": top_k_correct(logits, label, 5).double(),
            **({FEATURE: seen.embedding.cpu()} if "embedding" in seen.given else {}),
        }

    def metrics(self, records: Records) -> dict[str, Estimate]:
        return {"top1": self.rate(records["score"], records), "top5": self.rate(records["top5"], records)}
