"""What all rows of a table share: who is perturbed, and who could not be counted."""

from __future__ import annotations

from collections.abc import Sequence

from turncoat.study.lines import Line


def threat(table: Sequence[Line]) -> str:
    """What is perturbed and what stays clean, as one sentence; empty where the rows do not say."""
    said = dict.fromkeys(line.threat for line in table if line.threat)
    return f"Threat: {'; '.join(said)}." if said else ""


def left_out(table: Sequence[Line]) -> str:
    """How many samples no figure can count, as one sentence; empty where there are none."""
    count = max((line.left_out for line in table), default=0)
    if not count:
        return ""
    one = count == 1
    if table[0].task == "retrieval":
        who, why = "query" if one else "queries", f"{'has' if one else 'have'} no right answer in the gallery"
    else:
        who, why = "sample" if one else "samples", f"{'has' if one else 'have'} no score"
    return f"{count} {who} {why} and {'is' if one else 'are'} left out."
