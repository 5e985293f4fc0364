"""Copies of a picture that differ in their pixels: brighter, compressed anew, cut a little, mirrored.

Three sieves, each finer and dearer than the one before. A code of 48 signs that fit the dataset
proposes pairs through sorted tables, in nearly linear time. The fingerprints say which of them are
alike once a small shift, turn and change of size are allowed for. The pixels, laid over each
other, decide. `python -m benchmarks.duplicates` measures all of it.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import sqlalchemy as sa

from fer_core.dataset import measures, schema
from fer_core.dataset.intake import Progress
from fer_core.dataset.store import Store, find_dataset, slices
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import InputSpec, to_input

SAME = 0.95
"""Least correlation of two pictures laid over each other. In FER2013 pairs looked at by eye are the same
photo from here on; as they lie, unaligned, only half of those pairs reach it."""

SAME_DETAIL = 0.96
"""Least correlation of their gradients. Among FER2013's pairs that pass SAME one in 30 lies below, all
of them copies under watermarks; so do two moments of one sitting, which are alike in all else: of
JAFFE's pairs that pass SAME, nearly nine in ten."""

BLANK = 2.0
"""Standard deviation in grey levels below which a picture shows nothing that could be compared."""

Read = Callable[[list[int]], dict[int, np.ndarray]]
"""Grey (S, S) uint8 pictures, by number, each in a size of its own."""

_SIDE = measures.FINGERPRINT.height
_BITS = 48
_TABLES, _UNSURE_BITS, _WINDOW = 24, 3, 32
_FAR = 14
"""Bits in which codes of copies differ at most: 99 in 100 of FER2013's do. Two fewer in ten times
_USUAL pictures."""

_USUAL = 30_000

_ROUGH = 0.8
_ALLOWED = 0.92
"""Correlation of fingerprints as they lie, and with small movements allowed; all but 4 in 1,000 of
FER2013's copies pass at 0.94, and cuts of 3 % need a little less."""

_OWN = 0.84
"""The same, of what a picture does not share with the dataset's mean: masks and frames that all have make
any two alike. Loses 2 of FER2013's 3,962 copies and spares 41 of 42 comparisons where faces are masked."""

_UNLIKE = 0.85
"""Two groups whose representatives are less alike than this are not joined by a pair between them."""

_SIDES, _LEAST = (48, 96), 16
"""px: sides at which pictures are laid over each other, the coarse before the fine."""

