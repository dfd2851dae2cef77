"""Threats to a ranking, on a network whose descriptor is a smooth function of a few pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.attacks.presets.features import uturn
from turncoat.attacks.presets.rankings import es, fna, robrank, tma_targeted
from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.tasks.guides import guides
from turncoat.tasks.probes import Probes, probes
from turncoat.tasks.ranking import RankingRobustness, ranking
from turncoat.tasks.retrieval import Retrieval
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records
from turncoat.tasks.threats import AIMS, SCORED

MOVES = ("ca_plus", "ca_minus", "qa_plus", "qa_minus", "spqa_plus", "spqa_minus")
EPS = 16 / 255


class Smooth(nn.Module):
    """A random layer and a bend: a signed descriptor of 5 numbers, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Parameter(torch.randn(*shape, generator=seeded(9))) for shape in ((48, 16), (16, 5))
        )
        self.double()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"embedding": torch.tanh((images.flatten(1).double() - 0.5) @ self.first) @ self.second}


def _part(name: str, person: Tensor, seed: int) -> Samples:
    """Pictures of a person are alike, but not the same."""
    looks = torch.rand(int(person.max()) + 1, 3, 4, 4, generator=seeded(0))
    own = torch.rand(len(person), 3, 4, 4, generator=seeded(seed))
    images = ((0.7 * looks[person] + 0.3 * own) * 255).to(torch.uint8)
    keys = [f"{name}{row}" for row in range(len(person))]
    return Samples(name, keys, lambda row: images[row], {"person": person})


def _set(queries: int = 10, gallery: int = 60) -> Samples:
    wall = _part("g", torch.arange(gallery) % 7, 2)
    return replace(_part("q", torch.arange(queries) % 7, 1), against=wall)


VICTIM, SAMPLES = Victim(Smooth()), _set()
ROWS = range(10)


def _known(task: RankingRobustness, samples: Samples = SAMPLES) -> tuple[Columns, Probes]:
    context = task.context(VICTIM, samples)
    return context, probes(samples, range(len(samples)), context, itself=task.itself)


def _judge(task: RankingRobustness, images: Tensor | None = None, samples: Samples = SAMPLES) -> Columns:
    seen = samples.images() if images is None else images
    return task.judge(VICTIM, seen, samples, range(len(samples)), task.context(VICTIM, samples))


def _attack(task: RankingRobustness, samples: Samples = SAMPLES, rows: range | list[int] = ROWS) -> AttackResult:
    context = task.context(VICTIM, samples)
    attack = robrank(EPS, objective=task.intention(context))
    truth = task.truth(samples, rows, context)
    return attack(VICTIM, samples.images(rows).double(), truth, generator=seeded(0))


def _records(columns: Columns) -> Records:
    return {name: values.numpy() for name, values in columns.items()}


def _after(task: RankingRobustness, samples: Samples = SAMPLES) -> Columns:
    return _judge(task, _attack(task, samples, range(len(samples))).images, samples)


@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize("kind", AIMS)
def test_every_threat_lowers_what_it_threatens(kind: str, itself: bool) -> None:
    task = ranking(kind, itself=itself, others=2, xi=1.0)  # type: ignore[arg-type]
    samples = _set(40) if itself else SAMPLES
    before, after = (_judge(task, samples=samples), _after(task, samples))
    assert after["robustness"].nanmean() < (0.9 if "sp" in kind else 0.6) * before["robustness"].nanmean()
    right = before["score"] >= 0.5  # where the first answer is wrong, GTM moves away from it
    assert (after["robustness"] <= before["robustness"])[right].double().mean() > 0.9
    assert ((after["score"] >= 0) & (after["score"] <= 1)).all()


@pytest.mark.parametrize("role", ["qa", "ca"])
def test_plus_and_minus_go_opposite_ways(role: str) -> None:
    """The same others, moved the one way and the other."""
    plus, minus = (ranking(f"{role}_{sign}") for sign in ("plus", "minus"))  # type: ignore[arg-type]
    context, known = _known(plus)
    truth, start = (
        plus.truth(SAMPLES, ROWS, context),
        plus.aim.measure(VICTIM.predict(SAMPLES.images()).descriptor, known),
    )
    ranks = []
    for task in (plus, minus):
        attack = robrank(EPS, objective=task.intention(context))
        images = attack(VICTIM, SAMPLES.images().double(), truth, generator=seeded(0)).images
        ranks.append(plus.aim.measure(VICTIM.predict(images).descriptor, known)["rank"])
    assert (ranks[0] <= start["rank"]).all()
    assert (ranks[1] >= start["rank"]).all()
    assert ranks[0].mean() < start["rank"].mean() - 0.1 < start["rank"].mean() + 0.1 < ranks[1].mean()


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_ranks_are_as_counted_naively(role: str) -> None:
    task = ranking("qa_plus" if role == "query" else "ca_plus", others=3)
    context, known = _known(task)
    rows = task.truth(SAMPLES, ROWS, context)["others"]
    seen = VICTIM.predict(SAMPLES.images() * 0.9).descriptor
    found = task.aim.measure(seen, known)["rank"]
    for place in ROWS:
        ranks = []
        for other in rows[place].tolist():
            query, item = (
                (seen[place], known.gallery[other]) if role == "query" else (known.gallery[other], seen[place])
            )
            ranks.append(float(((known.gallery @ query) > query @ item + 1e-9).sum()) / 60)
        assert float(found[place]) == pytest.approx(np.mean(ranks))


