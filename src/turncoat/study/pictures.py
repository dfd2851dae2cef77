"""A few examples of every attack as pictures: clean, perturbed, and what was changed, with what the victim said."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from turncoat.core.truth import Columns
from turncoat.study.bench import Bench
from turncoat.study.cells import CLEAN, OBLIVIOUS, SAVED, TRANSFER, Cell
from turncoat.study.store import Store
from turncoat.study.summary import norm_of
from turncoat.study.told import Asked, Told, tell
from turncoat.tasks.samples import Samples

EXAMPLE_SIDE = 160
GALLERY_SIDE = 64


def pictured(bench: Bench, cell: Cell, shard: range) -> bool:
    """Whether examples are kept: of informed attacks other than noise, at the largest budget, from the first shard.

    Where the gallery is perturbed there is no one image to show.
    """
    if cell.spec is None or cell.stance in (OBLIVIOUS, TRANSFER) or shard.start != 0:
        return False
    if "noise" in cell.spec.name or cell.spec.name == SAVED or bench.task.perturbs != "query":
        return False
    budgets = bench.audit.budgets if cell.spec.budgets is None else cell.spec.budgets
    return cell.eps == max(budgets) and cell.seed == bench.audit.seeds[0]


def keep_pictures(
    bench: Bench, cell: Cell, shard: range, *, columns: Columns, images: Tensor, store: Store, count: int
) -> None:
    """Write `count` examples of a cell's shard, and then `pictures/KEY.json`, which names their files.

    `images` are the perturbed ones of the whole shard and `columns` its records. The files of pictures are named by
    their bytes, so that cells share what is alike.
    """
    clean = bench.key(next(one for one in bench.cells() if one.attack == CLEAN and one.defense == cell.defense), shard)
    before = torch.from_numpy(store.read([clean])["score"].astype(np.float64))
    places = choose(before, columns["score"], count)
    rows, victim = [shard[place] for place in places], bench.defended[cell.defense]
    samples, context = bench.samples, bench.context(victim)
    original, changed = samples.images(rows), images[places]
    first, second = (tell(bench.task, Asked(victim, shown, samples, rows, context)) for shown in (original, changed))
    examples = [
        {
            "key": samples.keys[row],
            "broken": bool(before[place] >= 0.5 and columns["score"][place] < 0.5),
            **_pair(store, original[i], changed[i]),
            **_other(store, samples, row),
            "before": _with_files(store, first[i], samples),
            "after": _with_files(store, second[i], samples),
        }
        for i, (row, place) in enumerate(zip(rows, places, strict=True))
    ]
    who = {name: getattr(cell, name) for name in ("data", "victim", "defense", "stance", "attack")}
    budget = {"norm": norm_of(cell), "eps": None if math.isinf(cell.eps) else cell.eps}
    content = {"task": bench.task.label, **who, **budget, "examples": examples}
    store.write_json(f"pictures/{bench.key(cell, shard)}.json", content)


def write_index(work: Sequence[Bench], store: Store) -> None:
    """Write `pictures.json`: the JSON files of this study's pictures, whatever else lies in the folder."""
    names = [
        f"pictures/{bench.key(cell, bench.shards()[0])}.json"
        for bench in work
        for cell in bench.cells()
        if pictured(bench, cell, bench.shards()[0])
    ]
    store.write_json("pictures.json", [name for name in names if (store.folder / name).is_file()])


def choose(before: Tensor, after: Tensor, count: int) -> list[int]:
    """At most `count` places evenly spread over those right when clean and broken after, filled up with others."""
    turned = (before >= 0.5) & (after < 0.5)
    best = _spread(turned.nonzero()[:, 0].tolist(), count)
    return sorted(best + _spread((~turned).nonzero()[:, 0].tolist(), count - len(best)))


def _spread(places: Sequence[int], count: int) -> list[int]:
    if count <= 0 or not places:
        return []
    return [places[int(i)] for i in np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round())]


def _pair(store: Store, clean: Tensor, perturbed: Tensor) -> Told:
    change = perturbed - clean
    largest = float(change.abs().max())
    times = max(1, int(0.5 / largest + 1e-6)) if largest > 0 else 1
    return {
        "clean": _save(store, shrink(clean, EXAMPLE_SIDE)),
        "perturbed": _save(store, shrink(perturbed, EXAMPLE_SIDE)),
        "change": _save(store, thin(change * times + 0.5, EXAMPLE_SIDE)),
        "times": times,
        "linf": largest,
    }


def _other(store: Store, samples: Samples, row: int) -> Told:
    """The second image of a pair."""
    if "same" not in samples.truth or samples.against is None:
        return {}
    return {"other": _save(store, shrink(samples.against.images([row])[0], EXAMPLE_SIDE))}


def _with_files(store: Store, told: Told, samples: Samples) -> Told:
    """Ranked gallery rows with their pictures."""
    ranked = told.get("ranked")
    if not isinstance(ranked, list) or samples.against is None:
        return told
    gallery = samples.against
    files = [_save(store, shrink(gallery.images([one["row"]])[0], GALLERY_SIDE)) for one in ranked]
    return {**told, "ranked": [{**one, "file": file} for one, file in zip(ranked, files, strict=True)]}


def shrink(image: Tensor, side: int) -> Tensor:
    """An image `[3, H, W]` no longer than `side`, averaged over areas; a smaller one stays as it is."""
    return image if max(image.shape[1:]) <= side else _resized(image, side, "area")


def thin(image: Tensor, side: int) -> Tensor:
    """The same by leaving pixels out: averaging would wash a perturbation away."""
    return image if max(image.shape[1:]) <= side else _resized(image, side, "nearest-exact")


def _resized(image: Tensor, side: int, mode: str) -> Tensor:
    scale = side / max(image.shape[1:])
    size = [max(1, round(length * scale)) for length in image.shape[1:]]
    return torch.nn.functional.interpolate(image[None], size=size, mode=mode)[0]


def _save(store: Store, image: Tensor) -> str:
    """Write an image `[3, H, W]` in [0, 1] as PNG unless it is there, and give its path in the store."""
    levels = image.detach().cpu().clamp(0, 1).mul(255).round().to(torch.uint8)
    file = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG", optimize=True)
    name = f"pictures/{hashlib.blake2b(file.getvalue(), digest_size=12).hexdigest()}.png"
    if not (store.folder / name).is_file():
        store.write_bytes(name, file.getvalue())
    return name
