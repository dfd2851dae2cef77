"""Every attack preset x every task that it can be aimed at, on tiny victims in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.attack import Attack
from turncoat.attacks.cw import CarliniWagner
from turncoat.attacks.gauntlet import Gauntlet
from turncoat.attacks.presets import features, gradient, rankings, released, transfer
from turncoat.attacks.presets.universal import universal
from turncoat.attacks.released import Scaled
from turncoat.core.criterion import Criterion
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns, rows
from turncoat.core.victim import Victim
from turncoat.objectives.attributes import AttributeLoss, AttributeMargin
from turncoat.objectives.criteria import AttributesMissed, Misclassified, PairMistaken
from turncoat.objectives.crowd import Crowd
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.guides import Guided
from turncoat.objectives.labels import CrossEntropy, DifferenceOfLogitsRatio, LogitMargin
from turncoat.objectives.pairs import PairSimilarity
from turncoat.objectives.rankings import Misranked, RankShift, Toward

GREY = 1 / 255
EPS = 4 * GREY
EPS_L2 = 0.4
CHECKS = (torch.arange(3 * 8 * 8, dtype=torch.float64).view(1, 3, 8, 8) % 3 - 1).sign()
SAMPLES = 6
CLASSES = 5


class Tiny(nn.Module):
    """A smooth network with all that has a mode or a memory: it gives a signed embedding `[N, 6]` and 5 scores."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            self.first = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
            self.drop = nn.Dropout(0.5)
            self.embed = nn.Linear(6 * 4 * 4, 6)
            self.head = nn.Linear(6, CLASSES)
        self.double()
        generator = seeded(seed)
        with torch.no_grad():
            for layer in (self.first, self.second, self.embed, self.head):
                weight = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
                layer.weight.copy_(1.5 * weight / layer.weight[0].numel() ** 0.5)
                layer.bias.copy_(0.3 * torch.randn(layer.bias.shape, generator=generator, dtype=torch.float64))
            self.norm.running_mean.copy_(0.2 * torch.randn(4, generator=generator, dtype=torch.float64))
            self.norm.running_var.copy_(0.5 + torch.rand(4, generator=generator, dtype=torch.float64))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        inner = torch.tanh(self.second(torch.tanh(self.norm(self.first(images)))))
        embedding = self.embed(self.drop(inner).flatten(1))
        return {"embedding": embedding, "logits": self.head(torch.tanh(embedding))}


def tiny_victim(seed: int = 0) -> Victim:
    return Victim(Tiny(seed), name="tiny", mean=(0.5, 0.4, 0.45), std=(0.25, 0.3, 0.2))


def tiny_images(count: int = SAMPLES, seed: int = 1) -> Tensor:
    """Noise on 8-bit levels `[N, 3, 8, 8]`, about a quarter of the pixels exactly black or white."""
    levels = torch.randint(-36, 292, (count, 3, 8, 8), generator=seeded(seed)).clamp(0, 255)
    return levels.double() / 255


@dataclass(frozen=True)
class Job:
    """A task as an attack sees it: what to raise, when a sample is broken, and the truth of these images."""

    name: str
    objective: Objective | None
    criterion: Criterion | None
    truth: Callable[[Victim, Tensor], Columns]


def _labels(victim: Victim, images: Tensor) -> Columns:
    """The victim's own decisions, with the first sample's label wrong: broken before any attack."""
    label = victim.predict(images).logits.argmax(1)
    label[0] = (label[0] + 1) % CLASSES
    return {"label": label, "target": (label + 2) % CLASSES}


def _attributes(victim: Victim, images: Tensor) -> Columns:
    """The victim's own decisions, all wrong for the first sample, one of the last sample's unknown."""
    attributes = (victim.predict(images).logits > 0).long()
    attributes[0] = 1 - attributes[0]
    attributes[-1, 0] = -1
    return {"attributes": attributes, "target": 1 - attributes}


def _pairs(victim: Victim, images: Tensor) -> Columns:
    """Same pairs (even) and different ones (odd), decided rightly by a small margin but for the first."""
    embedding = victim.predict(images).embedding
    noise = torch.randn(embedding.shape, generator=seeded(5), dtype=embedding.dtype)
    other = embedding + 1.5 * noise
    cosine = torch.cosine_similarity(embedding, other)
    same = torch.arange(len(images)) % 2 == 0
    margin = torch.tensor([-0.1, 0.02, 0.05, 0.05, 0.6, 0.9], dtype=cosine.dtype)[: len(images)]
    return {"other": other, "same": same, "threshold": torch.where(same, cosine - margin, cosine + margin)}


def _crowd() -> Crowd:
    """What the tiny victim says of twelve other images, of three people."""
    return Crowd(tiny_victim().predict(tiny_images(12, seed=4)).descriptor, torch.arange(12) % 3)


