"""The report: one HTML file that holds all it shows and asks the network for nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from turncoat.report import names
from turncoat.report.reading import Run, read_run
from turncoat.report.transfer import harm, transfers
from turncoat.report.view import sections
from turncoat.study.lines import WORST, eps_text, is_error


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

    parts, drawings = sections(run)
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
        sections=parts,
        transfers=transfers(run.table, run.study),
        drawings=drawings,
        settings=yaml.safe_dump(_given(run.study), sort_keys=False, allow_unicode=True),
        plotly=Markup(get_plotlyjs()),
        eps_text=eps_text,
        harm=harm,
        is_share=names.is_share,
        is_error=is_error,
        passes=sum(line.forwards + line.backwards for line in run.table if line.attack != WORST and not line.foreign),
        seconds=sum(line.seconds for line in run.table if line.attack != WORST),
    )


def _given(settings: object) -> object:
    """Settings without those left empty."""
    if isinstance(settings, Mapping):
        return {key: _given(value) for key, value in settings.items() if value not in (None, {}, [], "")}
    return [_given(value) for value in settings] if isinstance(settings, (list, tuple)) else settings
