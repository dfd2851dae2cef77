"""The recipes' formulas, recomputed on embeddings made by hand, and when they act."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.attacks.attack import Attack
from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.tasks.samples import Samples
from turncoat.training import craft as crafting
from turncoat.training.fit import fit
from turncoat.training.recipe import Batch, Loss, Recipe, Turn
from turncoat.training.recipes import act, est, goat, hm, online_uturn
from turncoat.training.recipes.act import Act, Collapse
from turncoat.training.recipes.est import Est
from turncoat.training.recipes.goat import Goat
from turncoat.training.recipes.hm import Harden, Hm
from turncoat.training.recipes.natural import Natural
from turncoat.training.recipes.online_uturn import OnlineUturn, strong
from turncoat.training.recipes.registry import RECIPES
from turncoat.training.schedule import Schedule
from turncoat.training.triplets import apart, draw, hardness, semihard

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])


class Flat(nn.Module):
    """The embedding is the image itself, flattened; four classes."""

    def __init__(self, side: int = 4) -> None:
        super().__init__()
        self.turn = nn.Linear(3 * side * side, 6)
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 4)
        for values in (*self.turn.parameters(), *self.head.parameters()):
            values.data = torch.randn(values.shape, generator=seeded(len(values))) * 0.5

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.norm(self.turn(images.flatten(1)))
        return {"embedding": embedding, "logits": self.head(embedding)}


def _batch() -> dict[str, Tensor]:
    return {"images": torch.rand(len(LABELS), 3, 4, 4, generator=seeded(1)), "label": LABELS}


def _said(rows: Tensor) -> Outputs:
    return Outputs({"embedding": rows})


def _d(first: Tensor, second: Tensor) -> float:
    """Euclid on the unit sphere, the long way."""
    first, second = first.detach(), second.detach()
    return math.dist((first / first.norm()).tolist(), (second / second.norm()).tolist())


def _loss_of(recipe: Recipe, *, last: dict[str, float] | None = None, place: int = 0) -> tuple[Loss, Flat]:
    network = Flat().train()
    return recipe(network, _batch(), Turn(place=place, generator=seeded(7), last=last or {})), network


@pytest.fixture
def crafted(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the recipes craft, in order."""
    made: list[Tensor] = []

    def keep(*given: object, **named: object) -> Tensor:
        made.append(crafting.craft(*given, **named))  # type: ignore[arg-type]
        return made[-1]

    for module in (act, est, goat, hm, online_uturn):
        monkeypatch.setattr(module, "craft", keep)
    return made


def test_distances() -> None:
    a, b = F.normalize(torch.randn(2, 5, 3, generator=seeded(0)), dim=-1)
    assert apart(a, b, "euclidean").tolist() == pytest.approx([_d(x, y) for x, y in zip(a, b, strict=True)], rel=1e-5)
    assert apart(a, b, "cosine").tolist() == pytest.approx([1 - float(x @ y) for x, y in zip(a, b, strict=True)])
    same = a.clone().requires_grad_()
    apart(same, a, "euclidean").sum().backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


def test_triplets_pair_every_image_of_a_class_once() -> None:
    seen = set()
    for seed in range(20):
        rows = draw(LABELS, seeded(seed))
        pairs = torch.cat([rows.anchor, rows.positive]).tolist()
        assert len(set(pairs)) == len(pairs) == 10
        assert torch.equal(LABELS[rows.anchor], LABELS[rows.positive])
        assert (LABELS[rows.anchor] != LABELS[rows.negative]).all()
        assert rows.rows.tolist() == [*rows.anchor.tolist(), *rows.positive.tolist(), *rows.negative.tolist()]
        seen |= {(int(LABELS[a]), int(n)) for a, n in zip(rows.anchor, rows.negative, strict=True)}
    assert len(seen) == sum(int((label != LABELS).sum()) for label in range(3)), "every negative can be drawn"


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1]])
def test_a_batch_without_pairs_or_others_is_told(labels: list[int]) -> None:
    with pytest.raises(UserError, match=r"set schedule\.images to 4"):
        draw(torch.tensor(labels), seeded(0))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_semihard_negatives_are_the_nearest_beyond_the_positive(metric: str) -> None:
    descriptor = F.normalize(torch.randn(len(LABELS), 3, generator=seeded(2)), dim=-1)
    rows = draw(LABELS, seeded(3))
    hard = semihard(rows, descriptor, LABELS, 0.4, metric)  # type: ignore[arg-type]
    changed = 0
    for a, p, old, new in zip(rows.anchor, rows.positive, rows.negative, hard.negative, strict=True):
        far = [float(apart(descriptor[a][None], row[None], metric)) for row in descriptor]  # type: ignore[arg-type]
        fit = [n for n in range(10) if LABELS[n] != LABELS[a] and far[p] < far[n] < far[p] + 0.4]
        assert int(new) == (min(fit, key=far.__getitem__) if fit else int(old))
        changed += int(new != old)
    assert changed > 1


