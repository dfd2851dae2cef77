"""`turncoat harden`: what it writes and tells, how it exits, and that wrong plans are one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tiny_command import command, mistake
from tiny_sets import oxford5k
from tiny_world import Tiny, pixels, write_idx
from turncoat.cli import main
from turncoat.core.errors import UserError
from turncoat.data.load import load_data
from turncoat.models.victims import load_victim
from turncoat.study.harden import make_recipe, training_samples
from turncoat.study.network import build
from turncoat.study.specs import DataSpec
from turncoat.study.training import NetworkSpec, RecipeSpec, load_training
from turncoat.training.recipes.registry import RECIPES

HERE = Path(__file__).parent
PLANS = sorted((HERE.parent / "studies" / "train").glob("*.yaml"))
PLAN = """
name: digits
network: {source: "python:tiny_world:Tiny"}
data: {name: mnist, folder: digits, split: test}
recipe: {name: online_uturn, every: 2, eps: 4/255}
schedule: {epochs: 3, batch: 8, shift: 0}
"""
STREET = ("--set", "data={name: street_retrieval, size: 48, people: 6, height: 32}", "--set", "schedule.batch=16")


@pytest.fixture(autouse=True)
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training on 16 grey images of 5 classes, in a folder that is not the current one."""
    folder = tmp_path / "plans"
    write_idx(folder / "digits", pixels(16, seed=0)[:, 0], torch.arange(16) % 5)
    (folder / "digits.yaml").write_text(PLAN, encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TURNCOAT_CACHE", str(tmp_path / "cache"))
    return folder / "digits.yaml"


def _command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    return command(monkeypatch, "harden", *words)


def _mistake(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> str:
    line = mistake(monkeypatch, capfd, "harden", *words)
    assert [path for path in Path().rglob("*") if path.is_file()] == [], "it began to work"
    return line


def test_the_built_in_training_needs_no_plan_and_its_weights_make_a_victim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--recipe", "hm", "--set", "recipe.steps=2", *STREET, "--epochs", 2, "--seed", 3)
    assert _command(monkeypatch, *words) == 0
    told = capsys.readouterr().out.splitlines()
    weights = Path("runs/train/street_retrieval_hm.safetensors")
    assert [line.split()[:3] for line in told[:2]] == [["epoch", "1/2", "50%"], ["epoch", "2/2", "100%"]]
    assert all(word in told[0] for word in ("triplet", "identity", "forward", "backward", "left"))
    assert told[2] == f"weights: {weights}"
    account = json.loads(weights.with_suffix(".json").read_text())
    assert account["recipe"] == {"name": "hm", "steps": 2}
    assert account["seed"] == 3
    assert account["schedule"]["epochs"] == 2
    assert account["options"] == {"classes": 6}
    assert account["forwards"] > account["backwards"] > 6 * 16
    assert account["versions"]["torch"] == torch.__version__
    assert account["loss"] > 0
    victim = load_victim("turncoat:small_reid", weights=weights, options={"classes": 6})
    assert victim(torch.rand(2, 3, 32, 16)).embedding.shape == (2, 64)


def test_the_same_seed_gives_the_same_bytes(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert _command(monkeypatch, plan, "--out", f"{name}.safetensors", "--seed", seed) == 0
    first, again, other = (Path(f"{name}.safetensors").read_bytes() for name in "abc")
    assert first == again != other


def test_a_plan_is_obeyed_and_can_be_changed(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _command(monkeypatch, plan, "--set", "recipe.every=1", "--set", "data.folder=./digits") == 0
    account = json.loads(Path("runs/train/digits.json").read_text())
    assert account["recipe"] == {"name": "online_uturn", "every": 1, "eps": "4/255"}
    per_step = 2 * 8 + 8 * (1 + 6)  # clean and turned images; one look at the clean ones and five steps, six looks
    assert account["forwards"] == 6 * per_step
    assert load_file("runs/train/digits.safetensors")["head.weight"].shape == (10, 24)  # of which 5 are shown
    assert _command(monkeypatch, plan, "--recipe", "natural", "--set", "schedule.budget=100") == 0
    account = json.loads(Path("runs/train/digits_natural.json").read_text())
    assert account["recipe"] == {"name": "natural"}
    assert account["forwards"] + account["backwards"] == 112


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("schedule:", "schedul:", "schedul: this key is unknown"),
        ("epochs: 3", "epohs: 3", "schedule.epohs: this key is unknown"),
        ("batch: 8", "batch: 1", "at least 2 images are needed"),
        ("name: digits", "seed: -1\nname: digits", "seed: input should be greater than or equal to 0"),
        ("eps: 4/255", "eps: foo", "recipe online_uturn: eps: input should be a valid number"),
        ("every: 2", "evry: 2, every: 2", "it has every, weight, eps, steps, smoothing"),
        ('Tiny"', 'Tiny", mean: [0.5, 0.5], std: [1]', "network.mean: one number is needed, or one for each of the"),
        ('Tiny"', 'Tiny", mean: [0], std: [1, 1, 1, 1]', "network.std: one number is needed, or one for each of the"),
        ("epochs: 3", "epochs: 0", "schedule: epochs is 0"),
        ("epochs: 3", "epochs: many", "schedule.epochs: "),
        ("batch: 8", "batch: 8, optimiser: adam", "schedule.optimiser: "),
        ("online_uturn", "online_utrn", "there is no recipe 'online_utrn': did you mean 'online_uturn'?"),
        ("every: 2", "evry: 2", "recipe online_uturn has no option 'evry'"),
        ("every: 2", "every: 0", "every must be 1 or more"),
        ("eps: 4/255", "eps: 4", "eps=4 is more than a whole image can change"),
        ("tiny_world:Tiny", "tiny_world:Tny", "has no function 'Tny'"),
        ('Tiny"', 'Tiny", options: {classes: 3}', "mnist-test has 5 classes, but the network knows 3"),
        ('Tiny"', 'Tiny", weights: w.safetensors', "no weights at "),
        ('Tiny"', 'Tiny", source2: x', "network.source2: this key is unknown"),
        ("mnist", "mnits", "no data set is called 'mnits'"),
        ("folder: digits", "folder: digit", "digit does not exist"),
        ("name: digits", "name: a/b", "name: "),
        ("name: digits", "name: [", "is not YAML"),
    ],
)
def test_a_mistake_in_a_plan_is_one_line(
    plan: Path, old: str, new: str, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert PLAN.count(old) == 1
    plan.write_text(PLAN.replace(old, new), encoding="utf-8")
    assert told in _mistake(monkeypatch, capfd, plan)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--recipe", "hmm"], "did you mean 'hm'?"),
        (["--network", "small_reid"], "cannot tell what network 'small_reid' is"),
        (["--data", "steet_retrieval"], "did you mean 'street_retrieval'?"),
        (["--out", "weights.pt"], "weights.pt: weights are written as .safetensors"),
        (["nowhere.yaml"], "there is no training nowhere.yaml"),
        (["--set", "seed=x"], "the training: seed: "),
        (["--seed", "-1"], "the training: seed: input should be greater than or equal to 0"),
        (["--seed", str(2**63)], f"the training: seed: input should be less than {2**63}"),
        (["--set", "seed"], "write it as key=value, for example title=again"),
        (["--set", "name.x=1"], "--set name.x=1: there is no name.x here"),
        (["--network", "turncoat:small_gem", "--set", "network.options.classes=0", *STREET], "recipe, or a network"),
        (["--network", "turncoat:small_face", "--set", "network.options.classes=5", *STREET], "knows 5: give it 6"),
        (["--out", f"{'x' * 250}.safetensors", *STREET], "cannot be written: file name too long"),
        (["--recipe", "est", *STREET, "--set", "schedule.batch=30"], "choose one from 4 to 24"),
    ],
)
def test_a_wrong_word_is_one_line(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert told in _mistake(monkeypatch, capfd, *words)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_plans_that_come_with_it_can_be_read(path: Path) -> None:
    read = load_training(path)
    make_recipe(read.recipe)
    assert read.name == path.stem
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("name", ["est", "act", "hm"])
def test_options_that_recipes_share_are_read(name: str) -> None:
    recipe = make_recipe(RecipeSpec(name=name, metric="cosine", eps="4/255", steps=3))  # type: ignore[call-arg]
    assert (recipe.metric, recipe.eps, recipe.steps) == ("cosine", 4 / 255, 3)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="metric"):
        make_recipe(RecipeSpec(name=name, metric="l3"))  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["reid_market1501", "online_uturn_market1501", "pcb_market1501"])
