"""How an ascent sees its samples: through which views it asks the victim, and what it makes of the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
    references: dict[View, Columns]  # one per anchor
    verdict: Columns
    generators: list[torch.Generator]
    objective_clean: Tensor
    broken_clean: Tensor | None

    def take(self, index: Tensor) -> Batch:
        return Batch(
            self.images[index],
            {anchor: rows(reference, index) for anchor, reference in self.references.items()},
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

    @cached_property
    def anchors(self) -> tuple[View, ...]:
        """What the views stand for, each once: through these the iterates are judged."""
        return tuple(dict.fromkeys(view.anchor for view in self.views))

    @torch.no_grad()
    def observe(self, images: Tensor, truth: Columns, generators: list[torch.Generator]) -> Batch:
        """Look at the clean images once, plainly and through every anchor; a view's reference is its anchor's."""
        plain = self.victim(images)
        looks = {
            anchor: plain if isinstance(anchor, Plain) else self._seen(anchor(images, generators))
            for anchor in self.anchors
        }
        references = {anchor: self.objective.observe(outputs, truth) for anchor, outputs in looks.items()}
        clean = _mean([self.objective(outputs, references[anchor]) for anchor, outputs in looks.items()])
        verdict = self.criterion.observe(plain, truth) if self.criterion else {}
        broken = self.criterion(plain, verdict) if self.criterion else None
        return Batch(images, references, verdict, generators, clean, broken)

    def _seen(self, images: Tensor) -> Outputs:
        """What the victim says of images of another size; UserError where it cannot take them."""
        try:
            return self.victim(images)
        except RuntimeError as problem:
            size, why = "x".join(map(str, images.shape[2:])), str(problem).partition("\n")[0]
            raise UserError(
                f"{self.victim.name} cannot look at images of {size}, give it other scales: {why}"
            ) from problem

    def candidates(self, batch: Batch, variable: Tensor) -> Tensor:
        """The images that a variable stands for, as they would be saved; differentiable in the variable."""
        moved = self.constraint.apply(batch.images, variable)
        return straight_through(moved, self.constraint.quantise(batch.images, moved.detach())) if self.round else moved

    def look(self, batch: Batch, images: Tensor, *, differentiate: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Objective `[N]`, verdict `[N]` and, if asked for, the gradient with respect to the images."""
        seen: dict[View, Outputs] = {}
        values: dict[View, Tensor] = {}
        slopes = []
        for view in self.views if differentiate else ():
            with torch.enable_grad():
                leaf = images.detach().requires_grad_()
                outputs = self.victim(view(leaf, batch.generators))
                value = self.objective(outputs, batch.references[view.anchor])
            if not value.requires_grad:
                raise UserError(f"{self.victim.name} gives no gradients: something in it or before it cuts the graph")
            slopes.append(torch.autograd.grad(value.sum(), leaf)[0])
            if view == view.anchor:
                seen[view], values[view] = outputs.detach(), value.detach()
        with torch.no_grad():
            for view in (*self.anchors, *([Plain()] if self.criterion else [])):
                if view not in seen:
                    seen[view] = self.victim(view(images.detach(), batch.generators))
            for anchor in self.anchors:
                if anchor not in values:
                    values[anchor] = self.objective(seen[anchor], batch.references[anchor])
            broken = self.criterion(seen[Plain()], batch.verdict) if self.criterion else None
        judged = _mean([values[anchor] for anchor in self.anchors])
        return judged, broken, _mean(slopes) if slopes else None


def looks(views: Sequence[View]) -> tuple[int, int]:
    """The most looks at an image, plainly and through `views`: when it is only judged, and when a gradient is taken."""
    judges = {view.anchor for view in views} | {Plain()}
    return len(judges), len(views) + len(judges - set(views))


def _mean(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)
