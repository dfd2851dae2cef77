"""How long exact streamed ranking takes, and how much memory, at the size of Market-1501 and at a million rows.

    python benchmarks/ranking.py                 both, and the usual way (whole matrix, argsort) beside the first
    python benchmarks/ranking.py --rows 100000   a smaller second gallery

Prints a table and writes runs/benchmarks/ranking.json. Each case runs in a process of its own; memory is the rise of
its peak over what torch and the queries (and Market's gallery) already took.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from turncoat.tasks.metrics.ranking import rank_queries

WIDTH = 512
PULL = 0.35


@dataclass(frozen=True)
class Size:
    """Persons are shown by a share of the gallery; `junk` of it has person -1, the rest are distractors."""

    queries: int
    rows: int
    persons: int
    share: float
    junk: float


MARKET = Size(queries=3368, rows=19732, persons=750, share=0.67, junk=0.19)


@dataclass(frozen=True)
class Row:
    """One line of the table: memory in MiB, the mean AP to see that ways of computing it agree."""

    case: str
    queries: int
    rows: int
    seconds: float
    extra_mib: float
    peak_mib: float
    mean_ap: float


class Gallery:
    """Random rows near their person's centre, made anew, chunk by chunk, at each pass; never held."""

    def __init__(self, person: Tensor, centres: Tensor, seed: int, *, chunk: int = 8192) -> None:
        self.person, self.centres, self.seed, self.chunk = person, centres, seed, chunk
        self.passes = 0

    def __iter__(self) -> Iterator[Tensor]:
        self.passes += 1
        start, shown = time.perf_counter(), 0.0
        for first in range(0, len(self.person), self.chunk):
            generator = torch.Generator().manual_seed(self.seed + first)
            person = self.person[first : first + self.chunk]
            yield noisy(self.centres[person.clamp(min=0)], generator)
            seconds = time.perf_counter() - start
            if seconds - shown > 15:
                shown = seconds
                print(f"  pass {self.passes}: {first + len(person):,} rows in {seconds:.0f} s", file=sys.stderr)


def noisy(centres: Tensor, generator: torch.Generator) -> Tensor:
    """Unit rows whose cosine to their centre is about 0.33: some good items are found, many are not."""
    noise = torch.randn(centres.shape, generator=generator)
    return torch.nn.functional.normalize(noise.add_(centres, alpha=PULL * WIDTH**0.5))


@dataclass(frozen=True)
class World:
    """Queries, everyone's labels, and a gallery that is generated."""

    queries: Tensor
    query_person: Tensor
    query_camera: Tensor
    gallery_person: Tensor
    gallery_camera: Tensor
    gallery: Gallery

    def streamed_ap(self, gallery: Gallery | Tensor) -> Tensor:
        """AP of each query by the library."""
        values = rank_queries(
            self.queries,
            gallery,
            query_person=self.query_person,
            gallery_person=self.gallery_person,
            query_camera=self.query_camera,
            gallery_camera=self.gallery_camera,
        )
        return values["ap"]

    def matrix_ap(self, gallery: Tensor) -> Tensor:
        """AP of each query by the usual way: the float32 matrix, each row sorted with indices, ties as they fall."""
        order = (self.queries @ gallery.T).argsort(dim=1, descending=True)
        values = []
        for query, ranked in enumerate(order):
            same = self.gallery_person[ranked] == self.query_person[query]
            near = self.gallery_camera[ranked] == self.query_camera[query]
            good = same[~((same & near) | (self.gallery_person[ranked] < 0))]
            ranks = good.nonzero()[:, 0].double() + 1
            values.append((torch.arange(1, len(ranks) + 1) / ranks).mean())
        return torch.stack(values)


def world(size: Size) -> World:
    """A seeded world of that size."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(size.persons + 1, WIDTH, generator=generator))
    query_person = torch.randint(1, size.persons + 1, (size.queries,), generator=generator)
    gallery_person = torch.randint(1, size.persons + 1, (size.rows,), generator=generator)
    lot = torch.rand(size.rows, generator=generator)
    gallery_person[lot > size.share] = 0
    gallery_person[lot > 1 - size.junk] = -1
    return World(
        queries=noisy(centres[query_person], generator),
        query_person=query_person,
        query_camera=torch.randint(1, 7, (size.queries,), generator=generator),
        gallery_person=gallery_person,
        gallery_camera=torch.randint(1, 7, (size.rows,), generator=generator),
        gallery=Gallery(gallery_person, centres, seed=1),
    )


def measured(case: str, size: Size, compute: Callable[[], Tensor]) -> Row:
    """Time and memory of one computation of every query's AP."""
    # The first use of a library's threads and buffers is not the algorithm's memory.
    torch.mm(torch.ones(64, 64).double(), torch.ones(64, 64).double())
    before = peak_mib()
    start = time.perf_counter()
    ap = compute()
    seconds = time.perf_counter() - start
    peak = peak_mib()
    return Row(case, size.queries, size.rows, seconds, peak - before, peak, float(ap.nanmean()))


def peak_mib() -> float:
    """The most memory this process has had so far, in MiB (ru_maxrss is in KiB on Linux, in bytes on macOS)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def market() -> Row:
    """Market-1501's size, the gallery in memory."""
    made = world(MARKET)
    gallery = torch.cat(list(made.gallery))
    return measured("streamed, exact", MARKET, lambda: made.streamed_ap(gallery))


def market_matrix() -> Row:
    """The same by the usual way."""
    made = world(MARKET)
    gallery = torch.cat(list(made.gallery))
    return measured("whole matrix, argsort", MARKET, lambda: made.matrix_ap(gallery))


def large(queries: int, rows: int) -> Row:
    """A gallery that is never held: a fifth of it shows one of as many persons as there are queries."""
    size = Size(queries, rows, persons=queries, share=0.2, junk=0)
    made = world(size)
    return measured("streamed, generated", size, lambda: made.streamed_ap(made.gallery))


def alone(case: Callable[..., Row], *arguments: int) -> Row:
    """Run a case in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(case, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000, help="queries of the second case")
    parser.add_argument("--rows", type=int, default=1_000_000, help="gallery rows of the second case; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/ranking.json"))
    options = parser.parse_args()
    print(f"{'case':24}{'queries':>9}{'gallery':>11}{'seconds':>9}{'extra MiB':>11}{'peak MiB':>10}{'mean AP':>10}")
    rows = []
    plan: list[tuple[Callable[..., Row], tuple[int, ...]]] = [(market, ()), (market_matrix, ())]
    if options.rows:
        plan.append((large, (options.queries, options.rows)))
    for case, arguments in plan:
        row = alone(case, *arguments)
        rows.append(asdict(row))
        print(
            f"{row.case:24}{row.queries:>9,}{row.rows:>11,}{row.seconds:>9.1f}{row.extra_mib:>11.0f}{row.peak_mib:>10.0f}"
            f"{row.mean_ap:>10.6f}",
            flush=True,
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    machine = {"threads": torch.get_num_threads(), "torch": torch.__version__, "width": WIDTH}
    draft = options.out.with_suffix(".tmp")
    draft.write_text(json.dumps({**machine, "rows": rows}, indent=2) + "\n")
    os.replace(draft, options.out)


if __name__ == "__main__":
    main()
