"""Images made on one victim and judged on others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tiny_world import Passes, describe
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.study.bench import Bench
from turncoat.study.cells import TRANSFER
from turncoat.study.plan import Study
from turncoat.study.registry import make_attack
from turncoat.study.runner import benches, run
from turncoat.study.store import Store
from turncoat.study.summary import Row

pytestmark = pytest.mark.usefixtures("in_memory")

NET = "python:tiny_world:net"
VICTIMS = [
    {"name": "a", "source": NET, "reads": "logits"},
    {"name": "b", "source": NET, "reads": "logits", "options": {"seed": 5}},
]
UTURN = {"name": "uturn", "steps": 3}


def _study(task: str = "retrieval", attack: dict[str, Any] = UTURN, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"transfer": {}, "victims": VICTIMS, "attacks": ["sign_noise", attack], **changes}
    return describe(task, budgets=["24/255"], **given)


def _run(described: dict[str, Any], folder: Path) -> tuple[list[Row], list[Bench]]:
    study, store = Study.model_validate(described), Store(folder)
    work = benches(study, Path(), store)
    return run(study, work, store), work


@pytest.mark.parametrize(("task", "attack"), [("retrieval", UTURN), ("classification", {"name": "pgd", "steps": 3})])
def test_the_records_are_those_of_the_surrogates_images_on_the_target(
    task: str, attack: dict[str, Any], tmp_path: Path
) -> None:
    _, (a, b) = _run(_study(task, attack), tmp_path)
    (cell,) = [one for one in b.cells() if one.stance == TRANSFER and one.attack == attack["name"]]
    records = Store(tmp_path).read([b.key(cell, shard) for shard in b.shards()])
    images = a.samples.images()
    truth = a.task.truth(a.samples, range(len(images)), a.context(a.victim))
    assert cell.spec is not None
    made = make_attack(cell.spec, cell.eps, a.task)(a.victim, images, truth, generator=seeded(0)).images
    judged = b.task.judge(b.victim, made, b.samples, range(len(images)), b.context(b.victim))
    assert torch.equal(torch.from_numpy(records["score"]).nan_to_num(-1), judged["score"].nan_to_num(-1))


def test_every_pair_of_two_different_victims_has_a_row_and_is_no_worst_case(tmp_path: Path) -> None:
    rows, _ = _run(_study(), tmp_path)
    carried = [row for row in rows if row["stance"] == TRANSFER]
    pairs = {(row["surrogate"], row["victim"], row["attack"]) for row in carried}
    assert pairs == {(*pair, attack) for pair in (("a", "b"), ("b", "a")) for attack in ("sign_noise", "uturn")}
    worst = [row for row in rows if row["attack"] == "worst"]
    assert len(worst) == 2
    own = {(row["victim"]): row["forwards"] for row in worst}
    for name in ("a", "b"):
        mine = [row for row in rows if row["victim"] == name and row["stance"] == "none"]
        attacks = [row["forwards"] for row in mine if row["attack"] not in ("clean", "worst")]
        assert own[name] == sum(int(str(spent)) for spent in attacks)


def test_the_surrogates_images_are_not_made_twice(tmp_path: Path) -> None:
    with Passes() as alone:
        _run(_study(transfer=None), tmp_path / "alone")
    with Passes() as carried:
        _run(_study(), tmp_path / "carried")
    assert carried.backwards == alone.backwards


def test_an_ensemble_is_attacked_as_one_and_judged_on_the_others(tmp_path: Path) -> None:
    third = {"name": "c", "source": NET, "reads": "logits", "options": {"seed": 9}}
    plan = {"ensembles": {"a+b": ["a", "b"]}, "surrogates": [], "targets": ["c"], "attacks": ["uturn"]}
    rows, _ = _run(_study(victims=[*VICTIMS, third], transfer=plan), tmp_path)
    (row,) = [row for row in rows if row["stance"] == TRANSFER]
    assert (row["surrogate"], row["victim"], row["attack"]) == ("a+b", "c", "uturn")
    (single,) = [one for one in rows if (one["victim"], one["attack"]) == ("a", "uturn")]
    assert row["backwards"] == 2 * int(str(single["backwards"]))


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    rows, _ = _run(_study(), tmp_path)
    for path in (tmp_path / "records").glob("*.parquet"):
        path.unlink()
    for path in (tmp_path / "records").glob("*.json"):
        path.unlink()
    with Passes() as again:
        repeated, _ = _run(_study(attacks=[UTURN], transfer={"targets": ["b"]}), tmp_path)
    (first,) = [row for row in rows if (row["victim"], row["stance"], row["attack"]) == ("b", TRANSFER, "uturn")]
    (second,) = [row for row in repeated if row["stance"] == TRANSFER]
    assert first["metrics"] == second["metrics"]
    assert again.backwards == 0


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"surrogates": ["z"]}, "there is no victim 'z'"),
        ({"attacks": ["pgdd"]}, "there is no attack 'pgdd'"),
        ({"ensembles": {"a": ["a", "b"]}}, "'a' has the name of a victim"),
        ({"ensembles": {"y": []}}, "every ensemble needs a name, and at least one victim"),
        ({"budgets": ["7/255"]}, "budgets must be among those of the audit"),
        ({"surrogates": ["a", "a"]}, "surrogates holds 'a' twice"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Study.model_validate(_study(transfer=plan))


def test_a_surrogate_without_gradients_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, store = Study.model_validate(_study()), Store(tmp_path)
    a, b = benches(study, Path(), store)
    monkeypatch.setattr(a.victim.network, "differentiable", False, raising=False)
    rows = run(study, [a, b], store)
    made = {(row["surrogate"], row["victim"], row["attack"]) for row in rows if row["stance"] == TRANSFER}
    assert made == {("a", "b", "sign_noise"), ("b", "a", "sign_noise"), ("b", "a", "uturn")}


def test_an_ensemble_that_does_not_give_what_an_attack_needs_is_told_before_the_work(tmp_path: Path) -> None:
    wider = {**VICTIMS[1], "options": {"seed": 5, "classes": 6}}
    third = {"name": "c", "source": NET, "reads": "logits", "options": {"seed": 9}}
    attacks = [{"name": "fgsm", "objective": "cross_entropy_predicted"}]
    plan = {"ensembles": {"a+b": ["a", "b"]}, "surrogates": []}
    study = Study.model_validate(_study(victims=[VICTIMS[0], wider, third], transfer=plan, attacks=attacks))
    with pytest.raises(UserError, match="logits is needed"):
        benches(study, Path(), Store(tmp_path))[2].check()
