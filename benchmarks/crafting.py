"""What crafting the queries of Market-1501 costs beyond its passes: U-turn against a loop written by hand.

    .venv/bin/python benchmarks/crafting.py [--queries 3368] [--batch 32] [--onnx FILE]

Both turn the same images of 256 x 128 at 16/255, 20 steps of one grey level, and then read the descriptors that are
ranked. Batches are interleaved in one process, taking turns in who goes first; the ratio is that of the summed seconds.
The network is our small re-identification net, or an ONNX file (OSNet, say). Writes runs/benchmarks/crafting.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.attacks.presets.features import uturn
from turncoat.core.memory import keep_freed_memory
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.models.load import load_network

EPS, STEPS, GREY = 16 / 255, 20, 1 / 255
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Crafting = Callable[[Tensor], Tensor]


def by_hand(victim: Victim) -> Crafting:
    """The loop to be measured against: nothing but passes, sign and clamp, and the descriptors at the end."""
    network = victim.network
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def embed(images: Tensor) -> Tensor:
        outputs = network((images - mean) / std)
        return F.normalize(outputs["embedding"] if isinstance(outputs, dict) else outputs)

    def run(images: Tensor) -> Tensor:
        with torch.no_grad():
            target = embed(images)
        changed = (images + torch.empty_like(images).uniform_(-GREY, GREY)).clamp(0, 1)
        for _ in range(STEPS):
            changed.requires_grad_()
            loss = (embed(changed) + target).square().sum()
            (gradient,) = torch.autograd.grad(loss, changed)
            changed = changed.detach() - GREY * gradient.sign()
            changed = (images + (changed - images).clamp(-EPS, EPS)).clamp(0, 1)
        with torch.no_grad():
            return embed(changed)

    return run


def ours(victim: Victim) -> Crafting:
    """The preset, and the victim's descriptors of what it made, as a study judges them."""
    attack = uturn(EPS)
    return lambda images: victim.predict(attack(victim, images, generator=seeded(0)).images).descriptor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--onnx", type=Path)
    chosen = parser.parse_args()
    keep_freed_memory()  # for both alike, as `turncoat` does for itself
    source, options = ("turncoat:small_reid", {"classes": 751}) if chosen.onnx is None else (f"onnx:{chosen.onnx}", {})
    victim = Victim(load_network(source, options=options), reads="embedding", mean=MEAN, std=STD)
    contenders = [("by hand", by_hand(victim)), ("turncoat", ours(victim))]
    seconds = {name: 0.0 for name, _ in contenders}
    coarse = torch.rand(chosen.queries, 3, 16, 8, generator=seeded(0))
    for turn, part in enumerate(coarse.split(chosen.batch)):
        images = F.interpolate(part, size=(256, 128), mode="bilinear").mul(255).round().div(255)
        for name, run in contenders if turn % 2 else reversed(contenders):
            start = time.perf_counter()
            run(images)
            seconds[name] += (time.perf_counter() - start) if turn else 0.0  # the first batch warms up
    ratio = seconds["turncoat"] / seconds["by hand"]
    threads, measured = torch.get_num_threads(), chosen.queries - min(chosen.batch, chosen.queries)
    print(f"U-turn at 16/255, {measured} queries of 256 x 128 on {source}, {threads} threads")
    for name, spent in seconds.items():
        print(f"  {name:<10} {spent:8.1f} s   {1000 * spent / max(measured, 1):7.1f} ms a query")
    print(f"  ratio      {ratio:8.3f} x")
    path = Path("runs/benchmarks/crafting.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {"network": source, "queries": measured, "threads": threads, "seconds": seconds, "ratio": ratio}
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
