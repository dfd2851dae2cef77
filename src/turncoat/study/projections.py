"""Descriptors of many numbers as points of a plane."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERPLEXITY = 30.0
SEED = 0


def unit(features: NDArray[np.floating]) -> Floats:
    """Features `[N, D]` of length one; zeros stay zeros."""
    values = features.astype(np.float64)
    sizes = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(sizes > 0, sizes, 1.0)


def principal(clean: Floats) -> tuple[Floats, float]:
    """The two directions `[D, 2]` in which clean unit descriptors `[N, D]` differ most, and their share of it.

    Principal components (Pearson, 1901); each points to where its largest entry is positive.
    """
    _, sizes, rows = np.linalg.svd(clean - clean.mean(0), full_matrices=False)
    directions = rows[:2].T
    largest = np.abs(directions).argmax(0)
    signs = np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1.0, 1.0)
    whole = float((sizes**2).sum())
    return directions * signs, float((sizes[:2] ** 2).sum()) / whole if whole else 1.0


def tsne(features: Floats) -> Floats:
    """t-SNE by cosine (van der Maaten and Hinton, JMLR 2008) of unit descriptors `[N, D]`, started from their PCA.

    It runs on one thread: sums in another order would be another picture.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    with threadpool_limits(limits=1):
        return np.asarray(
            TSNE(perplexity=perplexity, init="pca", metric="cosine", random_state=SEED).fit_transform(features)
        )


def has_umap() -> bool:
    """Whether the package umap-learn is there."""
    return find_spec("umap") is not None


def umap(features: Floats) -> Floats:
    """UMAP by cosine (McInnes et al., 2018) of unit descriptors `[N, D]`."""
    made = import_module("umap").UMAP(metric="cosine", n_neighbors=min(15, len(features) - 1), random_state=SEED)
    return np.asarray(made.fit_transform(features), dtype=np.float64)
