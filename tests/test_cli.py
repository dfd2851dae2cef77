"""The command: what it prints, how it exits, and that an interrupted run goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tiny_command import command, mistake
from tiny_world import CLASSES, Passes, Tiny, net, pixels, write_idx
from turncoat.cli import main

HERE = Path(__file__).parent
STUDY = """
name: digits
task: classification
data: {name: mnist, folder: digits}
victims: {name: tiny, source: "python:tiny_world:net"}
attacks: [{name: pgd, steps: 2}]
budgets: [8/255]
shard: 4
pictures: 0
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of 12 grey images that the network names itself, in a folder that is not the current one."""
    images = pixels(12, seed=0)[:, 0]
    with torch.no_grad():
        labels = net()(images[:, None].expand(-1, 3, -1, -1).float() / 255)["logits"].argmax(1)
    folder = tmp_path / "studies"
    write_idx(folder / "digits", images, labels)
    (folder / "digits.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder / "digits.yaml"


def _summary(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((folder / "summary.json").read_text())
    return [{**row, "seconds": None} for row in rows]


def test_an_audit_ends_well_and_says_where_everything_is(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "audit", study) == 0
    told = capsys.readouterr().out
    for path in ("runs/digits/records", "runs/digits/summary.json", "runs/digits/report.html"):
        assert path in told
        assert Path(path).exists()
    assert {row["attack"] for row in _summary(Path("runs/digits"))} == {"clean", "pgd", "worst"}


def test_settings_and_limit_and_out_are_obeyed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--set", "budgets=[1/255, 2/255]", "--set", "seeds=[0, 1]", "--limit", 5, "--out", "elsewhere")
    assert command(monkeypatch, "audit", study, *words) == 0
    rows = [row for row in _summary(Path("elsewhere")) if row["attack"] == "pgd"]
    assert [(row["eps"], row["seed"], row["n"]) for row in rows] == [
        (eps, seed, 5) for eps in (1 / 255, 2 / 255) for seed in (0, 1)
    ]
    assert not Path("runs").exists()


def test_a_dry_run_runs_nothing(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Passes() as passes:
        assert command(monkeypatch, "audit", study, "--dry-run") == 0
    told = capsys.readouterr().out
    assert "nothing was run" in told
    assert "pgd" in told
    assert list(Path().iterdir()) == []
    assert passes.backwards <= 2 * 4  # only the speed of one small batch is measured


def test_fresh_computes_again_and_a_dry_run_never_forgets(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "audit", study) == 0
    records = Path("runs/digits/records")
    before = {path.name: path.stat().st_mtime_ns for path in records.glob("*.parquet")}
    capsys.readouterr()
    assert command(monkeypatch, "audit", study, "--dry-run", "--fresh") == 0
    assert {path.name: path.stat().st_mtime_ns for path in records.glob("*.parquet")} == before
    afresh = capsys.readouterr().out
    assert command(monkeypatch, "audit", study, "--dry-run") == 0
    assert "at most 0 passes" in capsys.readouterr().out
    assert "at most 0 passes" not in afresh
    assert command(monkeypatch, "audit", study) == 0
    assert {path.name: path.stat().st_mtime_ns for path in records.glob("*.parquet")} == before
    assert command(monkeypatch, "audit", study, "--fresh") == 0
    after = {path.name: path.stat().st_mtime_ns for path in records.glob("*.parquet")}
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


@pytest.mark.parametrize("kind", ["attacks", "defenses", "models", "datasets", "tasks"])
def test_list_says_what_there_is(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "list", kind) == 0
    told = capsys.readouterr().out.splitlines()
    wanted = {"attacks": "uturn", "defenses": "jpeg", "models": "onnx:...", "datasets": "lfw", "tasks": "retrieval"}
    assert any(line.split()[0] == wanted[kind] and len(line.split()) > 2 for line in told)


def test_a_missing_study_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.yaml" in mistake(monkeypatch, capfd, "audit", "nowhere.yaml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("budgets: [8/255]", "budgets: [8/255", "is not YAML"),
        ("budgets:", "budgts:", "budgts: this key is unknown"),
        ("folder: digits", "folder: digit", "digit does not exist"),
        ("folder: digits", "foldr: digits", "mnist has no option 'foldr' (did you mean 'folder'?)"),
        ("name: mnist", "name: mnits", "no data set is called 'mnits' (did you mean 'mnist'?)"),
        ("name: pgd", "name: pdg", "there is no attack 'pdg': did you mean 'pgd'?"),
        ("steps: 2", "steps: two", "attack pgd: steps: "),
        ("task: classification", "task: clasification", "did you mean 'classification'?"),
        ("python:tiny_world:net", "python:tiny_world:nte", "has no function 'nte'"),
        ("python:tiny_world:net", "tiny", "cannot tell what network 'tiny' is"),
        ('net"}', 'net", weights: w.safetensors}', "no weights at "),
        ("victims", "defenses: [jpgg]\nvictims", "did you mean 'jpeg'?"),
    ],
)
def test_a_mistake_in_a_study_is_one_line(
    study: Path, old: str, new: str, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert STUDY.count(old) == 1
    study.write_text(STUDY.replace(old, new), encoding="utf-8")
    assert told in mistake(monkeypatch, capfd, "audit", study)
    assert list(Path().iterdir()) == [], "it began to work"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("task: classification", "task: retrieval", "has no gallery"),
        ("task: classification", "task: verification", "has no second images"),
        ("task: classification", "task: attributes", "'attributes' is needed"),
        ('net"}', 'net", options: {classes: 2}}', "knows 2 classes"),
    ],
)
def test_data_that_do_not_fit_the_task_or_network_are_told(
    study: Path, old: str, new: str, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study.write_text(STUDY.replace(old, new), encoding="utf-8")
    assert told in mistake(monkeypatch, capfd, "audit", study)


def test_the_smallest_change_is_not_for_retrieval(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study.write_text(STUDY.replace("name: pgd, steps: 2", "name: cw").replace("classification", "retrieval"))
    assert "attack cw needs a margin, which retrieval has not" in mistake(monkeypatch, capfd, "audit", study)


def test_weights_of_another_network_are_told(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    save_file(Tiny(classes=CLASSES + 1).state_dict(), study.parent / "w.safetensors")
    study.write_text(STUDY.replace('net"}', 'net", weights: w.safetensors}'))
    assert "head.weight [5, 24] for [4, 24]" in mistake(monkeypatch, capfd, "audit", study)
    (study.parent / "w.safetensors").write_bytes(b"no weights")
    assert "is not a safetensors file" in mistake(monkeypatch, capfd, "audit", study)


def test_a_broken_image_is_told_by_name(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    folder = study.parent / "pictures" / "cat"
    folder.mkdir(parents=True)
    for row, image in enumerate(pixels(6, seed=1)):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{row}.png")
    torn = folder / "4.png"
    torn.write_bytes(torn.read_bytes()[:150])
    study.write_text(STUDY.replace("name: mnist, folder: digits", "name: imagefolder, folder: pictures"))
    assert str(torn) in mistake(monkeypatch, capfd, "audit", study)


def test_a_place_that_cannot_be_written_is_one_line(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("a file")
    for more in ([], ["--fresh"]):
        assert command(monkeypatch, "audit", study, "--out", "taken", *more) == 2
        told = capfd.readouterr().err
        assert "Traceback" not in told
        assert re.search(r"^turncoat: taken\b.*: Not a directory$", told.splitlines()[-1])
    assert Path("taken").read_text() == "a file"


def test_fresh_spares_a_folder_that_is_no_run(
    study: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = Path("mine/pictures/me.jpg")
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"me")
    assert "mine is not a run" in mistake(monkeypatch, capfd, "audit", study, "--out", "mine", "--fresh")
    assert mine.read_bytes() == b"me"


@pytest.mark.parametrize("words", [["audit"], ["adit"], ["audit", "x.yaml", "--limit", "0"], ["list", "--colour"]])
def test_a_wrong_command_line_shows_the_usage(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *words) == 2
    told = capfd.readouterr()
    assert "Usage: turncoat" in told.err
    assert "Traceback" not in told.err


def test_an_unknown_kind_of_thing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "did you mean 'attacks'?" in mistake(monkeypatch, capfd, "list", "atacks")


def test_a_mistake_of_ours_is_not_hidden(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Tiny, "forward", broken)
    monkeypatch.setattr(sys, "argv", ["turncoat", "audit", str(study)])
    with pytest.raises(RuntimeError, match="ours"):
        main()


def _python(*words: str) -> list[str]:
    return [sys.executable, *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}


def test_an_interrupted_run_exits_130_and_the_same_command_goes_on(study: Path) -> None:
    study.write_text(STUDY.replace("steps: 2", "steps: 600, spend: true"), encoding="utf-8")
    words = _python("-c", "from turncoat.cli import main; main()", "audit", str(study), "--out", "run")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(), text=True)
    records, deadline = Path("run/records"), time.monotonic() + 60
    while len(list(records.glob("*.parquet"))) < 2:  # by now all is imported: Python may lose a signal in an import
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "the same command goes on from there" in told
    kept = {path.name: path.read_bytes() for path in records.glob("*.parquet")}
    assert 2 <= len(kept) < 6
    assert not Path("run/summary.json").exists()
    done = subprocess.run(words, capture_output=True, env=_environment(), text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in records.glob("*.parquet")}
    assert len(after) == 6
    assert all(after[name] == content for name, content in kept.items())
    assert Path("run/summary.json").exists()


def test_importing_turncoat_imports_nothing_heavy() -> None:
    heavy = ("pyarrow", "duckdb", "plotly", "scipy", "pydantic", "typer", "accelerate", "onnx", "timm", "yaml", "rich")
    code = f"import sys, turncoat; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(_python("-c", code), capture_output=True, env=_environment(), text=True, check=True)
    assert re.sub(r"\s", "", done.stdout) == ""
