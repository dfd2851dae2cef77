"""Run a study: every shard of every cell that is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from turncoat.study.bench import Bench
from turncoat.study.cells import CLEAN, Cell
from turncoat.study.craft import Crafting
from turncoat.study.dataset import DataSet
from turncoat.study.diagnosis import write_diagnosis
from turncoat.study.maps import write_maps
from turncoat.study.pictures import keep_pictures, pictured, write_index
from turncoat.study.plan import Audit, Study
from turncoat.study.specs import VictimSpec
from turncoat.study.store import Store
from turncoat.study.summary import Finished, Row, summarise
from turncoat.study.versions import versions
from turncoat.tasks.task import FEATURE


@dataclass(frozen=True)
class Tick:
    """One shard done: how many samples it held, how many are broken, and whether it was there already."""

    cell: Cell
    samples: int
    broken: int
    reused: bool


def benches(study: Study, root: Path, store: Store | None = None) -> list[Bench]:
    """One bench for each victim on each data set of each audit; with a store, descriptors are kept there."""
    features = None if store is None else store.folder / "descriptors"
    return [
        bench
        for place, audit in enumerate(study.audits)
        for data in audit.data
        for bench in _together(place, audit, DataSet(data, root, study.limit, audit.shard), root, features)
    ]


def _together(place: int, audit: Audit, dataset: DataSet, root: Path, features: Path | None) -> list[Bench]:
    """The benches of one data set, each knowing those whose images it may be judged on."""
    alone = {spec.name: Bench(place, audit, dataset, spec, root, features) for spec in audit.victims}
    others: dict[str, Bench] = dict(alone)
    for name, members in audit.ensembles.items():
        from turncoat.study.ensemble import EnsembleBench

        chosen = tuple(alone[member] for member in members)
        told = [f"{one.spec.source} {sorted(one.spec.options.items())}" for one in chosen]
        spec = VictimSpec(name=name, source=f"ensemble:{' + '.join(told)}")
        others[name] = EnsembleBench(place, audit, dataset, spec, root, features, members=chosen)
    for bench in alone.values():
        bench.others = others
    return list(alone.values())


def run(
    study: Study, work: Sequence[Bench], store: Store, *, tick: Callable[[Tick], None] = lambda _: None
) -> list[Row]:
    """Do what is missing on the benches of a study, then write and return the rows of summary.json.

    Everything the study names is built and checked first. A killed run loses at most the shard it was working on.
    """
    for bench in work:
        bench.check()
    store.remove("summary.json")  # what it sums up is about to change
    store.write_bytes("study.json", (study.model_dump_json(indent=1) + "\n").encode())
    finished: list[Finished] = []
    for bench in work:
        for done in _run_bench(bench, store, study):
            tick(done)
        finished += [
            Finished(cell, bench.task, tuple(bench.key(cell, shard) for shard in bench.shards()), bench.spec.untrained)
            for cell in bench.cells()
        ]
    rows = summarise(store, finished)
    store.write_json("versions.json", versions())
    write_index(work, store)
    write_diagnosis(rows, store)
    write_maps(work, store, study.features)
    store.write_json("summary.json", rows)
    return rows


def _run_bench(bench: Bench, store: Store, study: Study) -> Iterator[Tick]:
    for shard in bench.shards():
        crafting: Crafting | None = None
        for cell in bench.cells():
            key = bench.key(cell, shard)
            if store.has(key):
                yield Tick(cell, len(shard), 0, reused=True)
                continue
            crafting = crafting or Crafting(bench, shard, store)
            start = time.perf_counter()
            columns, images = crafting.records(cell)
            seconds = time.perf_counter() - start
            feature = columns.pop(FEATURE, None)
            if feature is not None and shard.start < study.features:
                store.write_features(key, feature[: study.features - shard.start])
            if study.pictures and pictured(bench, cell, shard):
                keep_pictures(bench, cell, shard, columns=columns, images=images, store=store, count=study.pictures)
            store.write_shard(key, columns, [bench.samples.keys[row] for row in shard], seconds)
            broken = 0 if cell.attack == CLEAN else int((columns["score"] < 0.5).sum())
            yield Tick(cell, len(shard), broken, reused=False)