def test_hardness_and_what_the_inner_attacks_raise() -> None:
    rows = torch.randn(6, 4, generator=seeded(4))
    a, p, n = rows[:2], rows[2:4], rows[4:]
    wanted = [_d(a[i], p[i]) - _d(a[i], n[i]) for i in range(2)]
    assert hardness(_said(rows).descriptor, "euclidean").tolist() == pytest.approx(wanted, rel=1e-4)
    lack = [-(max(0.1 - value, 0) ** 2) for value in wanted]
    assert Harden(0.1)(_said(rows), {}).tolist() == pytest.approx(lack * 3, rel=1e-4)
    apart = [-_d(rows[i], rows[3 + i]) for i in range(3)]
    assert Collapse()(_said(rows), {}).tolist() == pytest.approx(apart * 2, rel=1e-4)


@pytest.mark.parametrize(("push", "pull"), [(4, 1), (1, 50), (0, 0)])
def test_goat_takes_what_guides_the_batch_has(push: int, pull: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three classes of 4, 4 and 2 nobody has four others of its own, and nobody fifty of another."""
    seen: list[Columns] = []

    def keep(network: nn.Module, images: Tensor, attack: Attack, turn: Turn, truth: Columns) -> Tensor:  # noqa: ARG001
        seen.append(truth)
        return images

    monkeypatch.setattr(goat, "craft", keep)
    _loss_of(Goat(push=push, pull=pull))
    clean = F.normalize(Flat().eval()(_batch()["images"])["embedding"]).detach()
    for row, label in enumerate(LABELS):
        own = [n for n in range(10) if LABELS[n] == label and n != row]
        others = sorted((n for n in range(10) if LABELS[n] != label), key=lambda n: -_d(clean[row], clean[n]))
        push_to, pull_to = (_rows(seen[0][name][row], clean) for name in ("push", "pull"))
        assert pull_to == others[:pull]
        assert len(set(push_to)) == len(push_to) == (min(push, len(own)) if push or pull else 1)
        assert set(push_to) <= set(own) if push or pull else push_to == [row]


def _rows(guides: Tensor, clean: Tensor) -> list[int]:
    """Which rows the guides are, those of NaN left out."""
    there = guides[~guides.isnan().any(1)]
    return [int((clean - guide).square().sum(1).argmin()) for guide in there]


@pytest.mark.parametrize(
    ("last", "wanted"), [(None, -0.2), (0.9, -0.2), (0.2, -0.2), (0.1, -0.1), (0.05, -0.05), (0.0, 0.0)]
)
def test_the_wanted_hardness_grows_as_the_loss_falls(last: float | None, wanted: float) -> None:
    assert Hm().destination(last) == pytest.approx(wanted)
    assert Hm(gradual=False).destination(last) == 0


def test_est_is_a_triplet_loss_on_shifted_images_only(crafted: list[Tensor]) -> None:
    loss, _ = _loss_of(Est(identity=0.0, steps=3))
    (moved,) = crafted
    assert moved.shape == _batch()["images"].shape
    assert (moved - _batch()["images"]).abs().amax((1, 2, 3)).min() > 1 / 255
    assert loss.total.item() == pytest.approx(_triplet(moved, draw(LABELS, seeded(7)).rows), rel=1e-4)
    full, _ = _loss_of(Est(identity=0.5, steps=3))
    logits = Flat().train()(moved)["logits"]
    identity = 0.5 * F.cross_entropy(logits, LABELS).item()
    assert full.total.item() == pytest.approx(loss.total.item() + identity, rel=1e-4)
    assert {name: float(value) for name, value in full.parts.items()} == pytest.approx(
        {"triplet": loss.total.item(), "identity": identity}, rel=1e-4
    )


def _triplet(images: Tensor, rows: Tensor) -> float:
    """The mean margin loss over triplets `[3 T]`, one by one, with the batch statistics of `images`."""
    fresh = Flat().train()
    embedding = fresh(images)["embedding"][rows]
    third = len(rows) // 3
    losses = [
        max(_d(embedding[i], embedding[third + i]) - _d(embedding[i], embedding[2 * third + i]) + 0.2, 0)
        for i in range(third)
    ]
    return sum(losses) / third


def test_act_brings_positives_and_negatives_together_and_spares_the_anchors(crafted: list[Tensor]) -> None:
    loss, _ = _loss_of(Act(identity=0.0))
    images, rows = _batch()["images"], draw(LABELS, seeded(7))
    (moved,) = crafted
    pairs = torch.cat([images[rows.positive], images[rows.negative]])
    frozen = Flat().eval()
    before, after = (Collapse()(Outputs(frozen(seen)), {}).mean() for seen in (pairs, moved))
    assert after > before + 0.05
    shown = torch.cat([images[rows.anchor], moved])
    assert loss.total.item() == pytest.approx(_triplet(shown, torch.arange(15)), rel=1e-4)
    full, _ = _loss_of(Act())
    identity = F.cross_entropy(Flat().train()(shown)["logits"], LABELS[rows.rows])
    assert float(full.parts["identity"]) == pytest.approx(identity.item(), rel=1e-4)


def test_hm_makes_triplets_harder_but_not_harder_than_wanted(crafted: list[Tensor]) -> None:
    recipe = Hm(identity=0.0, negatives="random", steps=20, eps=30 / 255)
    loss, _ = _loss_of(recipe, last={"triplet": 0.15})
    images, rows = _batch()["images"], draw(LABELS, seeded(7)).rows
    (moved,) = crafted
    frozen = Flat().eval()
    before, after = (hardness(Outputs(frozen(seen)).descriptor, "euclidean") for seen in (images[rows], moved))
    easy = before < -0.15
    assert easy.any()
    assert (after[easy] > before[easy]).all()
    assert (after[easy] < -0.15 + 0.1).all(), "the push ends where the wanted hardness is reached"
    assert loss.total.item() == pytest.approx(_triplet(moved, torch.arange(15)), rel=1e-4)


def test_intra_class_structure(crafted: list[Tensor]) -> None:
    loss, _ = _loss_of(Hm(identity=0.0, negatives="random", structure=0.5))
    images, rows = _batch()["images"], draw(LABELS, seeded(7))
    shown = torch.cat([*crafted, images[rows.anchor], images[rows.positive]])
    seen = Flat().train()(shown)["embedding"]
    loose = [max(_d(seen[15 + i], seen[i]) - _d(seen[15 + i], seen[20 + i]), 0) for i in range(5)]
    assert float(loss.parts["structure"]) == pytest.approx(0.5 * sum(loose) / 5, rel=1e-3)
    assert loss.total.item() == pytest.approx(float(loss.parts["structure"] + loss.parts["triplet"]))


def test_goat_trains_on_guided_images_only(crafted: list[Tensor]) -> None:
    loss, _ = _loss_of(Goat())
    (moved,) = crafted
    assert (moved - _batch()["images"]).abs().max() <= 5 / 255 + 1e-6
    assert loss.total.item() == pytest.approx(F.cross_entropy(Flat().train()(moved)["logits"], LABELS).item(), rel=1e-5)


def test_online_uturn_adds_a_tenth_of_the_loss_of_a_batch_of_its_own(crafted: list[Tensor]) -> None:
    loss, network = _loss_of(OnlineUturn())
    (turned,) = crafted
    images = _batch()["images"]
    assert 8 / 255 < (turned - images).abs().max() <= 16 / 255 + 1e-6
    fresh = Flat().train()
    clean = F.cross_entropy(fresh(images)["logits"], LABELS)
    adversarial = F.cross_entropy(fresh(turned)["logits"], LABELS)
    assert loss.total.item() == pytest.approx((clean + 0.1 * adversarial).item(), rel=1e-5)
    torch.testing.assert_close(network.norm.running_mean, fresh.norm.running_mean)
    assert network.norm.num_batches_tracked == 2
    with torch.no_grad():
        before, after = (F.normalize(Flat().eval()(seen)["embedding"]) for seen in (images, turned))
    assert ((before * after).sum(1) < 0.98).all()


def test_the_released_schedule_acts_at_every_fortieth_step_of_an_epoch() -> None:
    acts = [place for place in range(100) if "adversarial" in _loss_of(OnlineUturn(steps=1), place=place)[0].parts]
    assert acts == [0, 40, 80]
    assert strong() == OnlineUturn(every=1, weight=1.0, eps=8 / 255)


def test_an_epoch_begins_with_an_adversarial_step() -> None:
    images = torch.randint(0, 256, (12, 3, 4, 4), generator=seeded(0)).to(torch.uint8)
    samples = Samples("s", [str(n) for n in range(12)], lambda row: images[row], {"label": torch.arange(12) % 4})
    steps: list[int] = []

    class Watched:
        def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
            loss = OnlineUturn(every=2, steps=1)(network, batch, turn)
            steps.extend([turn.step] * ("adversarial" in loss.parts))
            return loss

    fit(Flat(), Watched(), samples, Schedule(epochs=3, batch=4, shift=0), seed=0)
    assert steps == [0, 2, 3, 5, 6, 8]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_gives_the_same_weights_for_the_same_seed_and_learns(name: str) -> None:
    generator = seeded(3)
    means = torch.rand(4, 3, 4, 4, generator=generator)
    noise = torch.randn(40, 3, 4, 4, generator=generator)
    label = torch.arange(40) % 4
    images = ((means[label] + 0.03 * noise).clamp(0, 1) * 255).to(torch.uint8)
    samples = Samples("s", [str(n) for n in range(40)], lambda row: images[row], {"label": label})
    options = {} if name == "natural" else {"eps": 2 / 255, "steps": 2}

    schedule = Schedule(epochs=10, batch=16, lr=0.03, shift=0, flip=False)

    def weights() -> tuple[Tensor, float]:
        network = Flat()
        fit(network, RECIPES[name](**options), samples, schedule, seed=0)
        with torch.no_grad():
            right = network(samples.images())["logits"].argmax(1) == label
        return network.turn.weight.detach().clone(), float(right.float().mean())

    (first, share), (again, _) = weights(), weights()
    assert torch.equal(first, again)
    assert share > 0.9


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: OnlineUturn(every=0), "every must be 1 or more"),
        (lambda: OnlineUturn(weight=-1), "weight not below 0"),
        (lambda: OnlineUturn(steps=0), "moves nothing"),
        (lambda: OnlineUturn(eps=16), "more than a whole image"),
        (lambda: Goat(pull=-1), "count guides"),
        (lambda: Goat(steps=0), "moves nothing"),
        (lambda: Act(eps=8), "more than a whole image"),
        (lambda: Est(steps=0), "must be above 0"),
        (lambda: Hm(margin=0), "must be above 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(make: Callable[[], Recipe], told: str) -> None:
    with pytest.raises(UserError, match=told):
        make()


def test_a_network_without_what_a_recipe_reads_is_told() -> None:
    class Bare(nn.Module):
        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"logits": images.flatten(1)}

    with pytest.raises(UserError, match="the network in training gives logits, but embedding is needed"):
        Est()(Bare(), _batch(), Turn())
    with pytest.raises(UserError, match="holds images, but 'label' is needed"):
        Act()(Bare(), {"images": _batch()["images"]}, Turn())
    assert Natural()(Bare(), _batch(), Turn()).total > 0
