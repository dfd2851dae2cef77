"""The `turncoat` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from turncoat import interrupt
from turncoat.core.errors import UserError
from turncoat.core.memory import keep_freed_memory

if TYPE_CHECKING:
    from turncoat.study.plan import Study

INTERRUPTED = 130  # as shells count it: 128 and the number of SIGINT

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure and harden visual recognition against adversarial attack.",
)

Out = Annotated[Path | None, typer.Option("--out", help="Where the run goes; runs/NAME by default.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change the file: key.path=value. May be repeated.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Audit at most this many samples per data set.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what an earlier run has computed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells and the estimated cost; run nothing.")]


@app.command()
def audit(
    study: Annotated[Path, typer.Argument(help="The study, a YAML file.")],
    out: Out = None,
    settings: Set = None,
    limit: Limit = None,
    fresh: Fresh = False,
    dry_run: DryRun = False,
) -> None:
    """How robust is a model, and can the number be believed? The same command resumes an interrupted run."""
    from turncoat.study.plan import load_study

    changes = (*(settings or ()), *((f"limit={limit}",) if limit else ()))
    _audit(load_study(study, changes), study.resolve().parent, out, fresh=fresh, dry_run=dry_run)


@app.command()
def demo(
    out: Out = None,
    fresh: Fresh = False,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train the four built-in victims again first.")] = False,
) -> None:
    """Audit the built-in world on all four tasks, bare and behind two purifiers. Nothing is downloaded."""
    from importlib.resources import as_file, files

    from turncoat.study.plan import load_study

    if retrain:
        _retrain()
    with as_file(files("turncoat.study") / "demo.yaml") as path:
        _audit(load_study(path), Path.cwd(), out, fresh=fresh)


@app.command()
def harden(
    plan: Annotated[Path | None, typer.Argument(help="A YAML file; the built-in training if left out.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="How to train; see `turncoat list recipes`.")] = None,
    network: Annotated[str | None, typer.Option("--network", help="What to train, for example timm:resnet18.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="What to train on; see `turncoat list datasets`.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="runs/train/NAME.safetensors by default.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Another one, other weights.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1)] = None,
    settings: Set = None,
) -> None:
    """Train a network, on clean images or so that it is harder to break."""
    from turncoat.report.training import training_line
    from turncoat.study.harden import harden as train
    from turncoat.study.training import load_training

    given = {"seed": seed, "schedule.epochs": epochs}
    changes = [*(settings or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    work = load_training(plan, recipe=recipe, network=network, data=data, settings=changes)
    root = Path.cwd() if plan is None else plan.resolve().parent
    target = out or Path("runs") / "train" / f"{work.name}.safetensors"
    try:
        train(work, root, target, report=lambda at: typer.echo(training_line(at)), tick=interrupt.check)
    except KeyboardInterrupt:
        typer.echo("turncoat: stopped; nothing was written", err=True)
        raise SystemExit(INTERRUPTED) from None
    typer.echo(f"weights: {target}\naccount: {target.with_suffix('.json')}")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    tables: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown instead.")] = False,
) -> None:
    """Draw the report of a run again."""
    from turncoat.report.markdown import markdown
    from turncoat.report.page import write_report
    from turncoat.report.reading import read_run

    typer.echo(markdown(read_run(run).table) if tables else f"report: {write_report(run)}")


@app.command("list")
def list_(kind: Annotated[str, typer.Argument(help="attacks, defenses, models, datasets, recipes or tasks")]) -> None:
    """What there is."""
    from turncoat.study.catalogue import catalogue

    for name, description in catalogue(kind):
        typer.echo(f"{name:<24} {description}")


def _audit(study: Study, root: Path, out: Path | None, *, fresh: bool, dry_run: bool = False) -> None:
    from turncoat.report.console import print_estimate, print_tables, progress_bar
    from turncoat.report.page import write_report
    from turncoat.study.estimate import estimate
    from turncoat.study.runner import Tick, benches, run
    from turncoat.study.store import Store

    folder = out or Path("runs") / study.name
    store = Store(folder)
    work = benches(study, root, store)
    for bench in work:
        bench.check()
    if dry_run:
        print_estimate([estimate(bench, None if fresh else store) for bench in work])
        return
    if fresh:
        store.clear()
    with progress_bar(sum(len(bench.samples) * len(bench.cells()) for bench in work)) as bar:

        def show(tick: Tick) -> None:
            interrupt.check()
            cell = tick.cell
            what = f"{cell.data}, {cell.defense}, {cell.attack}"
            bar.advance(what, tick.samples, tick.broken, counts=cell.spec is not None and not tick.reused)

        rows = run(study, work, store, tick=show)
    print_tables(rows)
    typer.echo(f"records: {folder / 'records'}\nsummary: {folder / 'summary.json'}\nreport:  {write_report(folder)}")


def _retrain() -> None:
    from turncoat.training.builtin import SCHEDULES, retrain

    for name in SCHEDULES:
        path = retrain(name, report=lambda at: typer.echo(f"  epoch {at.epoch}/{at.epochs}  loss {at.loss:.3f}"))
        typer.echo(f"{name}: {path}")


def main() -> None:
    """Run the command; a user's mistake or an unusable file is one line and exit 2, an interruption exit 130."""
    keep_freed_memory()
    try:
        with interrupt.heeded():
            code = app(prog_name="turncoat", standalone_mode=False)
    except UserError as error:
        typer.echo(f"turncoat: {error}", err=True)
        sys.exit(2)
    except OSError as error:  # no permission, a full disk, a file where a folder is needed
        where = "" if error.filename is None else f"{error.filename}: "
        typer.echo(f"turncoat: {where}{error.strerror or error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "show"):  # a wrong option or argument shows itself, with the usage; typer names no base
            raise
        error.show()
        sys.exit(2)
    if code == INTERRUPTED:  # newer releases of typer return it
        typer.echo("turncoat: stopped; what is finished is kept, the same command goes on from there", err=True)
    sys.exit(code if isinstance(code, int) else 0)
