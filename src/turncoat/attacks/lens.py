"""How an ascent sees its samples: through which views it asks the victim, and what it makes of the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.attacks.views import Plain, View
from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.levels import straight_through
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns, rows
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class Batch:
    """Samples under attack with all that belongs to them, row by row."""

    images: Tensor
    references: tuple[Columns, ...]  # one per view
    verdict: Columns
    generators: list[torch.Generator]
    objective_clean: Tensor
    broken_clean: Tensor | None

    def take(self, index: Tensor) -> Batch:
        return Batch(
            self.images[index],
            tuple(rows(reference, index) for reference in self.references),
            rows(self.verdict, index),
            [self.generators[place] for place in index.tolist()],
            self.objective_clean[index],
            None if self.broken_clean is None else self.broken_clean[index],
        )

    def untouched(self) -> AttackResult:
        """The clean images as the result so far; an objective of -inf says that no iterate has been kept yet."""
        nothing = torch.zeros(len(self.images), dtype=torch.int64, device=self.images.device)
        return AttackResult(
            images=self.images.clone(),
            success=None if self.broken_clean is None else self.broken_clean.clone(),
            objective_clean=self.objective_clean,
            objective=torch.full_like(self.objective_clean, -math.inf),
            forwards=nothing,
            backwards=nothing.clone(),
            steps_used=nothing.clone(),
        )


@dataclass(frozen=True)
class Lens:
    """How one ascent sees an image: through which views it asks the victim, and what it makes of the answer."""

    victim: Victim
    objective: Objective
    constraint: Constraint
    criterion: Criterion | None
    views: tuple[View, ...]
    round: bool

    @torch.no_grad()
    def observe(self, images: Tensor, truth: Columns, generators: list[torch.Generator]) -> Batch:
        """Look at the clean images once; a fixed view has its own reference, a random one that of the plain image."""
        plain = self.victim(images)
        seen = [
            plain if view.random or isinstance(view, Plain) else self.victim(view(images, generators))
            for view in self.views
        ]
        references = tuple(self.objective.observe(outputs, truth) for outputs in seen)
        looks = list(zip(self.views, seen, references, strict=True))
        judged = [look for look in looks if not look[0].random] or looks[:1]
        clean = _mean([self.objective(outputs, reference) for _, outputs, reference in judged])
        verdict = self.criterion.observe(plain, truth) if self.criterion else {}
        broken = self.criterion(plain, verdict) if self.criterion else None
        return Batch(images, references, verdict, generators, clean, broken)

    def candidates(self, batch: Batch, variable: Tensor) -> Tensor:
        """The images that a variable stands for, as they would be saved; differentiable in the variable."""
        moved = self.constraint.apply(batch.images, variable)
        return straight_through(moved, self.constraint.quantise(batch.images, moved.detach())) if self.round else moved

    def look(self, batch: Batch, images: Tensor, *, differentiate: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Objective `[N]`, verdict `[N]` and, if asked for, the gradient with respect to the images."""
        plain: Outputs | None = None
        judged, slopes = [], []
        for view, reference in zip(self.views, batch.references, strict=True):
            if view.random and not differentiate:
                continue
            with torch.set_grad_enabled(differentiate):
                leaf = images.detach().requires_grad_(differentiate)
                outputs = self.victim(view(leaf, batch.generators))
                value = self.objective(outputs, reference)
            if differentiate and not value.requires_grad:
                raise UserError(f"{self.victim.name} gives no gradients: something in it or before it cuts the graph")
            if differentiate:
                slopes.append(torch.autograd.grad(value.sum(), leaf)[0])
            if not view.random:
                judged.append(value.detach())
            if isinstance(view, Plain):
                plain = outputs.detach()
        with torch.no_grad():
            if plain is None and (self.criterion or not judged):
                plain = self.victim(images.detach())
            if plain is not None and not judged:
                judged.append(self.objective(plain, batch.references[0]))
            broken = self.criterion(plain, batch.verdict) if self.criterion and plain is not None else None
        return _mean(judged), broken, _mean(slopes) if slopes else None


def _mean(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)
