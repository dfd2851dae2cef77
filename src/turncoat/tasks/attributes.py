"""Which of many yes-or-no attributes does a person have?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.objectives.attributes import AttributeLoss
from turncoat.objectives.criteria import AttributesMissed
from turncoat.tasks.metrics import attributes as formulas
from turncoat.tasks.metrics.estimate import Estimate, bootstrap
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records, Task


@dataclass(frozen=True)
class AttributeRecognition(Task):
    """mA, and accuracy, precision, recall and F1 per image; the attacker raises the binary cross-entropy of the truth.

    An attribute is decided present when its probability exceeds `threshold`. An image's score is its instance accuracy
    |G and P| / |G or P|; it is broken below one half. Attacks spend their budget: a broken image can still get worse.
    """

    threshold: float = 0.5

    name = "attributes"
    headline = "accuracy"
    needs = "logits"
    stops = False
    columns = ("attributes",)
    harm = ("score", "f1")

    @property
    def objective(self) -> AttributeLoss:
        return AttributeLoss()

    @property
    def criterion(self) -> AttributesMissed:
        return AttributesMissed(threshold=self.threshold)

    def check(self, samples: Samples, outputs: Outputs) -> None:
        super().check(samples, outputs)
        known, given = samples.truth["attributes"].shape[1], outputs.logits.shape[1]
        if known != given:
            raise UserError(f"{samples.name} has {known} attributes, but {outputs.source} decides {given}")

    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:  # noqa: ARG002
        return {"attributes": column(samples.truth, "attributes")[list(rows)]}

    def judge(
        self,
        victim: Victim,
        images: Tensor,
        samples: Samples,
        rows: Sequence[int],
        context: Columns,  # noqa: ARG002
    ) -> Columns:
        decided = victim.predict(images).logits.cpu().sigmoid() > self.threshold
        truth = column(samples.truth, "attributes")[list(rows)]
        values = formulas.instance_values(truth, decided)
        return {"attributes": truth, "decided": decided, "score": values.pop("accuracy"), **values}

    def metrics(self, records: Records) -> dict[str, Estimate]:
        table = {name: np.stack(list(records[name])) for name in ("attributes", "decided")}
        means = {name: bootstrap(records[name]) for name in ("precision", "recall")}
        return {
            "accuracy": bootstrap(records["score"]),
            "mA": bootstrap(table, _of_tensors(formulas.mean_accuracy)),
            **means,
            "f1_mean": bootstrap(records["f1"]),
            "f1_harmonic": bootstrap({name: records[name] for name in means}, _harmonic),
        }

    def compare(self, clean: Records, attacked: Records) -> dict[str, Estimate]:
        truth, before, after = (
            torch.from_numpy(np.stack(list(column)))
            for column in (clean["attributes"], clean["decided"], attacked["decided"])
        )
        flips = formulas.flip_rates(truth, before, after).numpy()
        return {**super().compare(clean, attacked), "flip_rate": bootstrap(flips)}


def _of_tensors(formula: Callable[[Tensor, Tensor], float]) -> Callable[[Mapping[str, NDArray[np.generic]]], float]:
    def of(table: Mapping[str, NDArray[np.generic]]) -> float:
        return formula(torch.from_numpy(table["attributes"]), torch.from_numpy(table["decided"]))

    return of


def _harmonic(table: Mapping[str, NDArray[np.generic]]) -> float:
    return formulas.harmonic_f1(float(table["precision"].mean()), float(table["recall"].mean()))
