"""What the attack loop costs beyond its passes: PGD-20 against a loop written by hand, and against other libraries.

    .venv/bin/python benchmarks/attack_overhead.py [--batch 128] [--rounds 7] [--data FOLDER --weights FILE]

Every contender runs the same 20 sign steps of 2/255 in the 8/255 ball from a random start, on the same frozen network
in float32, interleaved in one process; medians. With `--data` and `--weights` (CIFAR-10 and ResNet-20 as in
studies/cifar10_resnet20.yaml) the active set is measured as well. Peers: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.attacks.presets.gradient import pgd
from turncoat.core.memory import keep_freed_memory
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.data.cifar10 import cifar10
from turncoat.models.cifar_resnet import resnet20
from turncoat.models.state import load_state
from turncoat.objectives.criteria import Misclassified

EPS, SIZE, STEPS = 8 / 255, 2 / 255, 20
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OWN = ("by hand", "turncoat")  # the loop that all are compared with, and ours
Contender = Callable[[Tensor, Tensor], object]


class Normalised(nn.Module):
    """The network as the peers take it: images in [0, 1] to logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


class SmallViT(nn.Module):
    """A ViT-like network for 32 x 32: patches of 4, width 192, six layers of three heads."""

    def __init__(self, classes: int = 10, width: int = 192) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.place = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 3, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.place
        logits: Tensor = self.head(self.layers(tokens).mean(1))
        return logits


def by_hand(model: nn.Module) -> Contender:
    """The loop to be measured against: nothing but passes, sign, clamp."""

    def run(images: Tensor, labels: Tensor) -> Tensor:
        adversarial = (images + torch.empty_like(images).uniform_(-EPS, EPS)).clamp(0, 1)
        for _ in range(STEPS):
            adversarial.requires_grad_()
            loss = F.cross_entropy(model(adversarial), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, adversarial)
            adversarial = adversarial.detach() + SIZE * gradient.sign()
            adversarial = (images + (adversarial - images).clamp(-EPS, EPS)).clamp(0, 1)
        return adversarial

    return run


def ours(victim: Victim) -> Contender:
    """PGD-20 with a step that costs what the loop above costs, and everything Turncoat keeps track of."""
    attack = pgd(EPS, steps=STEPS, size=SIZE)
    return lambda images, labels: attack(victim, images, labels, generator=seeded(0), active_set=False)


def peers(model: nn.Module) -> dict[str, Contender | str]:
    """The other libraries, each an attack of the same steps, or why there is none."""
    found: dict[str, Contender | str] = {}
    for name, make in (("torchattacks", _torchattacks), ("foolbox", _foolbox), ("adv-lib", _advlib), ("ART", _art)):
        try:
            found[name] = make(model)
        except Exception as error:  # whatever a library throws at import is what the table shows
            found[name] = f"not available: {_line(error)}"
    return found


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:80]


def _torchattacks(model: nn.Module) -> Contender:
    import torchattacks

    return torchattacks.PGD(model, eps=EPS, alpha=SIZE, steps=STEPS, random_start=True)


def _foolbox(model: nn.Module) -> Contender:
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=SIZE, steps=STEPS, random_start=True)
    return lambda images, labels: attack(wrapped, images, labels, epsilons=EPS)


def _advlib(model: nn.Module) -> Contender:
    from turncoat.models.torchvision_shim import prepare_torchvision

    prepare_torchvision()
    from adv_lib.attacks import pgd_linf

    return lambda images, labels: pgd_linf(
        model, images, labels, ε=EPS, steps=STEPS, random_init=True, absolute_step_size=SIZE
    )


def _art(model: nn.Module) -> Contender:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    estimator = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), input_shape=(3, 32, 32), nb_classes=10, clip_values=(0, 1), device_type="cpu"
    )
    attack = ProjectedGradientDescentPyTorch(
        estimator, eps=EPS, eps_step=SIZE, max_iter=STEPS, num_random_init=1, batch_size=4096, verbose=False
    )
    return lambda images, labels: attack.generate(images.numpy(), labels.numpy())