_PART = 8192


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures that are copies of each other, by number.

    Attributes:
        first, second: (P,) int64.
        mirrored: (P,) bool, whether the second shows the first in a mirror.
        likeness: (P,) float32, SAME_DETAIL..1.
    """

    first: np.ndarray
    second: np.ndarray
    mirrored: np.ndarray
    likeness: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def where(self, chosen: np.ndarray) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.first[chosen], self.second[chosen], self.mirrored[chosen], self.likeness[chosen])


@dataclass(frozen=True)
class NearCopies:
    """Pictures of which there are near copies.

    Attributes:
        group: id of a picture -> id of the picture that stands for its group.
        likeness: id of a picture -> how like it is to the most similar one, SAME_DETAIL..1.
    """

    group: dict[str, str]
    likeness: dict[str, float]


def near_copies(
    store: Store,
    dataset: str | Sequence[str],
    images: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
) -> NearCopies:
    """Find near copies among the pictures of a dataset; what was not measured yet is measured first.

    Args:
        dataset: a dataset, or several, whose pictures are compared across them too.
        images: ids of the pictures to compare; None compares all of the datasets'.
        progress: called with (done, in all, text) in the unit of each step.

    Raises:
        NotFound: no such dataset.
        BadInput: a picture cannot be read.
    """
    datasets = [dataset] if isinstance(dataset, str) else list(dataset)
    for each in datasets:
        measures.measure(store, each, progress=progress)
    ids, thumbs = _fingerprints(store, datasets, None if images is None else set(images))

    def read(numbers: list[int]) -> dict[int, np.ndarray]:
        data = store.image_bytes(ids[number] for number in numbers)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(numbers, pool.map(_looked_at, data.values()), strict=True))

    pairs = confirmed(candidates(thumbs, progress), read, progress)
    groups = clusters(pairs, thumbs)
    likeness: dict[str, float] = {}
    for first, second, like in zip(pairs.first, pairs.second, pairs.likeness, strict=True):
        if groups.get(first) is not None and groups.get(first) == groups.get(second):
            for number in (first, second):
                likeness[ids[number]] = max(likeness.get(ids[number], 0.0), float(like))
    return NearCopies({ids[number]: ids[root] for number, root in groups.items()}, likeness)


def candidates(thumbs: np.ndarray, progress: Progress | None = None) -> Pairs:
    """Pairs of fingerprints that may belong to copies, found without comparing each with each.

    Each table sorts the pictures, and their mirror images, by some bits of their codes. Pictures with
    equal bits lie side by side there; the bits of which a picture is least sure are tried both ways.

    Args:
        thumbs: (N, 16, 16) uint8 fingerprints (measures.FINGERPRINT); plain ones pair with nothing.
        progress: called with (tables done, tables in all, text).

    Source: Indyk & Motwani 1998 (locality-sensitive hashing by sampled bits); Lv et al. 2007
    (probing by certainty).
    """
    count = len(thumbs)
    shown = np.flatnonzero(thumbs.reshape(count, _SIDE * _SIDE).std(axis=1) >= BLANK)
    if len(shown) < 2:
        return _no_pairs()
    values = _values(thumbs[shown])
    n = len(shown)
    signs = values > 0
    codes = np.packbits(np.pad(signs, ((0, 0), (0, 64 - _BITS))), axis=1).view(np.uint64)[:, 0]
    # The more pictures, the more strangers have similar codes: keys grow and codes must be closer, or
    # the work would grow with the square.
    width = int(np.clip(np.ceil(1.5 * np.log2(n)) - 5, 8, _BITS - 8))
    far = _FAR - max(0, round(2 * np.log10(n / _USUAL)))
    random = np.random.default_rng(0)
    found = []
    for table in range(_TABLES):
        bits = random.choice(_BITS, width, replace=False)
        found.append(_table(signs[:, bits], np.abs(values[:, bits]), codes, n, far))
        if progress:
            progress(table + 1, _TABLES, "looking for near copies")
    first, second = np.divmod(_distinct(np.concatenate(found)), 2 * n)
    mirrored, second = second >= n, second % n
    low, high = np.minimum(first, second), np.maximum(first, second)
    # A pair in the mirror is met twice, once from each side.
    once = _distinct((low * n + high) * 2 + mirrored)
    low, high, mirrored = once // 2 // n, once // 2 % n, once % 2 == 1
    common = thumbs[shown].mean(axis=0, dtype=np.float32)
    common = common + common[:, ::-1]
    alike = np.zeros(len(once), np.float32)
    for start in range(0, len(once), _PART):
        part = slice(start, start + _PART)
        other = thumbs[shown[high[part]]]
        other = np.where(mirrored[part, None, None], other[:, :, ::-1], other)
        alike[part] = _alike(thumbs[shown[low[part]]], other, common)
    return Pairs(shown[low], shown[high], mirrored, alike).where(alike >= _ALLOWED)


def confirmed(pairs: Pairs, read: Read, progress: Progress | None = None) -> Pairs:
    """Those pairs whose pictures, laid over each other, are the same photo."""
    likeness = np.zeros(len(pairs), np.float32)
    pictures: dict[int, np.ndarray] = {}

    def compare(place: int) -> float:
        one, other = pictures[int(pairs.first[place])], pictures[int(pairs.second[place])]
        return same_photo(one, other[:, ::-1] if pairs.mirrored[place] else other)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pairs), 4096):
            part = range(start, min(start + 4096, len(pairs)))
            pictures = read(np.unique(np.concatenate([pairs.first[part], pairs.second[part]])).tolist())
            for place, like in zip(part, pool.map(compare, part, chunksize=64), strict=True):
                likeness[place] = like
                if progress and (place % 256 == 0 or place + 1 == len(pairs)):
                    progress(place + 1, len(pairs), "comparing near copies")
    found = Pairs(pairs.first, pairs.second, pairs.mirrored, likeness)
    return found.where(likeness > 0)


def same_photo(one: np.ndarray, other: np.ndarray) -> float:
    """How like two grey (S, S) uint8 pictures are in their detail; 0 where they are not the same photo.

    One is moved, turned, scaled and sheared until it fits the other, which they must do in grey levels
    and in gradients: first at a small size, which ends most comparisons, then at the smaller one's own.
    A light or contrast of their own does not count.

    Source: Evangelidis & Psarakis 2008 (ECC alignment).
    """
    whole = min(len(one), len(other))
    move, detail, before = np.eye(2, 3, dtype=np.float32), 0.0, 0
    for side in sorted({min(whole, most) for most in _SIDES}):
        spec = InputSpec(side, side, 1)
        first, second = to_input(one, None, spec)[..., 0], to_input(other, None, spec)[..., 0]
        move[:, 2] *= side / before if before else 1
        detail, move, before = *_overlaid(first, second, move), side
        if detail < SAME_DETAIL:
            return 0.0
    return detail


def clusters(pairs: Pairs, thumbs: np.ndarray) -> dict[int, int]:
    """Number of each picture that has a copy -> number of the picture that stands for its group.

    The most similar pairs are joined first. A pair joins two groups only where the pictures that stand
    for them are alike too, so that a chain of small steps never leads to unlike pictures.
    """
    root: dict[int, int] = {}

    def find(number: int) -> int:
        while root.setdefault(number, number) != number:
            root[number] = number = root[root[number]]
        return number

    for place in np.lexsort((pairs.second, pairs.first, -pairs.likeness)):
        first, second = int(pairs.first[place]), int(pairs.second[place])
        one, other = sorted((find(first), find(second)))
        direct = {one, other} == {first, second}
        if one != other and (direct or _any_way_alike(thumbs[one], thumbs[other])):
            root[other] = one
    members = {number: find(number) for number in root}
    sizes = np.unique(list(members.values()), return_counts=True)
    alone = set(sizes[0][sizes[1] == 1].tolist()) if members else set()
    return {number: stands for number, stands in members.items() if stands not in alone}


def _looked_at(data: bytes) -> np.ndarray:
    """A stored picture as it is compared: (S, S) uint8 grey."""
    grey = cv2.cvtColor(decode_image(data, max_side=4 * _SIDES[-1]), cv2.COLOR_RGB2GRAY)
    side = int(np.clip(min(grey.shape), _LEAST, _SIDES[-1]))
    return to_input(grey, None, InputSpec(side, side, 1))[..., 0]


def _fingerprints(store: Store, datasets: list[str], chosen: set[str] | None) -> tuple[list[str], np.ndarray]:
    """Ids and (N, 16, 16) uint8 fingerprints of the distinct pictures of these datasets, by id."""
    sample, measured = schema.sample.c, schema.measure.c
    ids: list[str] = []
    hashes = bytearray()
    with store.read() as connection:
        keys = [find_dataset(connection, dataset).id for dataset in datasets]
        mine = sa.select(sample.image).where(sample.dataset.in_(keys)).distinct().order_by(sample.image)
        images = [image for image in connection.scalars(mine) if chosen is None or image in chosen]
        for some in slices(images):
            query = sa.select(measured.image, measured.hash).where(measured.image.in_(some))
            for image, content in connection.execute(query.order_by(measured.image)):
                ids.append(image)
                hashes += content
    return ids, np.frombuffer(hashes, np.uint8).reshape(-1, _SIDE, _SIDE)


def _values(thumbs: np.ndarray) -> np.ndarray:
    """(2N, _BITS) float32: low frequencies of the fingerprints, then of their mirror images, less the
    middle of this dataset: a face has its eyes above its mouth in all pictures, which tells nothing."""
    steps = np.arange(_SIDE)
    waves = np.cos(np.pi * (2 * steps[None] + 1) * steps[:10, None] / (2 * _SIDE)).astype(np.float32)
    u, v = np.divmod(np.arange(100), 10)
    lowest = np.argsort(u * u + v * v, kind="stable")[1 : _BITS + 1]
    rows, columns = u[lowest], v[lowest]
    low = np.empty((len(thumbs), _BITS), np.float32)
    for start in range(0, len(thumbs), _PART):
        part = thumbs[start : start + _PART].astype(np.float32)
        low[start : start + _PART] = (waves @ part @ waves.T)[:, rows, columns]
    middle, spread = low.mean(axis=0), low.std(axis=0) + 1e-6
    both = np.concatenate([low, np.where(columns % 2, -low, low)])
    return (both - middle) / spread


def _table(signs: np.ndarray, certainty: np.ndarray, codes: np.ndarray, n: int, far: int) -> np.ndarray:
    """Pairs that lie side by side when sorted by these bits: first * 2n + second, once each."""
    weights = 1 << np.arange(signs.shape[1])
    keys = [signs @ weights]
    doubtful = weights[np.argpartition(certainty, _UNSURE_BITS, axis=1)[:, :_UNSURE_BITS]]
    for bit in doubtful.T:
        keys += [key ^ bit for key in keys]
    shift = int(2 * n).bit_length()
    ordered = np.concatenate([key << shift | np.arange(2 * n) for key in keys])
    ordered.sort()
    key, item = ordered >> shift, ordered & ((1 << shift) - 1)
    found = []
    places = np.arange(len(key))
    for distance in range(1, _WINDOW + 1):
        places = places[: np.searchsorted(places, len(key) - distance)]
        places = places[key[places] == key[places + distance]]
        if not len(places):
            break
        one, other = item[places], item[places + distance]
        one, other = np.minimum(one, other), np.maximum(one, other)
        # Two mirror images are the same pair as the two pictures; a picture pairs not with its own.
        good = (one < n) & (other - one != n) & (np.bitwise_count(codes[one] ^ codes[other]) <= far)
        found.append(one[good] * (2 * n) + other[good])
    return _distinct(np.concatenate([np.zeros(0, np.int64), *found]))


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """Sorted, each once; several times as fast as np.unique where there are many repeats."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) != 0]


