"""Pictures as points: those that a model, or the eye, finds alike lie side by side."""

import hashlib
import os

import numpy as np
import pandas as pd

from fer_core import workspace
from fer_core.dataset import arrays
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.imaging.preprocess import InputSpec
from fer_core.inference.predictor import Predictor

LIMIT = 10_000
"""Points that are laid out among each other; 8,000 take 20 s of processor time."""

PIXELS = InputSpec(24, 24, 1)
"""What stands for a picture where no model is asked."""

_VERSION = 1
"""Part of the cache's keys: raise it when the same pictures would be laid out differently."""

_COMPONENTS = 50
_PERPLEXITY = 30
_EARLY, _LATE = 150, 300
_MANY = 2000
"""Points from which on the fast form and several threads pay."""

_BATCH = 256


def project(
    store: Store,
    frame: pd.DataFrame,
    model: Predictor | None,
    *,
    progress: Progress | None = None,
    limit: int = LIMIT,
) -> np.ndarray:
    """A place on the map for each row of a manifest; kept in the cache, and the same each time.

    Features are reduced to their main components, then laid out by t-SNE, which keeps neighbours
    together: distances across the map mean nothing. Of more than `limit` pictures that many, drawn at
    random, are laid out; the others lie on the one of these that they are most like.

    Args:
        frame: a manifest, or any rows of one.
        model: whose features are taken; None takes the pixels.
        progress: called with (done, in all, text) in the unit of each step.

    Returns:
        (N, 2) float32, in the frame's order.

    Raises:
        BadInput: no rows, or a picture cannot be read.
        NotFound: a picture is not in the store.
        StorageError: the cache cannot be written.

    Source: van der Maaten & Hinton 2008 (t-SNE); Linderman et al. 2019 (its fast form); Policar et al.
    2024, openTSNE.
    """
    path = workspace.folder("cache") / f"{_key(frame, model, limit)}.map.npy"
    if (found := arrays.cached(path, (len(frame), 2))) is not None:
        return found
    features = _components(_features(store, frame, model, progress))
    chosen = np.arange(len(features))
    if len(features) > limit:
        chosen = np.sort(np.random.default_rng(0).choice(len(features), limit, replace=False))
    laid_out = _laid_out(features[chosen], progress)
    places = laid_out if len(chosen) == len(features) else laid_out[_nearest(features, features[chosen])]
    arrays.keep(path, places)
    return places


def _key(frame: pd.DataFrame, model: Predictor | None, limit: int) -> str:
    eyes = model.card.files["model.tflite"] if model else "pixels"
    content = "\n".join([f"{_VERSION} {eyes} {limit}", *frame["image"]])
    return hashlib.sha256(content.encode()).hexdigest()


def _features(
    store: Store, frame: pd.DataFrame, model: Predictor | None, progress: Progress | None
) -> np.ndarray:
    """(N, F) float32."""
    pictures = arrays.build(store, frame, model.card.input if model else PIXELS, progress)
    if model is None:
        return pictures.reshape(len(pictures), -1).astype(np.float32)
    parts = []
    for start in range(0, len(pictures), _BATCH):
        parts.append(model.embed(pictures[start : start + _BATCH]))
        if progress:
            done = min(start + _BATCH, len(pictures))
            progress(done, len(pictures), f"{done:,} of {len(pictures):,} pictures seen")
    return np.concatenate(parts).reshape(len(pictures), -1).astype(np.float32)


def _components(features: np.ndarray) -> np.ndarray:
    """(N, at most 50) float32: the main components, those that vary most first."""
    centred = features - features.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :_COMPONENTS]
    # The sign of an axis is the library's whim.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    return (centred @ axes).astype(np.float32)


def _laid_out(components: np.ndarray, progress: Progress | None) -> np.ndarray:
    """(N, 2) float32 by t-SNE; too few points to have neighbours lie by their two main components."""
    count = len(components)
    if count < 12:
        return np.pad(components, ((0, 0), (0, 2)))[:, :2].copy()
    # Takes 1.5 s, which nobody should wait for who draws no map.
    from openTSNE import TSNE  # type: ignore[import-untyped]

    done = 0

    def tell(iteration: int, error: float, embedding: np.ndarray) -> None:
        nonlocal done
        done = min(done + 5, _EARLY + _LATE)
        if progress:
            progress(done, _EARLY + _LATE, "laying out the map")

    layout = TSNE(
        perplexity=min(_PERPLEXITY, (count - 1) / 3),
        early_exaggeration_iter=_EARLY,
        n_iter=_LATE,
        initialization="pca",
        negative_gradient_method="fft" if count > _MANY else "bh",
        neighbors="exact",
        n_jobs=(os.cpu_count() or 1) if count > _MANY else 1,
        callbacks=tell,
        callbacks_every_iters=5,
        random_state=0,
    ).fit(components.astype(np.float64))
    return np.asarray(layout, np.float32)


def _nearest(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) int64: which of the others is nearest to each."""
    lengths = (others**2).sum(axis=1)
    parts = [
        (lengths - 2 * features[start : start + 1024] @ others.T).argmin(axis=1)
        for start in range(0, len(features), 1024)
    ]
    return np.concatenate(parts)