def _ranked(victim: Victim, images: Tensor) -> Columns:
    """The two of the crowd that are least alike, and for each sample a person and descriptors to steer by."""
    crowd, seen = _crowd(), victim.predict(images).descriptor
    owner = torch.arange(len(images)) % 3
    return {
        "others": (seen.double() @ crowd.points.T).topk(2, largest=False).indices,
        "owner": owner,
        "itself": torch.full_like(owner, -1),
        "target": crowd.points[owner],
        "push": crowd.points[torch.stack([owner, owner + 3], 1)],
        "pull": crowd.points[(owner + 1)[:, None]],
    }


def _nothing(victim: Victim, images: Tensor) -> Columns:  # noqa: ARG001
    return {}


CROSS_ENTROPY = Job("classify-ce", CrossEntropy(), Misclassified(), _labels)
LOGIT_MARGIN = Job("classify-margin", LogitMargin(), Misclassified(), _labels)
DLR = Job("classify-dlr", DifferenceOfLogitsRatio(), Misclassified(), _labels)
ATTRIBUTE_LOSS = Job("attributes-loss", AttributeLoss(), AttributesMissed(), _attributes)
ATTRIBUTE_MARGIN = Job("attributes-margin", AttributeMargin(), AttributesMissed(), _attributes)
OPPOSITE = Job("retrieve-opposite", OppositeDirection(), None, _nothing)
OPPOSITE_RAW = Job("retrieve-opposite-raw", OppositeDirection(normalised=False), None, _nothing)
DISTANCE = Job("retrieve-distance", FeatureDistance(), None, _nothing)
PAIRS = Job("verify", PairSimilarity(), PairMistaken(), _pairs)
RANKINGS = (
    Job("rank-query", RankShift(_crowd(), "query", up=True), None, _ranked),
    Job("rank-candidate", RankShift(_crowd(), "candidate", up=True, metric="euclidean"), None, _ranked),
    Job("rank-others", Misranked(_crowd()), None, _ranked),
    Job("rank-toward", Toward(), None, _ranked),
    Job("rank-guided", Guided(), None, _ranked),
)
OWN_RANK = Job("rank", None, None, _ranked)
OWN_CLASSIFY = Job("classify", None, Misclassified(), _labels)
OWN_RETRIEVE = Job("retrieve", None, None, _nothing)
OWN_VERIFY = Job("verify-own", None, PairMistaken(), _pairs)

DECISIONS = (CROSS_ENTROPY, LOGIT_MARGIN, DLR, ATTRIBUTE_LOSS, ATTRIBUTE_MARGIN, PAIRS)
ANY_START = (*DECISIONS, OPPOSITE, DISTANCE)
CLEAN_START = (*DECISIONS, OPPOSITE_RAW)  # the other descriptor objectives are flat at the clean image
MARGINS = (LOGIT_MARGIN, ATTRIBUTE_MARGIN, PAIRS)
OWN_OBJECTIVE = (OWN_CLASSIFY, OWN_RETRIEVE, OWN_VERIFY)


@dataclass(frozen=True)
class Case:
    """One attack on one task; `make(eps)` gives the attack, short enough for a test."""

    attack: str
    job: Job
    make: Callable[[float], Attack]
    eps: float = EPS
    norm: str = "linf"

    @property
    def name(self) -> str:
        return f"{self.attack}-{self.job.name}"

    @property
    def reach(self) -> float:
        """What the budget bounds; the released code's attacks state a bound of their own, which is more than eps."""
        constraint = getattr(self.make(self.eps), "constraint", None)
        return constraint.reach if isinstance(constraint, Scaled) else self.eps

    def run(self, victim: Victim | None = None, images: Tensor | None = None, **changes: object) -> AttackResult:
        """The attack on the tiny victim and images, or on what is given instead; `rows` takes some of the samples."""
        victim = victim or tiny_victim()
        images = tiny_images() if images is None else images
        truth = changes.pop("truth") if "truth" in changes else self.job.truth(tiny_victim(), images)
        attack = changes.pop("attack", None) or self.make(self.eps)
        part = changes.pop("rows", None)
        if part is not None:
            images, truth = images[part], rows(truth, part)
        settings = {"generator": seeded(7), "criterion": self.job.criterion, **changes}
        return attack(victim, images, truth, **settings)

    def objective(self) -> Objective:
        """What this attack raises (its margin, for a search of the smallest change)."""
        attack = self.make(self.eps)
        if isinstance(attack, Gauntlet):
            raise TypeError("a gauntlet has one objective per member")
        return attack.margin if isinstance(attack, CarliniWagner) else attack.objective


