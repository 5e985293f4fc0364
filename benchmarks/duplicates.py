"""Near duplicates: seconds for FER2013, growth at ten times as many, and the usual ways beside it.

    python -m benchmarks.duplicates [--data FOLDER]

With FOLDER (holding fer2013.zip or fer2013.csv) the pictures are FER2013's; without, faces that are
drawn. Ten times as many pictures are simulated: their main components are drawn from the normal
distribution that the real ones have, grain is added, and one in eight is a changed copy (lighter,
darker, shifted by a pixel, mirrored) of the one before. They exist as 48x48 pixels, so each sieve does its
full work; only reading and decoding files is left out there.

The usual ways: all pairs of 64-bit perceptual hashes (difference hash, as imagehash's), and a BK-tree
over them, as imagededup's default, both at its default distance of 10.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from fer_core.dataset import duplicates, importers, measures, practice
from fer_core.dataset.store import Store
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import to_input

SIDE, ROUNDS, TIMES, USUAL = 48, 3, 10, 4000
FAR = 10


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "studio.db")
        name = _fill(store, options.data)
        started = time.perf_counter()
        count = measures.measure(store, name)
        measured = time.perf_counter() - started
        seconds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            copies = duplicates.near_copies(store, name)
            seconds.append(time.perf_counter() - started)
        found = statistics.median(seconds)
        print(f"{count:,} pictures: measured in {measured:.1f} s, near copies found in {found:.1f} s")
        print(f"  {len(copies.group):,} pictures in {len(set(copies.group.values())):,} groups")
        pictures = _pictures(store, name)
    _growth(pictures)
    _usual(pictures[:USUAL])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with FER2013")
    return parser.parse_args()


def _fill(store: Store, data: Path | None) -> str:
    if data is None:
        return practice.import_practice(store, count=4200).dataset
    path = next(path for path in (data / "fer2013.csv", data / "fer2013.zip") if path.is_file())
    return importers.import_any(store, path, name="fer2013").dataset


def _pictures(store: Store, name: str) -> np.ndarray:
    """(N, SIDE, SIDE) uint8 grey."""
    ids, _ = duplicates._fingerprints(store, name, None)
    spec = measures.InputSpec(SIDE, SIDE, 1)
    data = store.image_bytes(ids)
    return np.stack([to_input(decode_image(data[image]), None, spec)[..., 0] for image in ids])


def _growth(pictures: np.ndarray) -> None:
    """Seconds for as many simulated pictures, and for TIMES as many."""
    taken = {}
    for count in (len(pictures), TIMES * len(pictures)):
        drawn = _simulated(pictures, count)
        thumbs = np.stack([to_input(picture, None, measures.FINGERPRINT)[..., 0] for picture in drawn])
        started = time.perf_counter()
        pairs = duplicates.candidates(thumbs)
        sieved = time.perf_counter() - started
        found = duplicates.confirmed(pairs, lambda numbers, drawn=drawn: {n: drawn[n] for n in numbers})
        groups = duplicates.clusters(found, thumbs)
        taken[count] = time.perf_counter() - started
        copies = np.arange(8, count, 8)
        hits = sum(groups.get(n, -1) == groups.get(n - 1, -2) for n in copies.tolist())
        print(
            f"{count:,} simulated: {taken[count]:.1f} s ({sieved:.1f} s for {len(pairs):,} candidates), "
            f"{hits / len(copies):.1%} of the copies found, {len(groups):,} pictures in groups"
        )
    first, last = taken.values()
    print(f"{TIMES} times as many take {last / first:.1f} times as long")


def _simulated(pictures: np.ndarray, count: int, components: int = 200) -> np.ndarray:
    """(count, SIDE, SIDE) uint8: see the top of this file."""
    random = np.random.default_rng(0)
    some = random.choice(len(pictures), min(len(pictures), 4000), replace=False)
    flat = pictures[some].reshape(len(some), -1).astype(np.float32)
    mean = flat.mean(axis=0)
    _, sizes, axes = np.linalg.svd(flat - mean, full_matrices=False)
    scaled = axes[:components] * (sizes[:components, None] / np.sqrt(len(some)))
    drawn = np.empty((count, SIDE, SIDE), np.uint8)
    for start in range(0, count, 4096):
        number = min(4096, count - start)
        block = random.standard_normal((number, len(scaled)), np.float32) @ scaled + mean
        block += random.standard_normal(block.shape, np.float32) * 3
        drawn[start : start + number] = block.clip(0, 255).reshape(-1, SIDE, SIDE)
    changes = (
        lambda p: cv2.convertScaleAbs(p, alpha=0.85, beta=20),
        lambda p: cv2.convertScaleAbs(p, alpha=0.7),
        lambda p: np.pad(p, ((0, 1), (0, 1)), mode="edge")[1:, 1:],
        lambda p: p[:, ::-1],
    )
    for place, copy in enumerate(range(8, count, 8)):
        drawn[copy] = changes[place % len(changes)](drawn[copy - 1])
    return drawn


def _usual(pictures: np.ndarray) -> None:
    """The usual ways on a part, ours on the same part; ratios of seconds, also as they grow."""
    seconds: dict[str, list[float]] = {"ours": [], "all pairs": [], "BK-tree": []}
    for share in (0.5, 1.0):
        part = pictures[: int(len(pictures) * share)]
        thumbs = np.stack([to_input(picture, None, measures.FINGERPRINT)[..., 0] for picture in part])
        hashes = [_difference_hash(picture) for picture in part]
        for name, work in (
            ("ours", lambda t=thumbs, p=part: _ours(t, p)),
            ("all pairs", lambda h=hashes: _all_pairs(h)),
            ("BK-tree", lambda h=hashes: _bk_tree(h)),
        ):
            started = time.perf_counter()
            pairs = work()
            seconds[name].append(time.perf_counter() - started)
            print(f"{len(part):,} pictures, {name}: {seconds[name][-1]:.1f} s, {pairs:,} pairs")
    for name in ("all pairs", "BK-tree"):
        ratio = seconds[name][-1] / seconds["ours"][-1]
        growth = seconds[name][-1] / seconds[name][0]
        print(f"{name}: {ratio:.1f} times as long as ours; twice as many take {growth:.1f} times as long")


def _ours(thumbs: np.ndarray, pictures: np.ndarray) -> int:
    pairs = duplicates.candidates(thumbs)
    return len(duplicates.confirmed(pairs, lambda numbers: {n: pictures[n] for n in numbers}))


def _difference_hash(picture: np.ndarray) -> int:
    small = cv2.resize(picture, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _all_pairs(hashes: list[int]) -> int:
    return sum(
        (one ^ other).bit_count() <= FAR for place, one in enumerate(hashes) for other in hashes[:place]
    )


def _bk_tree(hashes: list[int]) -> int:
    """Each hash is looked up in the tree of those before it, then added."""
    root: tuple[int, dict] = (hashes[0], {})
    found = 0
    for value in hashes[1:]:
        waiting = [root]
        while waiting:
            here, children = waiting.pop()
            distance = (here ^ value).bit_count()
            found += distance <= FAR
            waiting += [child for d, child in children.items() if abs(d - distance) <= FAR]
        node = root
        while (distance := (node[0] ^ value).bit_count()) in node[1]:
            node = node[1][distance]
        node[1][distance] = (value, {})
    return found


if __name__ == "__main__":
    main()
