"""Perturbed images that several victims are judged on: written by whoever makes them, read by the others."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import torch

from turncoat.core.errors import UserError
from turncoat.core.result import AttackResult
from turncoat.study.store import Store

_COUNTS = ("objective_clean", "objective", "forwards", "backwards", "steps_used")


def save_crafted(store: Store, key: str, result: AttackResult) -> None:
    """Keep a shard's images, as bytes where they are on 8-bit levels, with what they cost."""
    levels = (result.images * 255).round()
    exact = bool(torch.equal(levels / 255, result.images))
    images = levels.to(torch.uint8) if exact else result.images
    file = io.BytesIO()
    np.savez(file, images=images.cpu().numpy(), **{name: getattr(result, name).cpu().numpy() for name in _COUNTS})
    store.write_bytes(_name(key), file.getvalue())


def load_crafted(store: Store, key: str) -> AttackResult | None:
    """What was kept under this key; None where there is nothing."""
    path = store.folder / _name(key)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            images = torch.from_numpy(kept["images"])
            pixels = images.float() / 255 if images.dtype == torch.uint8 else images
            counts = {name: torch.from_numpy(kept[name]) for name in _COUNTS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({error}): remove it and start the same audit again") from None
    return AttackResult(images=pixels, success=None, **counts)


def _name(key: str) -> str:
    return f"crafted/{key}.npz"