def _table() -> Iterable[Case]:
    for job in ANY_START:
        aim = {"objective": job.objective}
        yield Case("noise", job, lambda eps, aim=aim: gradient.noise(eps, **aim))
        yield Case("noise-sign", job, lambda eps, aim=aim: gradient.noise(eps, **aim, sign=True))
        yield Case("noise-l2", job, lambda eps, aim=aim: gradient.noise(eps, **aim, norm="l2"), EPS_L2, "l2")
        yield Case("pgd", job, lambda eps, aim=aim: gradient.pgd(eps, **aim, steps=5))
        yield Case("pgd-l2", job, lambda eps, aim=aim: gradient.pgd(eps, **aim, norm="l2", steps=5), EPS_L2, "l2")
        yield Case("apgd", job, lambda eps, aim=aim: gradient.apgd(eps, **aim, steps=8))
        yield Case("apgd-l2", job, lambda eps, aim=aim: gradient.apgd(eps, **aim, norm="l2", steps=8), EPS_L2, "l2")
    for job in (*ANY_START, OPPOSITE_RAW):
        aim = {"objective": job.objective}
        yield Case("fgsm", job, lambda eps, aim=aim: gradient.fgsm(eps, **aim))
        yield Case("bim", job, lambda eps, aim=aim: gradient.bim(eps, **aim, steps=6))
        yield Case("mifgsm", job, lambda eps, aim=aim: gradient.mifgsm(eps, **aim, steps=5))
    for job in MARGINS:
        aim = {"objective": job.objective}
        yield Case("cw", job, lambda eps, aim=aim: gradient.cw(eps, **aim, steps=10, searches=3), 1.0, "l2")
    yield Case("least-likely", OWN_CLASSIFY, lambda eps: gradient.least_likely(eps, steps=6))
    yield Case("label-smoothing", OWN_CLASSIFY, lambda eps: gradient.label_smoothing(eps, steps=6))
    yield Case("apgd-dlr", OWN_CLASSIFY, lambda eps: gradient.apgd_dlr(eps, steps=8))
    yield Case("apgd-targeted", OWN_CLASSIFY, lambda eps: gradient.apgd_targeted(eps, steps=6, targets=3))
    for job in OWN_OBJECTIVE:
        yield Case("uturn", job, lambda eps: features.uturn(eps, steps=6))
        yield Case("sma", job, lambda eps: features.sma(eps, steps=6))
        yield Case("pire", job, lambda eps: features.pire(eps, steps=6, lr=1.0))
        yield Case("tma", job, lambda eps: features.tma(eps, steps=6, lr=1.0))

    for job in (OPPOSITE, CROSS_ENTROPY, PAIRS):
        aim = {"objective": job.objective}
        yield Case("transferable", job, lambda eps, aim=aim: transfer.transferable(eps, **aim, steps=5, copies=3))
        yield Case("fixed", job, lambda eps, aim=aim: universal(eps, **aim).fixed(eps * CHECKS))
    tricks = {"momentum": 0.9, "diversity": 1.0, "smoothing": 3, "copies": 2}
    yield Case("uturn-tricks", OWN_RETRIEVE, lambda eps: features.uturn(eps, steps=5, **tricks))
    # raw: normalised, both would begin where the slope is rounding noise, as the code they stand for does
    yield Case("released", OWN_RETRIEVE, lambda eps: released.uturn_released(eps, steps=6, normalised=False))
    yield Case(
        "released-noisy",
        OWN_RETRIEVE,
        lambda eps: released.uturn_released(eps, steps=6, noisy_centre=True, normalised=False),
    )
    for job in (*RANKINGS, OPPOSITE, CROSS_ENTROPY):
        aim = {"objective": job.objective}
        yield Case("robrank", job, lambda eps, aim=aim: rankings.robrank(eps, **aim, steps=6))
    yield Case("es", OWN_RANK, lambda eps: rankings.es(eps, steps=6))
    yield Case("tma-targeted", OWN_RANK, lambda eps: rankings.tma_targeted(eps, steps=6))
    yield Case("fna", OWN_RANK, lambda eps: rankings.fna(eps, steps=6))


CASES = tuple(_table())
ASCENTS = tuple(case for case in CASES if isinstance(case.make(case.eps), GradientAttack))
ASKING = tuple(case for case in CASES if case.job.criterion is not None)
SPENDING = tuple(
    replace(case, job=replace(case.job, name=f"{case.job.name}-budget", criterion=None)) for case in ASKING
)  # the same without a criterion: the whole budget is spent on every sample
BY_NAME = {case.name: case for case in (*CASES, *SPENDING)}


def named(case: Case) -> str:
    return case.name


@cache
def usual(name: str) -> AttackResult:
    """The case of that name run as it comes, once for all tests; nobody may change it."""
    return BY_NAME[name].run()


def steps_changed(attack: Attack, steps: int) -> GradientAttack:
    """The same ascent with another number of steps of the same size."""
    if not isinstance(attack, GradientAttack):
        raise TypeError("only an ascent has steps")
    return replace(attack, steps=steps)