def _alike(one: np.ndarray, other: np.ndarray, common: np.ndarray | None = None) -> np.ndarray:
    """(P,) float32: correlation of (P, 16, 16) fingerprints, each of which may be moved and scaled a little.

    To first order, such a movement adds a picture's derivatives to it, so the best one is a least-squares
    fit. Zero for pairs that are too different as they lie, or beyond what is `common` (16, 16) to all.

    Source: Simard et al. 1993 (tangent distance).
    """
    flat = [t.reshape(len(t), -1).astype(np.float32) for t in (one, other)]
    flat = [f - f.mean(axis=1, keepdims=True) for f in flat]
    norms = [np.maximum(np.linalg.norm(f, axis=1), 1e-6) for f in flat]
    plain = np.einsum("ij,ij->i", *flat) / (norms[0] * norms[1])
    shared = np.zeros(_SIDE * _SIDE, np.float32)
    if common is not None:
        shared = (common - common.mean()).reshape(-1)
        shared /= max(float(np.linalg.norm(shared)), 1e-6)
    best = np.zeros(len(one), np.float32)
    rough = np.flatnonzero(plain >= _ROUGH)
    for this, that in (flat, flat[::-1]):
        model = _movements(this[rough])
        target = that[rough][:, :, None]
        square = model.transpose(0, 2, 1) @ model + np.eye(model.shape[2], dtype=np.float32) * 1e-2
        weights = np.linalg.solve(square, model.transpose(0, 2, 1) @ target)
        left = ((target - model @ weights)[:, :, 0] ** 2).sum(axis=1)
        whole = (target[:, :, 0] ** 2).sum(axis=1)
        own = np.maximum(whole - (target[:, :, 0] @ shared) ** 2, 1e-6)
        like = np.where(
            common is None or 1 - left / own >= _OWN**2, np.sqrt(np.clip(1 - left / whole, 0, 1)), 0
        )
        best[rough] = np.maximum(best[rough], like)
    return best