def test_others_are_random_going_up_and_near_going_down() -> None:
    samples = _set(gallery=400)
    for kind in ("qa_minus", "ca_minus", "spqa_minus"):
        task = ranking(kind, others=2)  # type: ignore[arg-type]
        context, known = _known(task, samples)
        truth = task.truth(samples, ROWS, context)
        order = (known.seen @ known.gallery.T).argsort(descending=True)
        places = [[order[row].tolist().index(other) for other in truth["others"][row].tolist()] for row in ROWS]
        assert all(place < 4 for pair in places for place in pair)
        assert all(pair[0] != pair[1] for pair in places)
        assert len({place for pair in places for place in pair}) == 4
    up = ranking("spqa_plus", others=2)
    truth = up.truth(samples, ROWS, up.context(VICTIM, samples))
    assert len(set(truth["others"].flatten().tolist())) > 15
    for row in ROWS:
        free = [other for other in order[row].tolist() if other not in truth["others"][row].tolist()]
        assert truth["kept"][row].tolist() == free[:5]


def test_others_never_are_the_sample_itself() -> None:
    samples = _set(12)
    for kind in ("qa_plus", "ca_plus", "qa_minus", "ca_minus", "tma", "gtm", "gtt"):
        task = ranking(kind, itself=True, others=5 if kind in MOVES else 1)  # type: ignore[arg-type]
        context = task.context(VICTIM, samples)
        truth = task.truth(samples, range(12), context)
        if "others" in truth:
            assert (truth["others"] != torch.arange(12)[:, None]).all()
            assert len(set(truth["others"].flatten().tolist())) > 6
        else:
            assert (truth["target"] != context["query"]).any(1).all()


def test_gtm_goes_to_the_nearest_that_does_not_match_the_first_answer() -> None:
    for itself in (False, True):
        task, samples = ranking("gtm", itself=itself), _set(30)
        context, known = _known(task, samples)
        target = task.truth(samples, range(30), context)["target"]
        for row in range(30):
            cosine = known.gallery @ known.seen[row]
            rows = [other for other in range(len(cosine)) if other != known.itself[row]]
            first = max(rows, key=lambda other: float(cosine[other]))
            unmatched = [other for other in rows if known.owner[other] != known.owner[first]]
            nearest = max(unmatched, key=lambda other: float(cosine[other]))
            assert torch.equal(target[row], known.gallery[nearest])


def test_junk_is_nobodys_first_answer() -> None:
    gallery = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    asked = torch.tensor([[1.0, 0.0]])
    one, none = torch.tensor([4]), torch.tensor([-1])
    seen = Probes(["q"], asked, one, gallery, torch.tensor([-1, 4, 9]), none)
    settings = ranking("gtm").aim.settings
    assert torch.equal(AIMS["gtm"](settings).truth(seen)["target"][0], gallery[2])
    assert AIMS["gtt"](settings).truth(seen)["others"].tolist() == [[1]]


def test_gtt_is_whether_the_first_answer_stays_among_four() -> None:
    task, samples = ranking("gtt", itself=True), _set(30)
    _, known = _known(task, samples)
    seen = VICTIM.predict(samples.images().flip(-1) * 0.3 + samples.images() * 0.7).descriptor
    found = task.aim.measure(seen, known)["kept_at_4"]
    for row in range(30):
        rows = [other for other in range(30) if other != row]
        first = max(rows, key=lambda other: float(known.gallery[other] @ known.seen[row]))
        now = sorted(rows, key=lambda other: -float(known.gallery[other] @ seen[row]))
        assert float(found[row]) == float(first in now[:4])
    assert 0 < found.mean() < 1


@pytest.mark.parametrize("kind", ["es", "ltm", "gtm"])
def test_recall_leaves_the_sample_out(kind: str) -> None:
    """Itself would always be the first answer, and right."""
    task, samples = ranking(kind, itself=True), _set(30)  # type: ignore[arg-type]
    found = _judge(task, samples=samples)["recall_at_1"]
    context, known = _known(task, samples)
    for row in range(30):
        cosine = context["query"] @ known.seen[row]
        cosine[row] = -2
        assert float(found[row]) == float(known.owner[int(cosine.argmax())] == known.person[row])
    assert 0 < found.mean() < 1