def test_the_plans_for_market_run_on_a_miniature_with_its_layout(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row, image in enumerate(pixels(12, seed=2, side=32)):
        path = tmp_path / "Market" / "bounding_box_train" / f"{row % 3 + 2:04d}_c{row % 2 + 1}s1_{row:06d}_00.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    changes = [f"data.folder={tmp_path / 'Market'}", "data.size=[48, 24]", "schedule.epochs=2", "schedule.batch=4"]
    changes += ["network.options={}", f"network.source=turncoat:small_{'pcb' if 'pcb' in name else 'reid'}"]
    settings = [word for change in changes for word in ("--set", change)]
    assert _command(monkeypatch, HERE.parent / "studies" / "train" / f"{name}.yaml", *settings) == 0
    account = json.loads(Path(f"runs/train/{name}.json").read_text())
    turned = 2 * 4 * (22 + 1) if name.startswith("online") else 0  # at the first of the three steps of both epochs
    assert account["forwards"] == 2 * 12 + turned
    assert account["options"] == {"classes": 3}


def test_recipes_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["turncoat", "list", "recipes"])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    told = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in told] == list(RECIPES)


def test_there_are_plans() -> None:
    assert len(PLANS) > 8


@pytest.mark.parametrize("name", ["street_retrieval", "street_verification", "street_classification"])
def test_a_reader_with_splits_gives_its_training_split(name: str) -> None:
    size = {"size": 24, "people": 4, ("pixels" if name == "street_verification" else "height"): 32}
    samples = training_samples(DataSpec(name=name, **size), Path())  # type: ignore[arg-type]
    assert samples.keys == load_data(name, split="train", **size).keys
    tested = training_samples(DataSpec(name=name, split="test"), Path())  # type: ignore[call-arg]
    assert tested.keys[0] != samples.keys[0]


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("turncoat:small_reid", {"classes": 4}),
        ("turncoat:small_pcb", {"classes": 4}),
        ("turncoat:resnet20", {"classes": 4}),
        ("python:tiny_world:Tiny", {"classes": 4}),
        ("builtin:street_retrieval", {}),
    ],
)
def test_the_network_has_as_many_classes_as_the_data(source: str, options: dict[str, int]) -> None:
    samples = training_samples(DataSpec(name="street_retrieval", size=8, people=4, height=32), Path())  # type: ignore[call-arg]
    network, used = build(NetworkSpec(source=source), samples, Path(), seed=0)
    assert used == options
    again, _ = build(NetworkSpec(source=source), samples, Path(), seed=0)
    assert all(torch.equal(values, again.state_dict()[name]) for name, values in network.state_dict().items())


