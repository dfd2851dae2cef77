"""A finished run as the report needs it, read from the store alone."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from turncoat.core.errors import UserError
from turncoat.study.charts import Map
from turncoat.study.diagnosis import Finding
from turncoat.study.lines import Line, lines
from turncoat.study.verdicts import Verdict
from turncoat.tasks.metrics.estimate import Estimate

Album = dict[str, object]
_ALBUM = re.compile(r"pictures/[0-9a-f]+\.json")
_PICTURE = re.compile(r'"pictures/([0-9a-f]+)\.png"')


@dataclass(frozen=True)
class Run:
    """`albums` are the pictures of one cell each, `images` their files as data URIs by the hash that names them.

    `maps` show descriptors and ranks; a run of an earlier version has none.
    """

    study: Mapping[str, object]
    table: Sequence[Line]
    findings: Sequence[Finding]
    verdicts: Sequence[Verdict]
    versions: Mapping[str, str]
    albums: Sequence[Album]
    images: Mapping[str, str]
    maps: Sequence[Map] = ()


def read_run(folder: Path) -> Run:
    """Read a finished run; UserError with one line where there is none, or it is not finished, or damaged."""
    if not (folder / "study.json").is_file():
        raise UserError(f"there is no run in {folder}: give the folder that `turncoat audit --out` wrote")
    if not (folder / "summary.json").is_file() or not (folder / "diagnosis.json").is_file():
        raise UserError(f"the run in {folder} is not finished: start the same audit again, it goes on from there")
    try:
        return _run(folder)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"the run in {folder} is damaged ({why}): start the same audit again") from None


def _run(folder: Path) -> Run:
    study: dict[str, object] = _json(folder / "study.json")
    rows: list[dict[str, object]] = _json(folder / "summary.json")
    if not rows:
        raise ValueError("summary.json holds no rows")
    diagnosis: dict[str, list[dict[str, object]]] = _json(folder / "diagnosis.json")
    versions: dict[str, str] = _json(folder / "versions.json")
    albums: list[Album] = [_json(folder / _album(name)) for name in dict.fromkeys(_json(folder / "pictures.json"))]
    names = sorted(set(_PICTURE.findall(json.dumps(albums))))
    return Run(
        study=study,
        table=lines(rows),
        findings=[TypeAdapter(Finding).validate_python(one) for one in diagnosis["findings"]],
        verdicts=[_verdict(one) for one in diagnosis["verdicts"]],
        versions=versions,
        albums=albums,
        images={name: _data_uri(folder / f"pictures/{name}.png") for name in names},
        maps=_maps(folder / "maps.json"),
    )


def _maps(path: Path) -> list[Map]:
    return TypeAdapter(list[Map]).validate_python(_json(path)) if path.is_file() else []


def _json(path: Path) -> Any:  # whatever the file holds: each caller says what it expects
    return json.loads(path.read_text(encoding="utf-8"))


def _album(name: str) -> str:
    """The name, if it is one that a run writes: a report shows nothing from outside its run."""
    if not _ALBUM.fullmatch(name):
        raise ValueError(f"pictures.json names {name!r}, which is no file of a run")
    return name


def _verdict(told: Mapping[str, object]) -> Verdict:
    known = {name: value for name, value in told.items() if name not in ("clean", "attacked")}
    estimates = {name: _estimate(told[name]) for name in ("clean", "attacked")}
    return TypeAdapter(Verdict).validate_python({**known, **estimates})


def _estimate(told: object) -> Estimate:
    ends: dict[str, float | None] = TypeAdapter(dict[str, float | None]).validate_python(told)
    return Estimate(**{name: math.nan if value is None else value for name, value in ends.items()})


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