def test_distance_and_cosine_are_those_of_the_descriptors() -> None:
    images = SAMPLES.images() * 0.8
    seen = VICTIM.predict(images).descriptor
    for metric in ("cosine", "euclidean"):
        task = ranking("es", metric=metric)  # type: ignore[arg-type]
        _, known = _known(task)
        clean = known.seen
        expected = 1 - (seen * clean).sum(1) if metric == "cosine" else (seen - clean).norm(dim=1)
        torch.testing.assert_close(_judge(task, images)["distance_to_clean"], expected, atol=1e-6, rtol=0)
    matched = ranking("tma")
    context, _ = _known(matched)
    target = matched.truth(SAMPLES, ROWS, context)["target"]
    torch.testing.assert_close(_judge(matched, images)["cosine_to_target"], (seen * target).sum(1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", AIMS)
def test_a_sample_does_not_depend_on_its_batch(kind: str) -> None:
    task = ranking(kind, others=2, itself=True)  # type: ignore[arg-type]
    samples, some = _set(20), [13, 2, 7]
    whole, part = _attack(task, samples, range(20)), _attack(task, samples, some)
    torch.testing.assert_close(whole.images[some], part.images, rtol=0, atol=1e-9)
    context = task.context(VICTIM, samples)
    judged = task.judge(VICTIM, whole.images, samples, range(20), context)
    alone = task.judge(VICTIM, part.images, samples, some, context)
    for name, values in alone.items():
        torch.testing.assert_close(values, judged[name][some], equal_nan=True)


def test_draws_follow_the_seed_and_the_samples_name() -> None:
    def others(seed: int, samples: Samples = SAMPLES) -> Tensor:
        task = ranking("qa_plus", seed=seed, others=3)
        return task.truth(samples, ROWS, task.context(VICTIM, samples))["others"]

    assert torch.equal(others(0), others(0))
    assert not torch.equal(others(0), others(1))
    renamed = replace(SAMPLES, keys=[*SAMPLES.keys[:4], "another", *SAMPLES.keys[5:]])
    changed = (others(0, renamed) != others(0)).any(1)
    assert changed.tolist() == [row == 4 for row in ROWS]


def test_es_finds_what_uturn_finds() -> None:
    """With the same start, steps and size they are one attack: the objective is the same."""
    task = ranking("es")
    context = task.context(VICTIM, SAMPLES)
    images = SAMPLES.images().double()
    ours = robrank(EPS, objective=task.intention(context), steps=9, size=1 / 255)
    runs = [attack(VICTIM, images, {}, generator=seeded(0)) for attack in (ours, uturn(EPS, steps=9))]
    assert torch.equal(runs[0].images, runs[1].images)
    assert es(EPS) == robrank(EPS, objective=task.objective)


def test_semantics_preserving_keeps_the_top_better() -> None:
    free, keeping = ranking("qa_plus"), ranking("spqa_plus")
    _, known = _known(keeping)
    moved = [VICTIM.predict(_attack(task).images).descriptor for task in (free, keeping)]
    kept = [keeping.aim.measure(seen, known)["rank_kept"].mean() for seen in moved]
    assert kept[1] < 0.5 * kept[0]
    without = ranking("spqa_plus", xi=0.0)
    assert torch.equal(_attack(without).images, _attack(free).images)


def test_metrics_and_changes_are_means_of_the_records() -> None:
    for kind in AIMS:
        task = ranking(kind, others=2)  # type: ignore[arg-type]
        clean, attacked = _records(_judge(task)), _records(_after(task))
        metrics, moved = task.metrics(attacked), task.compare(clean, attacked)
        assert next(iter(metrics)) == "robustness"
        for name, column in (("recall@1", "recall_at_1"), ("kept@4", "kept_at_4"), ("rank", "rank")):
            assert (name in metrics) == (column in attacked)
            if name in metrics:
                assert metrics[name].value == pytest.approx(np.nanmean(attacked[column]))
        assert metrics["robustness"].value == pytest.approx(np.nanmean(attacked["robustness"]))
        for name in ("rank", "cosine_to_target", "distance_to_clean"):
            if name in attacked:
                assert moved[f"{name}_change"].value == pytest.approx(np.mean(attacked[name] - clean[name]))
        assert {"success_all", "success_conditional"} <= set(moved)


def test_the_terms_are_those_of_the_score() -> None:
    names = [name for kind in SCORED for name in ranking(kind).figures]  # type: ignore[arg-type]
    assert sorted(names) == ["CA+", "CA-", "ES:D", "ES:R", "GTM", "GTT", "LTM", "QA+", "QA-", "TMA"]
    after = _after(ranking("es"))
    expected = ((1 - after["distance_to_clean"] / 2) + after["recall_at_1"]) / 2
    torch.testing.assert_close(after["robustness"], expected)
    assert ranking("qa_plus").label == "ranking qa+"


def test_samples_of_unknown_people_serve_where_nobody_is_asked_for() -> None:
    bare = replace(_set(12), truth={}, against=None)
    for kind in ("qa_plus", "ca_minus", "tma", "gtt"):
        task = ranking(kind)  # type: ignore[arg-type]
        task.check(bare, VICTIM.predict(bare.images([0])))
        judged = _judge(task, samples=bare)
        assert judged["robustness"].isfinite().all()
        assert len(set(judged["person"].tolist())) == 12
    for kind in ("es", "ltm", "gtm"):
        with pytest.raises(UserError, match="person or label"):
            ranking(kind).check(bare, VICTIM.predict(bare.images([0])))  # type: ignore[arg-type]


def test_labels_stand_for_people() -> None:
    task = ranking("ltm", itself=True)
    named = _set(30)
    labelled = replace(named, truth={"label": named.truth["person"]})
    one, other = (_judge(task, samples=samples) for samples in (named, labelled))
    assert torch.equal(one["recall_at_1"], other["recall_at_1"])


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="others: 0"):
        ranking("qa_plus", others=0)
    with pytest.raises(UserError, match="holds 60 images"):
        ranking("qa_plus", others=59).check(SAMPLES, VICTIM.predict(SAMPLES.images([0])))
    with pytest.raises(UserError, match="needed"):
        ranking("es").check(SAMPLES, Outputs({"logits": torch.zeros(1, 2)}))


def test_guides_are_of_the_own_person_the_furthest_other_and_at_random() -> None:
    task = Retrieval(junk="none")
    context = task.context(VICTIM, SAMPLES)
    found = task.guides(("push", "pull", "target"), SAMPLES, ROWS, context)
    owner, gallery = SAMPLES.against.truth["person"], context["gallery"]  # type: ignore[union-attr]
    for row in ROWS:
        own = gallery[owner == SAMPLES.truth["person"][row]]
        there = ~found["push"][row].isnan().any(1)
        assert torch.equal(found["push"][row][there], own)
        means = {
            person: gallery[owner == person].mean(0) for person in range(7) if person != SAMPLES.truth["person"][row]
        }
        furthest = max(means.values(), key=lambda mean: float((mean - context["query"][row]).norm()))
        torch.testing.assert_close(found["pull"][row, 0], furthest)
        assert (gallery == found["target"][row]).all(1).any()
    assert len(found["target"].unique(dim=0)) > 5
    assert task.guides((), SAMPLES, ROWS, context) == {}
    with pytest.raises(UserError, match="'shove'"):
        guides(("shove",), probes(SAMPLES, ROWS, context))


def test_a_person_alone_has_no_guides() -> None:
    lonely = replace(SAMPLES, truth={"person": SAMPLES.truth["person"] + 100})
    wall = replace(lonely, against=replace(lonely.against, truth={"person": torch.zeros(60).long()}))  # type: ignore[type-var]
    task = Retrieval(junk="none")
    found = task.guides(("push", "pull"), wall, ROWS, task.context(VICTIM, wall))
    assert found["push"].isnan().all()
    assert not found["pull"].isnan().any()


def test_fna_leaves_its_own_and_targeted_tma_arrives() -> None:
    task = Retrieval(junk="none")
    context = task.context(VICTIM, SAMPLES)
    images = SAMPLES.images().double()
    clean = VICTIM.predict(images).descriptor
    for attack, wanted in ((fna(EPS), ("push", "pull")), (tma_targeted(EPS), ("target",))):
        truth = task.guides(wanted, SAMPLES, ROWS, context)
        seen = VICTIM.predict(attack(VICTIM, images, truth, generator=seeded(0)).images).descriptor
        if "target" in truth:
            before, after = ((one * truth["target"]).sum(1) for one in (clean, seen))
            assert (after > before).all()
        else:
            away, there = (
                [(one[:, None] - truth[name]).square().sum(-1).nansum(1) for one in (clean, seen)] for name in wanted
            )
            assert (away[1] > away[0]).all()
            assert (there[1] < there[0]).double().mean() > 0.7


def test_robranks_schedule() -> None:
    for grey, size in ((8, 3.0), (77, 3.0), (4, 1.5)):
        attack = robrank(grey / 255)
        assert attack.steps == 32
        assert attack.step.size == pytest.approx(size / 255)  # type: ignore[attr-defined]
    assert robrank(8 / 255).start.random
    assert not tma_targeted(8 / 255).start.random
    assert math.isclose(fna(5 / 255).step.size, 1 / 255)  # type: ignore[attr-defined]
    assert fna(5 / 255).steps == 15
