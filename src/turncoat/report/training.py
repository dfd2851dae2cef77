"""What a training says on the console."""

from __future__ import annotations

from turncoat.training.fit import Progress


def training_line(at: Progress) -> str:
    """One epoch: the losses, the passes spent, and the time left."""
    of = "" if at.epochs is None else f"/{at.epochs}"
    parts = ", ".join(f"{name} {value:.3f}" for name, value in at.parts.items()) if len(at.parts) > 1 else ""
    passes = f"{at.passes.forwards:,} forward and {at.passes.backwards:,} backward passes"
    loss = f"loss {at.loss:.3f}" + (f" ({parts})" if parts else "")
    return f"epoch {at.epoch}{of}  {at.share:4.0%}  {loss}  {passes}  {clock(at.left)} left"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as on a clock: 1:02:03, or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
