"""What the report draws of descriptors and of transfer, made up by hand to go with the rows of `tiny_run`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tiny_run import Row, row

BUDGETS = (2 / 255, 8 / 255)


def tiny_map(*, task: str = "retrieval", flat: bool = False, names: Sequence[str] = ("person 3", "person 5")) -> Row:
    """Five points of two people and one stranger under two attacks at two budgets, as maps.json has them."""
    clean = [[1.0, 0.5], [0.8, -0.4], [-0.2, 0.9], [-1.0, 0.1], [0.3, 0.3]]

    def moved(share: float) -> list[list[float]]:
        return [[x * (1 - 2 * share), y * (1 - 2 * share)] for x, y in clean]

    def bars(counts: Sequence[Sequence[int]]) -> list[Row]:
        found = zip((("pgd", eps) for eps in BUDGETS), counts, strict=True)
        return [{"attack": attack, "eps": eps, "counts": list(one), "left_out": 1} for (attack, eps), one in found]

    laid: Row = {"method": "t-SNE", "attack": "pgd", "eps": BUDGETS[1], "clean": clean, "attacked": moved(1)}
    stops = [("sign_noise", BUDGETS[1], 0.1), ("pgd", BUDGETS[0], 0.5), ("pgd", BUDGETS[1], 1.0)]
    return {
        "task": task,
        "data": "digits",
        "victim": "net",
        "defense": "none",
        "norm": "linf",
        "crowd": {"names": list(names), "group": [0, 0, 1, 1, -1]},
        "plane": {
            "share": None if flat else 0.4,
            "clean": clean,
            "stops": [{"attack": attack, "eps": eps, "points": moved(share)} for attack, eps, share in stops],
        },
        "neighbours": [] if flat else [laid],
        "cosines": None if flat else {"edges": [-1, 0, 0.5, 1], "bars": bars([[0, 1, 3], [3, 1, 0]])},
        "shifts": None if flat else {"edges": [-1, 1, 3, 10], "bars": bars([[3, 1, 0], [0, 1, 3]])},
    }


def with_maps(run: Path, maps: Sequence[object]) -> Path:
    """The folder of a run, to which maps were added."""
    (run / "maps.json").write_text(json.dumps(list(maps)))
    return run


def transferred() -> list[Row]:
    """Three victims, each attacked as it is, two of them under images of each other and of an ensemble of both."""
    rows: list[Row] = []
    for victim, clean, own in (("a", 0.9, 0.1), ("b", 0.8, 0.2), ("c", 0.7, 0.3)):
        for attack in ("fgsm", "pgd"):
            rows += [row(own, victim=victim, attack=attack), row(own + 0.2, victim=victim, attack=attack, eps=2 / 255)]
        rows += [row(clean, victim=victim, attack="clean"), row(own, victim=victim, attack="worst")]
    for place, (surrogate, victim) in enumerate((("a", "b"), ("b", "a"), ("a+b", "a"), ("a+b", "b"))):
        value = 0.5 + place / 100
        rows.append(row(value, victim=victim, surrogate=surrogate, stance="transfer"))
    return rows
