"""The report: one HTML file that holds all it shows and asks the network for nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from turncoat.report import names
from turncoat.report.figures import PALETTE, Drawing, attack_styles, cost_bars, headline_curve, metric_panel
from turncoat.report.reading import Album, Run, read_run
from turncoat.study.cells import ADAPTIVE, CLEAN, NONE, OBLIVIOUS
from turncoat.study.diagnosis import Finding
from turncoat.study.lines import WORST, Line, eps_text, is_error
from turncoat.study.verdicts import Verdict

ORDER = {NONE: 0, ADAPTIVE: 1, OBLIVIOUS: 2}


@dataclass(frozen=True)
class Section:
    """One task on one data set with one victim: everything the page says of it. Figures are named by their place."""

    id: str
    task: str
    data: str
    victim: str
    verdicts: Sequence[Verdict]
    findings: Sequence[Finding]
    table: Sequence[Line]
    metrics: Sequence[str]
    defenses: Sequence[str]
    curves: Sequence[str]
    panels: Sequence[tuple[str, str]]
    styles: Mapping[str, tuple[str, str]]
    cost: str
    albums: Sequence[Album]


def write_report(run: Path) -> Path:
    """Draw the report of a finished run into `report.html` beside its records, and give its path.

    Raises UserError where there is no finished run.
    """
    path = run / "report.html"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    content = render(read_run(run))
    partial.write_text(content, encoding="utf-8")
    os.replace(partial, path)
    return path


def render(run: Run) -> str:
    """The page of a run, as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    drawings: dict[str, Drawing] = {}
    sections = [_section(run, front, f"s{place + 1}", drawings) for place, front in enumerate(_fronts(run))]
    environment = Environment(
        loader=PackageLoader("turncoat", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        metric=names.metric_name,
        task=names.task_name,
        defense=names.defense_name,
        attack=names.attack_name,
        stance=lambda name: names.STANCES.get(name, name),
        value=names.value_text,
        interval=names.interval_text,
        known=lambda number: not math.isnan(number),
    )
    return environment.get_template("page.html.j2").render(
        run=run,
        sections=sections,
        drawings=drawings,
        settings=yaml.safe_dump(_given(run.study), sort_keys=False, allow_unicode=True),
        plotly=Markup(get_plotlyjs()),  # noqa: S704 a library's own script, not anybody's input
        eps_text=eps_text,
        is_error=is_error,
        passes=sum(line.forwards + line.backwards for line in run.table if line.attack != WORST),
        seconds=sum(line.seconds for line in run.table if line.attack != WORST),
        palette=PALETTE,
    )


def _fronts(run: Run) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys(line.front[:3] for line in run.table))


def _section(run: Run, front: tuple[str, str, str], name: str, drawings: dict[str, Drawing]) -> Section:
    task, data, victim = front
    table = [line for line in run.table if line.front[:3] == front]
    metrics = list(dict.fromkeys(metric for line in table for metric in line.metrics))
    bounded = {line.norm: None for line in table if line.attack != CLEAN and line.eps is not None}

    def drawn(key: str, drawing: Drawing) -> str:
        drawings[f"{name}-{key}"] = drawing
        return f"{name}-{key}"

    def of(norm: str) -> list[Line]:
        return [line for line in table if line.attack == CLEAN or line.norm == norm]

    return Section(
        id=name,
        task=task,
        data=data,
        victim=victim,
        verdicts=[one for one in run.verdicts if (one.task, one.data, one.victim) == front],
        findings=[one for one in run.findings if one.front == front],
        table=sorted(table, key=_place(table)),
        metrics=metrics,
        defenses=list(dict.fromkeys(line.defense for line in table)),
        curves=[drawn(f"headline-{norm}", headline_curve(of(norm))) for norm in bounded],
        panels=[
            (metric, drawn(f"{norm}-{place}", metric_panel(of(norm), metric)))
            for norm in bounded
            for place, metric in enumerate(metrics)
        ],
        styles=attack_styles(table),
        cost=drawn("cost", cost_bars(table)),
        albums=[one for one in run.albums if (one["task"], one["data"], one["victim"]) == front],
    )


def _place(table: Sequence[Line]):
    defenses = list(dict.fromkeys(line.defense for line in table))
    attacks = list(dict.fromkeys(line.attack for line in table))

    def place(line: Line) -> tuple[object, ...]:
        clean = line.attack == CLEAN
        return defenses.index(line.defense), not clean, ORDER[line.stance], line.norm, line.budget, attacks.index(line.attack)

    return place


def _given(settings: object) -> object:
    """Settings without those left empty."""
    if isinstance(settings, Mapping):
        return {key: _given(value) for key, value in settings.items() if value not in (None, {}, [], "")}
    return [_given(value) for value in settings] if isinstance(settings, (list, tuple)) else settings