def test_attributes_are_counted_and_data_without_truth_are_told() -> None:
    samples = training_samples(DataSpec(name="street_attributes", size=8, height=32), Path())  # type: ignore[call-arg]
    _, used = build(NetworkSpec(source="turncoat:small_attributes"), samples, Path(), seed=0)
    assert used == {"attributes": 28}
    bare = samples.__class__(samples.name, samples.keys, samples.read, {})
    with pytest.raises(UserError, match="training needs labels, people or attributes; street attributes holds nothing"):
        build(NetworkSpec(source="turncoat:small_attributes"), bare, Path(), seed=0)


def test_an_interrupted_training_exits_130_and_leaves_nothing(plan: Path) -> None:
    plan.write_text(PLAN.replace("epochs: 3", "epochs: 100000"), encoding="utf-8")
    words = [sys.executable, "-c", "from turncoat.cli import main; main()", "harden", str(plan)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().startswith("epoch"), process.communicate()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert told == "turncoat: stopped; nothing was written\n"
    assert [path for path in Path().rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("place", ["w.safetensors", "w.json"])
def test_a_folder_in_the_place_of_the_weights_or_the_account_is_told_before_the_work(
    place: str, plan: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(place).mkdir()
    assert f"{place} is a folder" in _mistake(monkeypatch, capfd, plan, "--out", "w.safetensors")


def test_an_empty_training_set_is_told(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_idx(plan.parent / "digits", pixels(1, seed=0)[:0, 0], torch.arange(0))
    assert "mnist-test has no samples to train on" in _mistake(monkeypatch, capfd, plan)


def test_attributes_that_the_network_does_not_score_are_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--network", "turncoat:small_attributes", "--set", "network.options.attributes=5"]
    words += ["--set", "data={name: street_attributes, size: 8, height: 32}"]
    assert "has 28 attributes, but the network scores 5: give it 28" in _mistake(monkeypatch, capfd, *words)


def test_views_of_their_own_sizes_need_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    oxford5k(tmp_path / "views")
    words = ["--network", "turncoat:small_gem", "--set", "schedule.batch=9"]
    words += ["--set", f"data={{name: oxford5k, folder: {tmp_path / 'views'}, longest: 40}}"]
    assert "differ in size and cannot share a batch: give the data a size" in _mistake(monkeypatch, capfd, *words)


def test_bare_names_take_settings(plan: Path) -> None:
    plan.write_text("network: turncoat:small_gem\ndata: street_retrieval\nrecipe: hm\n", encoding="utf-8")
    settings = ["recipe.steps=2", "network.options.exponent=2", "data.people=5", "data.size=40"]
    read = load_training(plan, settings=settings)
    assert read.recipe.options == {"steps": 2}
    assert read.network == NetworkSpec(source="turncoat:small_gem", options={"exponent": 2})
    assert read.data.options == {"people": 5, "size": 40}
    later = load_training(plan, settings=["data=street_attributes", "data.size=8", "recipe=est", "recipe.steps=3"])
    assert (later.data.name, later.data.options) == ("street_attributes", {"size": 8})
    assert (later.recipe.name, later.recipe.options) == ("est", {"steps": 3})


def test_settings_leave_the_built_in_training_alone() -> None:
    before = load_training(None)
    load_training(None, settings=["recipe.smoothing=0.1", "network.options.classes=3", "data.people=5"])
    assert load_training(None) == before


class Timm(Tiny):
    """Says, as timm's networks do, what it was trained with."""

    pretrained_cfg: ClassVar = {"input_size": (3, 14, 10), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.2, 0.3)}
    met: ClassVar[list[torch.Tensor]] = []

    def __init__(self, classes: int) -> None:
        super().__init__(classes=classes)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.met.append(images.detach())
        return super().forward(images)


@pytest.mark.parametrize("given", [{}, {"size": [6, 6], "mean": [0.5], "std": [0.5]}])
def test_a_network_is_trained_on_what_an_audit_would_show_it(
    given: dict[str, list[float]], plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiny_world.Tiny", Timm)
    Timm.met.clear()
    words = [word for key, value in given.items() for word in ("--set", f"network.{key}={value}")]
    assert _command(monkeypatch, plan, "--epochs", 1, *words) == 0
    account = json.loads(Path("runs/train/digits.json").read_text())
    wanted = given or {"size": [14, 10], "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.3]}
    assert account["sight"] == wanted
    assert {tuple(images.shape[2:]) for images in Timm.met} == {tuple(wanted["size"])}
    assert min(float(images.min()) for images in Timm.met) < -0.5, "normalised"
    settings = {key: tuple(value) for key, value in given.items()}
    victim = load_victim("python:tiny_world:Tiny", options={"classes": 5}, **settings)  # type: ignore[arg-type]
    assert [list(victim.size or ()), list(victim.mean), list(victim.std)] == list(wanted.values())
