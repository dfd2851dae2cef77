"""How the report calls things: metrics, attackers, defences; what a number looks like."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from turncoat.study.cells import ADAPTIVE, CLEAN, NONE, OBLIVIOUS, TRANSFER
from turncoat.study.lines import WORST
from turncoat.tasks.metrics.ers import PLAIN
from turncoat.tasks.metrics.estimate import Estimate

METRICS: Mapping[str, str] = {
    "accuracy": "accuracy",
    "ap": "average precision",
    "cosine_to_clean": "cosine to the clean descriptor",
    "cosine_to_target": "cosine to the target",
    "dodging_all": "dodged, of all same pairs",
    "dodging_conditional": "dodged, of same pairs right when clean",
    "distance_to_clean": "distance to the clean descriptor",
    "eer": "equal error rate",
    "ers": "empirical robustness score",
    "f1_harmonic": "F1 of mean precision and recall",
    "f1_mean": "F1 per image",
    "far_reached": "false accept rate reached",
    "flip_rate": "decisions flipped",
    "impersonation_all": "impersonated, of all different pairs",
    "impersonation_conditional": "impersonated, of different pairs right when clean",
    "kept@4": "first answer still among four",
    "rank": "normalised rank of the moved",
    "rank_kept": "normalised rank of the kept",
    "robustness": "robustness (share of ERS)",
    "success_all": "broken, of all samples",
    "success_conditional": "broken, of those right when clean",
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
}
TASKS: Mapping[str, str] = {
    "attributes": "Attribute recognition",
    "classification": "Classification",
    "ranking ERS": "Robustness of a ranking",
    "retrieval": "Retrieval",
    "verification": "Verification",
}
STANCES: Mapping[str, str] = {
    NONE: "no defence",
    OBLIVIOUS: "oblivious",
    ADAPTIVE: "adaptive",
    TRANSFER: "other victim",
}
PLACES: Mapping[str, str] = {
    CLEAN: "clean images",
    WORST: "worst of all",
    f"{CLEAN}, jpeg75": "clean, as JPEG 75",
    f"{CLEAN}, png": "clean, as PNG",
    f"{CLEAN}, uint8": "clean, cut to 8 bits",
}


def metric_name(name: str) -> str:
    """A metric in words; one that is not known keeps its name."""
    if match := re.fullmatch(r"tar@far=(.+)", name):
        return f"true accept rate at FAR {match[1]}"
    if name.endswith("_change"):
        return f"change of {metric_name(name.removesuffix('_change'))}"
    return METRICS.get(name, name)


def task_name(name: str) -> str:
    """A task in words; those of one threat to a ranking are named by it."""
    kind, _, threat = name.partition(" ")
    known = f"Ranking under {threat.upper()}" if kind == "ranking" and threat else name
    return TASKS.get(name, known)


def defense_name(name: str) -> str:
    return "bare" if name == NONE else name


def attack_name(name: str) -> str:
    return PLACES.get(name, name)


def is_share(metric: str) -> bool:
    """Whether a figure is a share, shown in per cent; cosines and distances are plain numbers."""
    return not ("cosine" in metric or "distance" in metric or metric in PLAIN)


def value_text(estimate: Estimate | None, metric: str = "") -> str:
    """The value alone: 91.3 for a share in per cent, 0.42 for a plain number, a dash for nothing."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    return _number(estimate.value, metric)


def interval_text(estimate: Estimate | None, metric: str = "") -> str:
    """The interval alone, or nothing."""
    if estimate is None or math.isnan(estimate.low) or math.isnan(estimate.high):
        return ""
    return f"[{_number(estimate.low, metric)}, {_number(estimate.high, metric)}]"


def _number(value: float, metric: str) -> str:
    text = f"{100 * value:.1f}" if is_share(metric) else f"{value:.2f}"
    return text.replace("-", "−")
