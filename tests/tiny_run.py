"""The files of a finished run made up by hand: rows of a summary, and a folder that holds them with their pictures."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from turncoat.study.diagnosis import write_diagnosis
from turncoat.study.store import Store

Row = dict[str, object]


def row(
    value: float | None,
    *,
    attack: str = "pgd",
    stance: str = "none",
    defense: str = "none",
    eps: float | None = 8 / 255,
    width: float = 0.04,
    metric: str = "top1",
    **changes: object,
) -> Row:
    """One row whose headline is `value`, with an interval of `width` around it."""
    low = None if value is None else max(value - width / 2, 0.0)
    high = None if value is None else min(value + width / 2, 1.0)
    metrics: dict[str, object] = {metric: {"value": value, "low": low, "high": high}}
    if attack != "clean":
        broken = None if value is None else 1 - value
        metrics["success_all"] = {"value": broken, "low": None, "high": None}
    made: Row = {
        "task": "classification",
        "data": "digits",
        "victim": "net",
        "defense": defense,
        "stance": stance,
        "attack": attack,
        "norm": "linf",
        "eps": 0.0 if attack == "clean" else eps,
        "seed": None if attack == "worst" else 0,
        "n": 100,
        "metrics": metrics,
        "forwards": 700,
        "backwards": 300,
        "seconds": 1.5,
    }
    return {**made, **changes}


def audit(**changes: object) -> list[Row]:
    """A believable audit: the bare net breaks, jpeg is believed while the attacker does not know of it."""
    at = {"stance": "adaptive", "defense": "jpeg"}
    rows = [row(0.9, attack="clean"), row(0.88, attack="clean", defense="jpeg")]
    for eps, bare, aware, unaware in ((2 / 255, 0.4, 0.5, 0.8), (8 / 255, 0.01, 0.02, 0.6)):
        rows += [
            row(0.87, attack="sign_noise", eps=eps),
            row(bare, eps=eps),
            row(bare, attack="worst", eps=eps),
            row(0.86, attack="sign_noise", eps=eps, **at),
            row(aware, eps=eps, **at),
            row(unaware, eps=eps, defense="jpeg", stance="oblivious"),
            row(aware, attack="worst", eps=eps, **at),
        ]
    return [{**one, **changes} for one in rows]


def finished(folder: Path, rows: Sequence[Row], *, albums: Sequence[Mapping[str, object]] = ()) -> Path:
    """The folder of a finished run with these rows; the files that albums name are small grey pictures."""
    store = Store(folder)
    study = {
        "name": "made-up",
        "title": "A made-up run",
        "audits": [{"task": {"name": "classification"}}],
        "limit": None,
    }
    store.write_json("study.json", study)
    store.write_json("versions.json", {"turncoat": "0.1.0", "torch": "2.13.0", "python": "3.11.9"})
    for place, album in enumerate(albums):
        store.write_json(f"pictures/{place}.json", album)
        for name in set(json.dumps(album).split('"')):
            if name.endswith(".png"):
                store.write_bytes(name, png(place))
    store.write_json("pictures.json", [f"pictures/{place}.json" for place in range(len(albums))])
    write_diagnosis(rows, store)
    store.write_json("summary.json", list(rows))
    return folder


def png(level: int) -> bytes:
    """A 6 x 4 picture of one grey level."""
    file = io.BytesIO()
    Image.fromarray(np.full((6, 4, 3), level, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def albums(name: str = "net", label: str = "cat") -> list[dict[str, object]]:
    """One album of each task with one example; `name` is the victim's, `label` that of a class and an attribute."""
    files = {kind: f"pictures/{place:024x}.png" for place, kind in enumerate(("clean", "perturbed", "change", "other"))}

    def album(task: str, before: Row, after: Row, **more: object) -> dict[str, object]:
        example = {
            "key": "a/1.png",
            "broken": True,
            **files,
            "times": 15,
            "linf": 8 / 255,
            "before": before,
            "after": after,
        }
        if task != "verification":
            del example["other"]
        who = {"task": task, "data": "digits", "victim": name, "defense": "none", "stance": "none", "attack": "pgd"}
        return {**who, "norm": "linf", "eps": 8 / 255, "examples": [example], **more}

    def classed(said: str, right: bool) -> Row:
        return {"label": label, "prediction": said, "confidence": 0.9, "right": right}

    def paired(cosine: float) -> Row:
        return {"same": True, "cosine": cosine, "threshold": 0.5, "accepted": cosine > 0.5, "right": cosine > 0.5}

    def ranked(marks: Sequence[str]) -> Row:
        entries = [
            {"row": place, "key": f"g{place}", "mark": mark, "cosine": 0.9 - place / 10, "file": files["clean"]}
            for place, mark in enumerate(marks)
        ]
        return {"ranked": entries}

    return [
        album("classification", classed(label, True), classed("dog", False)),
        album(
            "attributes",
            {"right": [label, "hat"], "missed": [], "made_up": []},
            {"right": [], "missed": [label, "hat"], "made_up": ["beard"]},
        ),
        album("verification", paired(0.8), paired(0.1)),
        album("retrieval", ranked(["right", "junk", "wrong"]), ranked(["wrong", "wrong", "junk"])),
    ]