def measure(
    contenders: dict[str, Contender], images: Tensor, labels: Tensor, rounds: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each contender, one run after the other in every round, after one to warm up.

    Beside them why a peer failed, in whatever round: it is out from there on. A failure of our own is raised.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    failed: dict[str, str] = {}
    for round_ in range(rounds + 1):
        for name in list(seconds):
            start = time.perf_counter()
            try:
                contenders[name](images, labels)
            except Exception as error:
                if name in OWN:
                    raise
                failed[name] = f"failed: {_line(error)}"
                del seconds[name]
                continue
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds, failed


def compare(name: str, network: nn.Module, images: Tensor, labels: Tensor, rounds: int) -> dict[str, object]:
    """One table: medians, and the median over rounds of the ratio to the loop by hand."""
    victim = Victim(network, reads="logits", mean=MEAN, std=STD)
    model = Normalised(network).eval().requires_grad_(False)  # the same weights, channels last as the victim put them
    others = peers(model)
    contenders = dict(zip(OWN, (by_hand(model), ours(victim)), strict=True))
    contenders |= {peer: run for peer, run in others.items() if not isinstance(run, str)}
    seconds, failed = measure(contenders, images, labels, rounds)
    print(f"\nPGD-20 on {name}, batch {len(images)}, dense, float32, {torch.get_num_threads()} threads")
    rows: dict[str, object] = {}
    for contender, spent in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(spent, seconds[OWN[0]], strict=True))
        rows[contender] = {"seconds": statistics.median(spent), "ratio": ratio}
        print(f"  {contender:<14} {statistics.median(spent):8.3f} s   {ratio:6.3f} x")
    for peer, reason in (others | failed).items():
        if isinstance(reason, str):
            rows[peer] = reason
            print(f"  {peer:<14} {reason}")
    return rows


def active_set(victim: Victim, images: Tensor, labels: Tensor) -> dict[str, object]:
    """Passes and broken samples with and without samples leaving the batch."""
    attack, criterion = pgd(EPS, steps=STEPS, size=SIZE), Misclassified()
    runs = {}
    for active in (False, True):
        parts = [
            attack(victim, x, y, generator=seeded(0), criterion=criterion, active_set=active)
            for x, y in zip(images.split(128), labels.split(128), strict=True)
        ]
        passes = sum(int(part.forwards.sum() + part.backwards.sum()) for part in parts)
        runs[active] = passes, torch.cat([part.success for part in parts if part.success is not None])
    ratio, differ = runs[False][0] / runs[True][0], int((runs[False][1] != runs[True][1]).sum())
    broken = float(runs[True][1].float().mean())
    print(f"\nactive set, PGD-20 at 8/255, {len(images)} images, {broken:.1%} broken")
    print(f"  {runs[False][0]:,} passes dense, {runs[True][0]:,} active: {ratio:.2f} x fewer")
    print(f"  the broken sets differ in {differ} samples ({differ / len(images):.2%})")
    return {"dense": runs[False][0], "active": runs[True][0], "ratio": ratio, "differ": differ, "n": len(images)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, default=1024, help="for the active set")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10_jpg"))
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/cifar10_weights/resnet20-12fca82f.th"))
    chosen = parser.parse_args()
    keep_freed_memory()  # for every contender alike, as `turncoat` does for itself
    torch.manual_seed(0)
    network, real = resnet20(), chosen.data.is_dir() and chosen.weights.is_file()
    if real:
        load_state(network, chosen.weights)
        samples = cifar10(chosen.data)
        rows = torch.randperm(len(samples), generator=seeded(0))[: chosen.samples].tolist()
        images, labels = samples.images(rows), samples.truth["label"][rows]
    else:
        images, labels = torch.rand(chosen.samples, 3, 32, 32), torch.randint(10, (chosen.samples,))
    batch = images[: chosen.batch], labels[: chosen.batch]
    figures: dict[str, object] = {"resnet20": compare("ResNet-20", network.eval(), *batch, chosen.rounds)}
    figures["vit"] = compare("a small ViT", SmallViT().eval(), *batch, chosen.rounds)
    if real:
        victim = Victim(network, reads="logits", mean=MEAN, std=STD)
        figures["active_set"] = active_set(victim, images, labels)
    target = Path("runs/benchmarks/attack_overhead.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"\nwritten: {target}")


if __name__ == "__main__":
    main()
