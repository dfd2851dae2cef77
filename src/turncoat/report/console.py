"""What a run says on the console: progress while it works, a table at the end, an estimate before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from turncoat.study.estimate import CellCost

Row = Mapping[str, object]


class Bar:
    """Samples done, the success so far, and the time left."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.task = progress.add_task("auditing", total=total, success="")
        self.seen = self.broken = 0

    def advance(self, what: str, samples: int, broken: int, *, counts: bool) -> None:
        if counts:
            self.seen, self.broken = self.seen + samples, self.broken + broken
        share = f"broken {self.broken / self.seen:.0%}" if self.seen else ""
        self.progress.update(self.task, advance=samples, description=what, success=share)


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """A bar over `total` samples, drawn on the error stream so that what is piped stays clean."""
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[success]:>11}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress, total)


def table(rows: Sequence[Row], *, title: str) -> Table:
    """The rows of one task: who was attacked how, the figures with their intervals, and the cost."""
    metrics = list(dict.fromkeys(name for row in rows for name in _metrics(row)))
    shown = [name for name in metrics if name in HEADLINES] or metrics[:4]
    view = Table(title=title, title_justify="left", header_style="bold")
    for column in ("data", "victim", "defense", "stance", "attack", "eps"):
        view.add_column(column)
    for name in (*shown, "passes"):
        view.add_column(name, justify="right")
    for row in rows:
        figures = [_figure(_metrics(row).get(name)) for name in shown]
        who = [str(row[name]) for name in ("data", "victim", "defense", "stance", "attack")]
        passes = f"{_number(row['forwards']) + _number(row['backwards']):,.0f}"
        style = "bold" if row["attack"] == "worst" else ""
        view.add_row(*who, eps_text(row["eps"], str(row["norm"])), *figures, passes, style=style)
    return view


HEADLINES = (
    "top1",
    "top5",
    "accuracy",
    "mA",
    "f1_mean",
    "recall@1",
    "mAP",
    "eer",
    "dodging_all",
    "impersonation_all",
    "success_conditional",
)


def print_tables(rows: Sequence[Row]) -> None:
    """One table per task."""
    console = Console()
    for task in dict.fromkeys(str(row["task"]) for row in rows):
        console.print(table([row for row in rows if row["task"] == task], title=task))


def eps_text(eps: object, norm: str) -> str:
    """A budget as people write it: 8/255 where it is that, with the norm where it is not Linf."""
    if eps is None:
        return "free" if norm == "l2" else "-"
    value = _number(eps)
    grey = value * 255
    if norm == "linf":
        return "0" if value == 0 else f"{grey:.0f}/255" if abs(grey - round(grey)) < 1e-6 else f"{value:.4g}"
    return f"{value:.4g} {norm}"


def _figure(estimate: Mapping[str, float | None] | None) -> str:
    value, low, high = (None if estimate is None else estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return "-"
    ends = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f}{ends}"


def _metrics(row: Row) -> Mapping[str, Mapping[str, float | None]]:
    found = row["metrics"]
    return found if isinstance(found, Mapping) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def print_estimate(costs: Sequence[Sequence[CellCost]]) -> None:
    """The cells of a study, what is left to do of each, and what it would cost at most."""
    view = Table(title="cells", title_justify="left", header_style="bold")
    for column in ("data", "victim", "defense", "stance", "attack", "eps"):
        view.add_column(column)
    for column in ("samples left", "passes at most", "seconds"):
        view.add_column(column, justify="right")
    every = [cost for bench in costs for cost in bench]
    for cost in every:
        cell = cost.cell
        who = (cell.data, cell.victim, cell.defense, cell.stance, cell.attack, eps_text(cell.eps, "linf"))
        view.add_row(*who, f"{cost.samples:,}", f"{cost.forwards + cost.backwards:,}", f"{cost.seconds:,.0f}")
    console = Console()
    console.print(view)
    seconds = sum(cost.seconds for cost in every)
    passes = sum(cost.forwards + cost.backwards for cost in every)
    console.print(
        f"{len(every)} cells, at most {passes:,} passes, about {seconds / 60:,.1f} minutes here; nothing was run"
    )
