"""The reference figures of the real studies, through the whole of them: reader, victim, task, metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from turncoat.study.bench import Bench
from turncoat.study.craft import Crafting
from turncoat.study.plan import load_study
from turncoat.study.runner import benches
from turncoat.study.store import Store

STUDIES = Path(__file__).resolve().parents[1] / "studies"


NOWHERE = Store(Path("nowhere"))  # these cells neither write nor read there


def clean_figures(bench: Bench) -> dict[str, float]:
    """The metrics of the clean images, shard by shard as a run computes them."""
    bench.check()
    cell = bench.cells()[0]
    parts = [Crafting(bench, shard, NOWHERE).records(cell)[0] for shard in bench.shards()]
    records = {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
    assert np.array_equal(records["index"], np.arange(len(bench.samples)))
    return {name: estimate.value for name, estimate in bench.task.metrics(records).items()}


@pytest.mark.real
@pytest.mark.usefixtures("real_data")
def test_osnet_on_viper() -> None:
    bench = benches(load_study(STUDIES / "peta_osnet.yaml"), STUDIES)[0]
    figures = clean_figures(bench)
    assert figures["recall@1"] == pytest.approx(0.556, abs=1e-3)
    assert figures["mAP"] == pytest.approx(0.647, abs=1e-3)


@pytest.mark.real
@pytest.mark.usefixtures("real_data")
def test_mobilefacenet_on_a_tenth_of_lfw() -> None:
    bench = benches(load_study(STUDIES / "lfw_mobilefacenet.yaml", ("limit=300",)), STUDIES)[0]
    assert clean_figures(bench)["accuracy"] == pytest.approx(0.984, abs=0.012)


@pytest.mark.real
@pytest.mark.usefixtures("real_data")
def test_resnet20_on_some_of_cifar10() -> None:
    bench = benches(load_study(STUDIES / "cifar10_resnet20.yaml", ("limit=300",)), STUDIES)[0]
    assert clean_figures(bench)["top1"] == pytest.approx(0.81, abs=0.06)
