"""Where a model is better or worse: accuracy by what the pictures are like, and by where they come from.

Only what can be measured on a picture or was stored with it counts. Race and gender are never guessed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import arrays, measures, schema, votes
from fer_core.dataset import store as stores
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, find_dataset
from fer_core.evaluation import metrics
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.results import Result
from fer_core.evaluation.trial import Trial
from fer_core.imaging.pose import turn_and_tilt
from fer_core.imaging.preprocess import InputSpec

BINS = 5
"""Parts of equally many faces that a measured property is cut into."""

LEAST = 10
"""Faces that a slice and the rest need each before a difference between them is tested."""

MOST = 20
"""Slices of one property; the smaller ones are shown together."""

RATE = 0.05
"""Share of false alarms among the differences that are said to hold."""

_LOOK = InputSpec(96, 96, 1)
"""The size at which landmarks are sought for the pose."""


@dataclass(frozen=True)
class Property:
    """Something by which faces can be told apart.

    Attributes:
        words: what it is, in about ten words.
        sign: a value in a few letters; "" where values are names.
        digits: decimals that edges are rounded to, before faces are put into slices.
    """

    id: str
    title: str
    words: str
    sign: str = ""
    digits: int = 0


@dataclass(frozen=True, eq=False)
class Slice:
    """Some faces that are alike in one property.

    Attributes:
        places: positions in the result.
        accuracy, low, high: with the 95 % interval.
        expected: the accuracy that its mix of true expressions alone would give.
        p: how often chance alone gives a difference to the rest that is as large; None where one of the
            two has fewer than `LEAST` faces.
        holds: whether the difference still counts, after it is considered how many slices are looked at.
    """

    name: str
    places: np.ndarray
    accuracy: float
    low: float
    high: float
    expected: float
    p: float | None
    holds: bool = False

    @property
    def explained(self) -> bool:
        """Whether its mix of expressions would do for the difference."""
        return self.low - 1e-9 <= self.expected <= self.high + 1e-9


@dataclass(frozen=True)
class Cut:
    """All faces, cut by one property.

    Attributes:
        unknown: faces of which the property is not known.
    """

    property: Property
    slices: tuple[Slice, ...]
    unknown: int


PROPERTIES = (
    Property("label", "Expression", "what is true of the face"),
    Property(
        "agreement", "Agreement of the raters", "share of raters who gave the commonest answer", "{:g} %"
    ),
    Property("brightness", "Brightness", "mean grey level, 0 black to 255 white", "{:g}"),
    Property("contrast", "Contrast", "standard deviation of the grey levels", "{:g}"),
    Property("sharpness", "Sharpness", "how much fine detail there is, whatever the size", "{:g}", 2),
    Property("size", "Size", "width of the stored picture, px", "{:g} px"),
    Property("turn", "Head turned", "degrees to the left or right; rough, wrong by a fifth or more", "{:g}°"),
    Property("tilt", "Head tilted", "degrees of the line through the eyes", "{:g}°"),
    Property("subject", "Person", "who is shown, where the source says"),
    Property("arrival", "Import", "the import that it came with"),
    Property("folder", "Folder", "the folder or file that it lay in"),
)


def prepare(store: Store, trial: Trial, progress: Progress | None = None) -> np.ndarray | None:
    """Measure what is missing: light and sharpness of the dataset's pictures, landmarks of the trial's.

    Returns:
        (rows, 68, 2) landmarks for `cuts`; None where faces were sought in larger pictures.

    Raises:
        BadInput: a picture cannot be read.
        NotFound: the landmark predictor's file is not there.
        StorageError: it could not be stored.
    """
    measures.measure(store, trial.rows.dataset, progress=progress)
    if trial.faces != WHOLE:
        return None
    frame = trial.rows.frame
    pictures = arrays.build(store, frame, _LOOK, progress)
    return arrays.landmarks(pictures, frame, _LOOK, progress)


def cuts(store: Store, result: Result, dataset: str, points: np.ndarray | None = None) -> list[Cut]:
    """The result by every property that at least some of its faces have, in the order of PROPERTIES.

    Args:
        points: (rows, 68, 2) as `prepare` gives them: for all rows of the trial, which `result.frame`'s index
            numbers.
    """
    values = _values(store, result, dataset, points)
    found = [_cut(each, values[each.id], result) for each in PROPERTIES if each.id in values]
    found = [cut for cut in found if cut.slices]
    tested = [s for cut in found for s in cut.slices if s.p is not None]
    held = benjamini_hochberg([s.p for s in tested if s.p is not None])
    holding = {id(s) for s, holds in zip(tested, held, strict=True) if holds}
    return [
        replace(cut, slices=tuple(replace(s, holds=id(s) in holding) for s in cut.slices)) for cut in found
    ]


def benjamini_hochberg(p: Sequence[float], rate: float = RATE) -> np.ndarray:
    """(N,) bool, which differences hold so that at most `rate` of those that do are expected to be chance.

    Source: Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57, 289-300.
    """
    values = np.asarray(p, float)
    order = np.argsort(values)
    passed = np.flatnonzero(values[order] <= rate * np.arange(1, len(values) + 1) / max(len(values), 1))
    holds = np.zeros(len(values), bool)
    holds[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return holds


def differs(right: np.ndarray, inside: np.ndarray) -> float | None:
    """p of the difference in accuracy between the faces inside and the others; None where there are too few.

    Args:
        right, inside: (N,) bool.

    Source: the test of two proportions with a pooled variance, Pearson's chi-squared.
    """
    n, rest = int(inside.sum()), int((~inside).sum())
    if min(n, rest) < LEAST:
        return None
    pooled = float(right.mean())
    variance = pooled * (1 - pooled) * (1 / n + 1 / rest)
    if variance <= 0:
        return 1.0
    z = float(right[inside].mean() - right[~inside].mean()) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


def record(found: Sequence[Cut]) -> list[dict]:
    """All figures, ready for JSON."""
    return [
        {
            "property": cut.property.id,
            "unknown": cut.unknown,
            "slices": [
                {
                    "name": s.name,
                    "n": len(s.places),
                    "accuracy": s.accuracy,
                    "accuracy_low": s.low,
                    "accuracy_high": s.high,
                    "expected": s.expected,
                    "p": s.p,
                    "holds": s.holds,
                }
                for s in cut.slices
            ],
        }
        for cut in found
    ]


def _cut(asked: Property, values: np.ndarray, result: Result) -> Cut:
    known = ~pd.isna(values)
    groups = list(_bins(asked, values, known) if asked.sign else _names(asked, values, known, result))
    parts = tuple(_slice(name, inside, known, result) for name, inside in groups)
    return Cut(asked, parts, int((~known).sum()))


def _bins(asked: Property, values: np.ndarray, known: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (N,) bool of parts of about equally many faces; fewer where many have the same value."""
    numbers = np.where(known, values, np.nan).astype(float)
    some = numbers[known]
    if not len(some):
        return
    parts = max(2, min(BINS, len(some) // (4 * LEAST)))
    edges = np.unique(np.round(np.quantile(some, np.arange(1, parts) / parts), asked.digits))
    where = np.searchsorted(edges, numbers, side="right")
    for place in range(len(edges) + 1):
        inside = known & (where == place)
        if inside.any():
            yield _named(asked, edges, place, numbers[inside]), inside


def _named(asked: Property, edges: np.ndarray, place: int, values: np.ndarray) -> str:
    least, most = values.min(), values.max()
    if least == most:
        return asked.sign.format(round(float(least), asked.digits))
    if (values == np.round(values, asked.digits)).all():
        # Few values, as ten raters give: those that are there say more than edges.
        return f"{least:g} to {asked.sign.format(most)}"
    if place == 0:
        return f"below {asked.sign.format(edges[0])}"
    if place == len(edges):
        return f"{asked.sign.format(edges[-1])} or more"
    return f"{edges[place - 1]:g} to {asked.sign.format(edges[place])}"


def _names(
    asked: Property, values: np.ndarray, known: np.ndarray, result: Result
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (N,) bool, those of most faces first; expressions in the order of the label set."""
    counts = pd.Series(values[known]).value_counts()
    names = list(counts.index)
    if asked.id == "label":
        names = [name for name in result.label_set.names if name in counts.index]
    shown = names[:MOST]
    for name in shown:
        yield str(name), known & (values == name)
    if len(names) > MOST:
        yield f"{len(names) - MOST} others", known & ~np.isin(values.astype(str), [str(n) for n in shown])


def _slice(name: str, inside: np.ndarray, known: np.ndarray, result: Result) -> Slice:
    n, hits = int(inside.sum()), int(result.right[inside].sum())
    by_class = np.bincount(result.truth, result.right, len(result.label_set)) / np.maximum(
        np.bincount(result.truth, minlength=len(result.label_set)), 1
    )
    expected = float(by_class[result.truth[inside]].mean())
    p = differs(result.right[known], inside[known])
    return Slice(name, np.flatnonzero(inside), hits / n, *metrics.wilson(hits, n), expected, p)


def _values(store: Store, result: Result, dataset: str, points: np.ndarray | None) -> dict[str, np.ndarray]:
    """(N,) values of each property that is known at all, by its id."""
    frame = result.frame
    names = np.array(result.label_set.names, object)
    values: dict[str, np.ndarray] = {"label": names[result.truth]}
    if answers := votes.names(frame):
        table = votes.counts(frame, answers)
        cast = table.sum(axis=1)
        values["agreement"] = np.where(cast > 0, 100 * table.max(axis=1) / np.maximum(cast, 1), np.nan)
    values |= _measured(store, frame)
    if points is not None:
        yaw, roll = turn_and_tilt(points[frame.index])
        values |= {"turn": np.abs(yaw), "tilt": np.abs(roll)}
    if frame["subject"].notna().any():
        values["subject"] = frame["subject"].to_numpy(object)
    return values | _origins(store, frame, dataset)


def _measured(store: Store, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    image, measure = schema.image.c, schema.measure.c
    columns = (image.id, image.width, measure.brightness, measure.contrast, measure.sharpness)
    query = sa.select(*columns).join_from(schema.image, schema.measure, isouter=True)
    rows: list = []
    with store.read() as connection:
        for images in stores.slices(sorted(set(frame["image"]))):
            rows += connection.execute(query.where(image.id.in_(images)))
    table = pd.DataFrame(rows, columns=["image", "size", "brightness", "contrast", "sharpness"])
    table = table.set_index("image").reindex(frame["image"]).astype(float)
    return {name: table[name].to_numpy() for name in table}


def _origins(store: Store, frame: pd.DataFrame, dataset: str) -> dict[str, np.ndarray]:
    """Import and folder; left out where there is but one, or where each folder holds one label."""
    samples, known = frame["sample"].to_numpy(), schema.sample.c
    sources: dict[int, str] = {}
    with store.read() as connection:
        for some in stores.slices(samples.tolist()):
            query = sa.select(known.id, known.source).where(known.id.in_(some))
            sources |= {row.id: row.source for row in connection.execute(query)}
        mine = schema.arrival.c.dataset == find_dataset(connection, dataset).id
        came = connection.execute(sa.select(schema.arrival).where(mine)).all()
    folders = np.array([_folder(sources.get(sample)) for sample in samples.tolist()], object)
    arrivals = np.full(len(samples), None, object)
    for row in came:
        arrivals[(samples >= row.first) & (samples <= row.last)] = f"{row.what}, {row.at[:10]}"
    found = {"arrival": arrivals, "folder": folders}
    labels = pd.Series(frame["label"].to_numpy(object)).groupby(folders, sort=False).nunique()
    if len(labels) and labels.max() <= 1:
        del found["folder"]
    return {name: values for name, values in found.items() if pd.Series(values).nunique() > 1}


def _folder(source: str | None) -> str | None:
    """ "train/sad" of "train/sad/7.png", "fer2013.csv" of "fer2013.csv:7"."""
    if source is None:
        return None
    parent = str(PurePosixPath(source).parent)
    return parent if parent != "." else source.rpartition(":")[0] or None
