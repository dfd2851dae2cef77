"""Where meaning lives: the truth a task needs, what an attacker wants of it, and how its results are measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.core.victim import Victim
from turncoat.tasks.embedding import embed
from turncoat.tasks.metrics.estimate import Estimate, clustered_rate
from turncoat.tasks.samples import Samples

Records = Mapping[str, NDArray[np.generic]]
"""Columns of per-sample records, in the order of the samples."""

FEATURE = "feature"
"""The column in which a task hands on the embedding of what it judged; it is kept apart from the records."""

Embed = Callable[[Victim, Samples], Tensor]
"""Gives the unit descriptors `[N, D]` of samples, computed or remembered."""


class Task(ABC):
    """One kind of recognition.

    `objective` is what an attacker wants by default, `criterion` when a sample is broken (None: only the whole
    gallery can tell), `margin` an objective that is positive exactly then, for minimum-norm attacks (None: there is
    none). `stops` says that an attack may leave a sample once it is broken. Every judged sample has a `score` in [0,
    1]; its mean is the headline, named `headline`, and a sample whose score is below one half is broken. `cluster`
    names the column of those that are not independent of each other. `harm` names the
    columns that tell which of two attacks did more harm to a sample: the lower, the first that differs deciding.
    `columns` are those that the truth must
    have, `compares` what the images are compared with, and `needs` the output that the victim must give. `offers`
    names the columns of truth that it makes for attacks that want them, and `entire` says that every result depends
    on all the samples, though there is no gallery.
    """

    name: ClassVar[str]
    headline: ClassVar[str]
    needs: ClassVar[str]
    stops: ClassVar[bool] = True
    cluster: ClassVar[str | None] = None
    harm: ClassVar[tuple[str, ...]] = ("score",)
    columns: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[str | None] = None
    offers: ClassVar[tuple[str, ...]] = ()
    entire: ClassVar[bool] = False
    perturbs: Literal["query", "gallery", "both"] = "query"

    @property
    def label(self) -> str:
        """What the report calls it."""
        return self.name

    @property
    @abstractmethod
    def objective(self) -> Objective: ...

    def intention(self, context: Columns) -> Objective:  # noqa: ARG002
        """The objective once the data set is known: the same, unless it looks at the gallery."""
        return self.objective

    @property
    def criterion(self) -> Criterion | None:
        return None

    @property
    def margin(self) -> Objective | None:
        return None

    def check(self, samples: Samples, outputs: Outputs) -> None:
        """Raise UserError where the samples, or what the victim says of one of them, do not serve this task."""
        if self.compares is not None and samples.against is None:
            raise UserError(f"{samples.name} has no {self.compares}, which {self.name} needs")
        for name in self.columns:
            column(samples.truth, name)
        getattr(outputs, self.needs)

    @property
    def threat(self) -> str:
        """What the attacker changes, and what stays clean."""
        return "every image is perturbed on its own"

    def context(self, victim: Victim, samples: Samples, embed: Embed = embed) -> Columns:  # noqa: ARG002
        """What takes the whole data set under this victim: gallery descriptors, thresholds."""
        return {}

    @abstractmethod
    def truth(self, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        """The columns of truth that objective and criterion need for the given rows."""

    def guides(self, wanted: Sequence[str], samples: Samples, rows: Sequence[int], context: Columns) -> Columns:  # noqa: ARG002
        """Those of the columns in `offers` that an attack wants, for the given rows."""
        return {}

    @abstractmethod
    def judge(self, victim: Victim, images: Tensor, samples: Samples, rows: Sequence[int], context: Columns) -> Columns:
        """Per-sample records of what the victim says about `images`, which stand for the given rows."""

    @abstractmethod
    def metrics(self, records: Records) -> dict[str, Estimate]:
        """Every figure of the task with its interval; the headline first."""

    def compare(self, clean: Records, attacked: Records) -> dict[str, Estimate]:
        """The attack's success with both denominators: all samples, and those right when clean."""
        broken, right = ~_right(attacked), _right(clean)
        known = ~np.isnan(attacked["score"].astype(np.float64))
        return {
            "success_all": self.rate(broken[known], attacked, known),
            "success_conditional": self.rate(broken[known & right], attacked, known & right),
        }

    def rate(self, values: NDArray[np.generic], records: Records, chosen: NDArray[np.bool_] | None = None) -> Estimate:
        """The mean of values in [0, 1] with an interval that respects the task's clusters."""
        clusters = None if self.cluster is None else records[self.cluster]
        if clusters is not None and chosen is not None:
            clusters = clusters[chosen]
        return clustered_rate(values.astype(np.float64), clusters)


def _right(records: Records) -> NDArray[np.bool_]:
    score: NDArray[np.float64] = records["score"].astype(np.float64)
    return score >= 0.5
