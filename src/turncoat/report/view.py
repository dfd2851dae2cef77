"""What the page says of one task on one data set with one victim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from turncoat.report.facts import left_out, threat
from turncoat.report.figures import Drawing, attack_styles, cost_bars, headline_curve, metric_panel
from turncoat.report.maps import MapView, map_views
from turncoat.report.reading import Album, Run
from turncoat.study.cells import CLEAN
from turncoat.study.diagnosis import Finding
from turncoat.study.lines import Line, in_order
from turncoat.study.verdicts import Verdict


@dataclass(frozen=True)
class Panel:
    """A metric, the norm of its budgets, and the name of its figure."""

    metric: str
    norm: str
    figure: str


@dataclass(frozen=True)
class Section:
    """One task on one data set with one victim: everything the page says of it. Figures are named by their place."""

    id: str
    task: str
    data: str
    victim: str
    threat: str
    left_out: str
    verdicts: Sequence[Verdict]
    findings: Sequence[Finding]
    table: Sequence[Line]
    metrics: Sequence[str]
    defenses: Sequence[str]
    seeds: bool
    curves: Sequence[str]
    panels: Sequence[Panel]
    styles: Mapping[str, tuple[str, str]]
    cost: str
    albums: Sequence[Album]
    opened: int
    maps: Sequence[MapView]


def sections(run: Run) -> tuple[list[Section], dict[str, Drawing]]:
    """The sections of a run in their order, and their figures by name."""
    drawings: dict[str, Drawing] = {}
    fronts = dict.fromkeys(line.front[:3] for line in run.table if not line.foreign)
    return [_section(run, front, f"s{place + 1}", drawings) for place, front in enumerate(fronts)], drawings


def _section(run: Run, front: tuple[str, str, str], name: str, drawings: dict[str, Drawing]) -> Section:
    task, data, victim = front
    table = [line for line in run.table if line.front[:3] == front and not line.foreign]
    metrics = list(dict.fromkeys(metric for line in table for metric in line.metrics))
    bounded = {line.norm: None for line in table if line.hostile and line.eps is not None}
    styles = attack_styles(table)

    albums = [one for one in run.albums if (one["task"], one["data"], one["victim"]) == front]

    def drawn(key: str, drawing: Drawing) -> str:
        drawings[f"{name}-{key}"] = drawing
        return f"{name}-{key}"

    def of(norm: str) -> list[Line]:
        return [line for line in table if not line.resaved and (line.attack == CLEAN or line.norm == norm)]

    return Section(
        id=name,
        task=task,
        data=data,
        victim=victim,
        threat=threat(table),
        left_out=left_out(table),
        verdicts=[one for one in run.verdicts if (one.task, one.data, one.victim) == front],
        findings=_merged([one for one in run.findings if one.front == front]),
        table=in_order(table),
        metrics=metrics,
        defenses=list(dict.fromkeys(line.defense for line in table)),
        seeds=len({line.seed for line in table if line.seed is not None}) > 1,
        curves=[drawn(f"headline-{norm}", headline_curve(of(norm))) for norm in bounded],
        panels=[
            Panel(metric, norm, drawn(f"{norm}-{place}", metric_panel(of(norm), metric)))
            for norm in bounded
            for place, metric in enumerate(metrics)
            if any(metric in line.metrics and not isnan(line.metrics[metric].value) for line in of(norm))
        ],
        styles=styles,
        cost=drawn("cost", cost_bars(table)),
        albums=albums,
        opened=max(range(len(albums)), key=lambda place: _broken(albums[place]), default=0),
        maps=map_views(
            [one for one in run.maps if (one.task, one.data, one.victim) == front], table, name, drawings, styles
        ),
    )


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that say the same of several defences or attacks as one."""
    texts = dict.fromkeys((one.level, one.text) for one in findings)
    subjects = {key: "; ".join(one.subject for one in findings if (one.level, one.text) == key) for key in texts}
    return [Finding(level, subject, text) for (level, text), subject in subjects.items()]


def _broken(album: Album) -> int:
    examples = album["examples"]
    return sum(bool(one["broken"]) for one in examples) if isinstance(examples, list) else 0
