"""What a run says on the console: progress while it works, a table at the end, an estimate before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from turncoat.report.facts import left_out, threat
from turncoat.report.names import attack_name, is_share
from turncoat.report.transfer import Transfer, transfers
from turncoat.study.cells import CLEAN, NONE, OBLIVIOUS
from turncoat.study.diagnosis import diagnose
from turncoat.study.estimate import CellCost
from turncoat.study.lines import WORST, Line, eps_text, in_order, lines
from turncoat.study.verdicts import verdicts
from turncoat.tasks.metrics.estimate import Estimate

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


def print_tables(rows: Sequence[Row]) -> None:
    """One table and its verdicts for each task, data set and victim, transfers, and what warns against believing it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    every, sentences = lines(rows), verdicts(rows)
    told = [line for line in every if not line.foreign]
    for front in dict.fromkeys(line.front[:3] for line in told):
        mine = [line for line in told if line.front[:3] == front]
        console.print(_fitting(mine, f"{' · '.join(front)} · n = {mine[0].n}", console))
        for fact in filter(None, (threat(mine), left_out(mine))):
            console.print(f"  {fact}", markup=False, highlight=False)
        for verdict in sentences:
            if (verdict.task, verdict.data, verdict.victim) == front:
                console.print(f"  {verdict.sentence}", markup=False, highlight=False)
        console.print()
    for one in transfers(every):
        console.print(transfer_table(one))
    for finding in diagnose(rows):
        if finding.level == "warning":
            where = f"{finding.front[0]}, {finding.subject}"
            console.print(f"warning: {where}: {finding.text}", style="yellow", markup=False, highlight=False)


def _fitting(mine: Sequence[Line], title: str, console: Console) -> Table:
    """The table with as many figures as the console is wide."""
    wide = console.options.update(width=1000)
    views = [table(mine, title=title, figures=figures) for figures in range(len(SHOWN), 0, -1)]
    return next((view for view in views if Measurement.get(console, wide, view).maximum <= console.width), views[-1])


def table(mine: Sequence[Line], *, title: str, figures: int = 4) -> Table:
    """The rows of one victim: behind what, attacked how, the first figures in per cent with intervals, and the cost."""
    known = list(dict.fromkeys(name for line in mine for name in line.metrics))
    shown = ([name for name in SHOWN if name in known] or known)[:figures]
    view = Table(title=escape(title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("behind", "attack"):
        view.add_column(column, no_wrap=True)
    for column in ("eps", *(SHORT.get(name, name) for name in shown), "passes"):
        view.add_column(column, justify="right", no_wrap=True)
    ordered = in_order(mine)
    for line, after in zip(ordered, [*ordered[1:], None], strict=True):
        front = "-" if line.defense == NONE else line.defense + ("" if line.stance == NONE else f" {line.stance}")
        told = [_figure(line.metrics.get(name), name) for name in shown]
        unharmed = line.attack == CLEAN or line.resaved
        eps = "" if unharmed else eps_text(line.eps, line.norm)
        passes = _short(line.forwards + line.backwards)
        attack = attack_name(line.attack) if line.resaved else line.attack
        cells = [escape(front), escape(attack), eps, *map(escape, told), passes]
        ends = after is None or (after.defense, after.attack == CLEAN) != (line.defense, False)
        style = "bold" if line.attack == WORST else "dim" if line.stance == OBLIVIOUS else ""
        view.add_row(*cells, style=style, end_section=ends and line.attack != CLEAN)
    return view


def transfer_table(one: Transfer) -> Table:
    """The headline of every target under images made on each surrogate; bold where the two are the same."""
    metric = one.matrices[0].metric
    title = f"transfer · {one.task} · {one.data} · n = {one.n} · {metric}{' in %' if is_share(metric) else ''}"
    view = Table(title=escape(title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    targets = list(dict.fromkeys(name for matrix in one.matrices for name in matrix.targets))
    for column in ("attack", "eps", "made on"):
        view.add_column(column, justify="right" if column == "eps" else "left")
    for target in targets:
        view.add_column(escape(target), justify="right")
    clean = one.matrices[0].clean
    view.add_row(CLEAN, "", "", *(escape(_figure(clean.get(name), metric)) for name in targets), end_section=True)
    for matrix in one.matrices:
        for place, surrogate in enumerate(matrix.surrogates, 1):
            figures = [
                f"[bold]{text}[/bold]" if surrogate == name else text
                for name in targets
                for text in [escape(_figure(matrix.figures.get((surrogate, name)), metric))]
            ]
            who = escape(matrix.attack), eps_text(matrix.eps, matrix.norm), escape(surrogate)
            view.add_row(*who, *figures, end_section=place == len(matrix.surrogates))
    return view


SHOWN = (
    "ers",
    "robustness",
    "top1",
    "accuracy",
    "recall@1",
    "success_conditional",
    "mAP",
    "mA",
    "dodging_all",
    "impersonation_all",
    "top5",
    "eer",
    "f1_mean",
)
SHORT = {"success_conditional": "broken", "dodging_all": "dodged", "impersonation_all": "impersonated", "f1_mean": "F1"}


def _figure(estimate: Estimate | None, metric: str) -> str:
    if estimate is None or math.isnan(estimate.value):
        return "-"
    if not is_share(metric):
        return f"{estimate.value:.2f}"
    known = not math.isnan(estimate.low + estimate.high)
    return f"{100 * estimate.value:.1f}" + (f" [{100 * estimate.low:.0f},{100 * estimate.high:.0f}]" if known else "")


def _short(passes: int) -> str:
    """A count in at most five characters: 950, 12.3k, 4.5M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if passes >= size:
            return f"{passes / size:.3g}{unit}"
    return str(passes)


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
        stance = f"{cell.stance} from {cell.surrogate}" if cell.surrogate else cell.stance
        who = (cell.data, cell.victim, cell.defense, stance, cell.attack, eps_text(cell.eps, "linf"))
        view.add_row(*who, f"{cost.samples:,}", f"{cost.forwards + cost.backwards:,}", f"{cost.seconds:,.0f}")
    console = Console()
    console.print(view)
    seconds = sum(cost.seconds for cost in every)
    passes = sum(cost.forwards + cost.backwards for cost in every)
    console.print(
        f"{len(every)} cells, at most {passes:,} passes, about {seconds / 60:,.1f} minutes here; nothing was run"
    )
