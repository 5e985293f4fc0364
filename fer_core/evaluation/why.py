"""Why one face was read as it was, in figures and in a sentence; and what a model looks at in each class."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_core import workspace
from fer_core.dataset import arrays, browse, versions
from fer_core.dataset.browse import Tile
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.evaluation import answers
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.trial import Trial
from fer_core.imaging import detectors, landmarks
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import to_input
from fer_core.inference import explanation
from fer_core.inference.predictor import Predictor
from fer_core.labels import LabelSet
from fer_core.zoo import calibration
from fer_core.zoo.card import Card

NEIGHBOURS = 5

FACES_PER_CLASS = 40
"""Of which the mean is shown: twice as many look the same."""

_VERSION = 1
"""Part of the cache's keys: raise it when the same faces would get another mean."""


@dataclass(frozen=True)
class Neighbour:
    """A training face that the network finds alike.

    Attributes:
        label: as it was trained with.
        distance: 1 minus the cosine of the two embeddings: 0 is the same direction.
    """

    sample: int
    image: str
    label: str | None
    split: str
    distance: float


@dataclass(frozen=True, eq=False)
class Learnt:
    """Training faces as the network sees them.

    Attributes:
        own: whether they are what the model was trained on; else the training faces of another dataset.
        frame: their N rows.
        directions: (N, E) float32 embeddings of length 1.
    """

    dataset: str
    own: bool
    frame: pd.DataFrame
    directions: np.ndarray


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a face was read as it was.

    Attributes:
        crop: (H, W, C) uint8, what the network saw; None where no face was found, and with it all
            that comes of a crop.
        probabilities: (K,) float32 calibrated, the answer that is served.
        plain, mirrored: (K,) float32 calibrated: the answers to the picture and to its mirror image,
            each alone.
        heat: (H, W) float32, explanation.OCCLUSION of the answer.
        part: what the answer mostly rests on ("the mouth"); None where that is not clear.
        nearest: the training faces nearest in the embedding, without this very picture.
        copies: training faces with the very same pixels.
        votes: raters per answer.
        elsewhere: the dataset that `nearest` and `copies` are of, where the model was not trained on it;
            else "".
    """

    labels: LabelSet
    crop: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    plain: np.ndarray | None = None
    mirrored: np.ndarray | None = None
    heat: np.ndarray | None = None
    part: str | None = None
    nearest: tuple[Neighbour, ...] = ()
    copies: tuple[Neighbour, ...] = ()
    votes: Counter[str] | None = None
    elsewhere: str = ""

    @property
    def sentence(self) -> str:
        """All of it in plain words."""
        if self.probabilities is None:
            said = ["No face was found in it"]
        else:
            said = [self._reading(self.probabilities)]
        faces = f"faces of {self.elsewhere}" if self.elsewhere else "training faces"
        if self.copies:
            known = _counted(Counter(copy.label or "no label" for copy in self.copies))
            said.append(f"the very same picture is among the {faces}, labelled {known}")
        if self.nearest:
            known = _counted(Counter(near.label or "no label" for near in self.nearest))
            said.append(f"the {len(self.nearest)} nearest {faces} are labelled {known}")
        if self.mirrored is not None and self.plain is not None:
            guess, other = (self.labels.names[int(way.argmax())] for way in (self.plain, self.mirrored))
            if guess == other:
                said.append("mirrored it reads the same")
            else:
                said.append(f"alone it reads {guess}, its mirror image {other}")
        if self.votes:
            total, most = self.votes.total(), max(self.votes.values())
            names = [name for name, count in self.votes.items() if count == most]
            each = " each" if len(names) > 1 else ""
            said.append(f"of {total} raters {most}{each} said {' and '.join(names)}")
        return "; ".join(said) + "."

    def _reading(self, probabilities: np.ndarray) -> str:
        guess = int(probabilities.argmax())
        share = min(round(100 * float(probabilities[guess])), 99)
        rests = f", mostly from {self.part}" if self.part else ""
        return f"It reads {self.labels.names[guess]} with {share} %{rests}"


@dataclass(frozen=True, eq=False)
class Average:
    """What a model looks at in a class.

    Attributes:
        faces: how many right answers the means are of.
        face: (H, W, C) uint8, their mean; None where there was no right answer.
        heat: (H, W) float32, the mean of their heat maps, each of which sums to 1.
    """

    label: str
    faces: int
    face: np.ndarray | None
    heat: np.ndarray | None


def explain(
    store: Store, predictor: Predictor, sample: int, faces: str = WHOLE, learnt: Learnt | None = None
) -> Explanation:
    """Why a model of expressions reads a sample as it does, of any dataset.

    Args:
        faces: WHOLE, or the name of the detector whose largest face is read.
        learnt: from `learn`; without it no neighbours are told.

    Raises:
        NotFound: no such sample, or no such detector.
        BadInput: the picture cannot be read, or the model answers something else.
    """
    found = browse.detail(store, sample)
    voted = Counter({name: n for name, n in Counter(found.votes).most_common() if n})
    crop = crop_of(store, predictor.card, found.tile.image, faces)
    if crop is None:
        return Explanation(predictor.labels, votes=voted)
    batch = crop[None]
    points = landmarks.of_crops(batch)
    used = points if predictor.card.input.landmarks else None
    ways = calibration.soften(predictor.both_ways(batch, used)[:, 0], predictor.card.temperature)
    probabilities = predictor.predict(batch)[0]
    heat = explanation.heat(predictor, batch, probabilities.argmax(keepdims=True))[0]
    copies, nearest = _neighbours(predictor, batch, found.tile, learnt) if learnt else ((), ())
    return Explanation(
        predictor.labels,
        crop,
        probabilities,
        ways[0].astype(np.float32),
        ways[1].astype(np.float32),
        heat,
        explanation.mostly(heat, points[0]),
        nearest,
        copies,
        voted,
        learnt.dataset if learnt and not learnt.own else "",
    )


def training_rows(store: Store, card: Card, otherwise: str) -> tuple[str, bool, pd.DataFrame]:
    """What `learn` takes: the dataset, whether the model was trained on it, and its training rows; the
    training rows of another dataset where the model's own is not here.

    Raises:
        NotFound: neither is here.
    """
    dataset = str(card.training.get("dataset", ""))
    try:
        try:
            frame = versions.manifest(store, dataset, card.training.get("version"))
        except NotFound:
            # Not frozen under any name: splits never change, so the present state has the same rows.
            frame = versions.manifest(store, dataset)
    except NotFound:
        frame, dataset = versions.manifest(store, otherwise), otherwise
    own = dataset == card.training.get("dataset")
    return dataset, own, frame[frame["split"] == "train"].reset_index(drop=True)


def learn(
    store: Store,
    predictor: Predictor,
    dataset: str,
    own: bool,
    frame: pd.DataFrame,
    progress: Progress | None = None,
) -> Learnt:
    """Training faces as the network sees them; their embeddings are kept in the cache.

    Args:
        dataset, own, frame: from `training_rows`.

    Raises:
        BadInput: no rows, or a picture cannot be read.
        NotFound: a picture is not in the store.
        StorageError: the cache cannot be written.
    """
    return Learnt(dataset, own, frame, _directions(answers.embeddings(store, predictor, frame, progress)))


def average(
    store: Store,
    predictor: Predictor,
    trial: Trial,
    truth: str = "labels",
    kind: str = explanation.OCCLUSION,
    limit: int = FACES_PER_CLASS,
    progress: Progress | None = None,
) -> tuple[Average, ...]:
    """The mean face and the mean heat map of each class, of right answers alone; kept in the cache.

    Args:
        truth: what counts as true, of results.KINDS.
        kind: of explanation.KINDS.
        limit: most faces of a class; drawn at random, the same each time.
        progress: called with (done, in all, text) in the unit of each step.

    Raises:
        as `explanation.heat`, and BadInput where no row has an answer that the model can give.
    """
    chosen = _chosen(trial, truth, limit)
    path = workspace.folder("cache") / f"{_key(trial, chosen, kind)}.saliency.npy"
    height, width, channels = predictor.card.input.shape
    shape = (len(chosen), height, width, channels + 1)
    found = arrays.cached(path, shape)
    if found is None:
        found = np.zeros(shape, np.float32)
        done, total = 0, sum(len(images) for images in chosen.values())
        for row, (label, images) in enumerate(chosen.items()):
            if not images:
                continue
            crops = _crops(store, predictor.card, images, trial.faces)
            targets = np.full(len(crops), predictor.labels.names.index(label))
            maps = []
            # In small parts: that is where the work can be stopped.
            for first in range(0, len(crops), 8):
                part = slice(first, first + 8)
                maps.append(explanation.heat(predictor, crops[part], targets[part], kind))
                done += len(maps[-1])
                if progress:
                    progress(done, total, f"{done} of {total} faces looked into")
            heat = np.concatenate(maps)
            # Each face counts alike: else the few with steep answers would be all that is seen.
            heat /= np.maximum(heat.sum(axis=(1, 2), keepdims=True), 1e-12)
            found[row, :, :, 0] = heat.mean(axis=0)
            found[row, :, :, 1:] = crops.mean(axis=0)
        arrays.keep(path, found)
    return tuple(
        Average(label, len(images), row[:, :, 1:].round().astype(np.uint8), row[:, :, 0])
        if images
        else Average(label, 0, None, None)
        for (label, images), row in zip(chosen.items(), found, strict=True)
    )


def crop_of(store: Store, card: Card, image: str, faces: str) -> np.ndarray | None:
    """(H, W, C) uint8: what the network is fed of a stored picture; None where no face is found.

    Raises:
        NotFound: no such picture, or no such detector.
        BadInput: it cannot be read.
    """
    picture = decode_image(store.image_bytes([image])[image])
    if faces == WHOLE:
        return to_input(picture, None, card.input)
    # The largest, as in every measurement (answers.of).
    face = max(detectors.get(faces).detect(picture), key=lambda face: face.box.width, default=None)
    return None if face is None else to_input(picture, face, card.input)


def _crops(store: Store, card: Card, images: list[str], faces: str) -> np.ndarray:
    found = (crop_of(store, card, image, faces) for image in images)
    return np.stack([crop for crop in found if crop is not None])


def _chosen(trial: Trial, truth: str, limit: int) -> dict[str, list[str]]:
    """Pictures of each class that were read right, at most so many."""
    result, random = trial.result(truth), np.random.default_rng(0)
    images, chosen = result.frame["image"].to_numpy(object), {}
    for index, label in enumerate(result.label_set.names):
        right = np.flatnonzero(result.right & (result.truth == index))
        if len(right) > limit:
            right = np.sort(random.choice(right, limit, replace=False))
        chosen[label] = images[right].tolist()
    return chosen


def _key(trial: Trial, chosen: dict[str, list[str]], kind: str) -> str:
    parts = [str(_VERSION), trial.card.weights, str(trial.card.temperature), trial.faces, kind]
    parts += [f"{label} {' '.join(images)}" for label, images in chosen.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _neighbours(
    predictor: Predictor, batch: np.ndarray, tile: Tile, learnt: Learnt
) -> tuple[tuple[Neighbour, ...], tuple[Neighbour, ...]]:
    """Other samples with the very same picture, and the nearest of the others."""
    if not len(learnt.frame):
        return (), ()
    own = _directions(predictor.embed(batch).reshape(1, -1))[0]
    distance = 1 - learnt.directions @ own
    same = (learnt.frame["image"] == tile.image).to_numpy()
    copies = np.flatnonzero(same & (learnt.frame["sample"] != tile.sample).to_numpy())
    order = np.argsort(np.where(same, np.inf, distance), kind="stable")
    nearest = order[: min(NEIGHBOURS, int((~same).sum()))]

    def told(rows: np.ndarray) -> tuple[Neighbour, ...]:
        part = learnt.frame.iloc[rows]
        return tuple(
            Neighbour(int(sample), image, label or None, split, max(float(away), 0.0))
            for sample, image, label, split, away in zip(
                part["sample"], part["image"], part["label"], part["split"], distance[rows], strict=True
            )
        )

    return told(copies), told(nearest)


def _directions(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return (embeddings / np.maximum(lengths, 1e-12)).astype(np.float32)


def _counted(names: Counter[str]) -> str:
    """ "neutral (4) and sad (1)"."""
    said = [f"{name} ({count})" for name, count in names.most_common()]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