def _any_way_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two fingerprints are alike, as they lie or mirrored."""
    pair = np.stack([other, other[:, ::-1]])
    return bool(_alike(np.stack([one, one]), pair).max() >= _UNLIKE)


def _movements(flat: np.ndarray) -> np.ndarray:
    """(P, 256, 6) float32: a constant, the picture, and what it changes by when moved, scaled and turned."""
    pictures = flat.reshape(-1, _SIDE, _SIDE)
    wide = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) / 2
    down = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) / 2
    y, x = (np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2).astype(np.float32)
    parts = (np.ones_like(pictures), pictures, across, down, across * x + down * y, down * x - across * y)
    return np.stack(parts, axis=-1).reshape(len(flat), _SIDE * _SIDE, 6)


def _overlaid(first: np.ndarray, second: np.ndarray, move: np.ndarray) -> tuple[float, np.ndarray]:
    """How like the gradients of two (S, S) pictures are where the second fits the first best, and the
    (2, 3) affine movement that brings it there; 0 where the grey levels do not fit."""
    side, every = len(first), np.ones_like(first)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)
    try:
        _, moved = cv2.findTransformECC(first, second, move, cv2.MOTION_AFFINE, stop, every, 5)
    except cv2.error:  # they have nothing in common, which the search for a fit says by giving up
        return 0.0, move
    move = np.asarray(moved, np.float32)
    if np.abs(move[:, :2] - np.eye(2)).max() > 0.2 or np.abs(move[:, 2]).max() > side / 5:
        return 0.0, move
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    second = cv2.warpAffine(second, move, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inner = slice(side // 10, side - side // 10)
    smooth = [cv2.GaussianBlur(p.astype(np.float32), (0, 0), 0.7) for p in (first, second)]
    if _correlation(*(p[inner, inner] - p[inner, inner].mean() for p in smooth)) < SAME:
        return 0.0, move
    return _correlation(*(_gradient(p)[:, inner, inner] for p in smooth)), move


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of two arrays whose mean is zero, at most 1."""
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return min(1.0, float((one * other).sum()) / max(norm, 1e-6))


def _gradient(picture: np.ndarray) -> np.ndarray:
    """(2, H, W) float32."""
    return np.stack([cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)])


def _no_pairs() -> Pairs:
    none = np.zeros(0, np.int64)
    return Pairs(none, none, none.astype(bool), none.astype(np.float32))
