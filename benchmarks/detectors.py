"""How many faces each detector finds, how often it cries wolf, and how long it takes.

    python -m benchmarks.detectors --data FOLDER [--yunet FILE] [--names haar,blazeface] [--times]
    python -m benchmarks.detectors --data FOLDER --conventions

FOLDER holds jaffe.zip, affect7.zip and, for --conventions, fer2013.zip. Faces of JAFFE and of
affect7's test part are pasted, at known places and sizes, into 640x480 pictures in which nobody is;
these pictures alone are searched too. The result is written to
fer_core/imaging/detectors/measured.json, from where pages read it.

A face's true box is the median of the boxes that the detectors themselves draw on its own picture,
in Haar's convention; a face counts where at least three of them agree on it.
"""

import argparse
import importlib
import io
import json
import math
import os
import platform
import time
import zipfile
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from fer_core.errors import FerError
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.detectors.base import Convention
from fer_core.imaging.faces import Box

WIDTH, HEIGHT = 640, 480
SIZES = (32, 40, 48, 64, 96, 160, 240)
"""px, sides of the pasted faces' boxes."""

BACKGROUNDS = ("coffee", "brick", "grass", "gravel", "rocket", "hubble_deep_field", "coins", "chelsea")
FACES_PER_SIZE = 160
SLOW = ("mmod",)
FACES_PER_SIZE_SLOW = 12
MARGIN = 0.5
"""Black round a face picture while its box is sought, in picture sides: affect7's faces touch the edge,
and no cascade draws a box that reaches past it."""

HIT = 0.4
"""Least intersection over union with the true box."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, the true box in it (None: nobody is there), and the box's side in px."""

    image: np.ndarray
    box: Box | None
    size: int


def main() -> None:
    arguments = _arguments()
    if arguments.yunet:
        os.environ["FER_YUNET"] = str(arguments.yunet)
    names = [name for name, reason in detectors.available().items() if reason is None]
    if arguments.conventions:
        for name in names:
            print_convention(name, arguments.data)
        return
    wanted = arguments.names.split(",") if arguments.names else names
    faces = reference_faces(arguments.data, [name for name in names if name not in SLOW])
    print(f"{len(faces)} faces have a box that at least three detectors agree on")
    target = Path(detectors.__file__).with_name("measured.json")
    measured = json.loads(target.read_text())["detectors"] if target.is_file() else {}
    for name in wanted:
        if arguments.times and name in measured:
            measured[name] |= timing(name, faces)
        else:
            measured[name] = measure(name, faces, FACES_PER_SIZE_SLOW if name in SLOW else FACES_PER_SIZE)
        print(name, json.dumps(measured[name]))
    record = {
        "schema_version": 1,
        "what": (
            f"Faces of JAFFE and affect7 (test part), {SIZES[0]} to {SIZES[-1]} px, pasted into "
            f"{WIDTH}x{HEIGHT} pictures; found: intersection over union >= {HIT}; "
            "low and high: Wilson 95 % interval."
        ),
        "detectors": dict(sorted(measured.items())),
    }
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n")
    os.replace(partial, target)


def measure(name: str, faces: list[tuple[np.ndarray, Box]], per_size: int) -> dict:
    """Recall and false alarms of one detector, and its time."""
    detector = detectors.get(name)
    pictures = backgrounds()
    found: dict[int, list[bool]] = {size: [] for size in SIZES}
    false_alarms, photos = 0, 0
    empty = [Scene(image, None, 0) for image in pictures]
    for scene in [*empty, *scenes(faces, pictures, per_size)]:
        boxes = [face.box for face in detector.detect(scene.image)]
        hits = [scene.box is not None and box.iou(scene.box) >= HIT for box in boxes]
        false_alarms += hits.count(False)
        photos += 1
        if scene.box is not None:
            found[scene.size].append(any(hits))
    n, k = sum(map(len, found.values())), sum(map(sum, found.values()))
    low, high = wilson(k, n)
    return {
        "n": n,
        "recall": round(k / n, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "recall_by_size": {str(size): round(sum(row) / len(row), 4) for size, row in found.items()},
        "photos": photos,
        "false_alarms_per_photo": round(false_alarms / photos, 4),
        **timing(name, faces),
    }


def timing(name: str, faces: list[tuple[np.ndarray, Box]]) -> dict:
    """Milliseconds a picture: the median over pictures of every face size, each the best of five.

    The best, because whatever else runs on the machine only ever makes it slower.
    """
    detector = detectors.get(name)
    best = []
    for scene in scenes(faces, backgrounds(), 1 if name in SLOW else 6):
        times = []
        for _ in range(5):
            started = time.perf_counter()
            detector.detect(scene.image)
            times.append(time.perf_counter() - started)
        best.append(min(times))
    return {
        "ms": round(float(np.median(best)) * 1e3, 2),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson 1927."""
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return middle - half, middle + half


def scenes(faces: list[tuple[np.ndarray, Box]], pictures: list[np.ndarray], per_size: int) -> list[Scene]:
    """Every size with the same number of faces, each at a random place in the next picture."""
    rng = np.random.default_rng(20)
    chosen = cycle(rng.permutation(len(faces)))
    around = cycle(pictures)
    return [paste(*faces[next(chosen)], size, next(around), rng) for size in SIZES for _ in range(per_size)]


def paste(face: np.ndarray, box: Box, size: int, background: np.ndarray, rng: np.random.Generator) -> Scene:
    """A face's own picture, resized so that its box is `size` px wide, somewhere in another picture."""
    factor = size / box.width
    wide, high = (max(1, round(length * factor)) for length in face.shape[1::-1])
    small = cv2.resize(face, (wide, high), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    # A picture that is larger than the background loses what hangs over, never the face itself.
    left = int(rng.integers(min(0, WIDTH - wide), max(0, WIDTH - wide) + 1))
    top = int(rng.integers(min(0, HEIGHT - high), max(0, HEIGHT - high) + 1))
    left = int(np.clip(left, -box.x * factor, WIDTH - (box.x + box.width) * factor))
    top = int(np.clip(top, -box.y * factor, HEIGHT - (box.y + box.height) * factor))
    image = background.copy()
    x0, y0, x1, y1 = max(0, left), max(0, top), min(WIDTH, left + wide), min(HEIGHT, top + high)
    image[y0:y1, x0:x1] = small[y0 - top : y1 - top, x0 - left : x1 - left]
    return Scene(image, Box(left + box.x * factor, top + box.y * factor, size, size), size)


def backgrounds() -> list[np.ndarray]:
    """640x480 pictures in which no person is."""
    pictures = []
    for name in BACKGROUNDS:
        image = getattr(skimage.data, name)()
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        height, width = image.shape[:2]
        factor = max(WIDTH / width, HEIGHT / height)
        size = max(WIDTH, round(width * factor)), max(HEIGHT, round(height * factor))
        pictures.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA)[:HEIGHT, :WIDTH].copy())
    return pictures


def reference_faces(folder: Path, names: list[str]) -> list[tuple[np.ndarray, Box]]:
    """Face pictures with the median box of the detectors that agree on it."""
    faces = []
    for image in [
        *pictures_of(folder / "jaffe.zip", "jaffe/", 1),
        *pictures_of(folder / "affect7.zip", "test/", 2),
    ]:
        padded, margin = with_margin(image)
        boxes = [found[0].box for found in (detectors.get(name).detect(padded) for name in names) if found]
        if not boxes:
            continue
        middle = Box(*np.median([(b.x, b.y, b.width, b.height) for b in boxes], axis=0).tolist())
        if sum(box.iou(middle) >= 0.6 for box in boxes) >= 3:
            faces.append((image, replace(middle, x=middle.x - margin, y=middle.y - margin)))
    return faces


def with_margin(image: np.ndarray) -> tuple[np.ndarray, int]:
    """The picture in a black frame, and the frame's width in px."""
    margin = round(MARGIN * max(image.shape[:2]))
    return np.pad(image, ((margin, margin), (margin, margin), (0, 0))), margin


def pictures_of(archive: Path, start: str, every: int) -> list[np.ndarray]:
    """Each `every`th picture of a zip below a folder, by name."""
    with zipfile.ZipFile(archive) as files:
        endings = (".tiff", ".jpg", ".jpeg", ".png")
        names = sorted(n for n in files.namelist() if n.startswith(start) and n.lower().endswith(endings))
        return [decode_image(files.read(name)) for name in names[::every]]


def print_convention(name: str, folder: Path) -> None:
    """Medians of Haar's box in terms of a detector's own box: scale, right, down, in box sides.

    FER2013's crops were made by Haar, so that there the whole crop is the box to meet.
    """
    if name != "haar":
        importlib.import_module(f"fer_core.imaging.detectors.{name}").CONVENTION = Convention(1.0, 0.0, 0.0)
    few = 10 if name in SLOW else 1
    sets = {"fer2013": fer2013_in_margin(folder / "fer2013.zip", 500 // few)}
    if name != "haar":
        images = {
            "jaffe": pictures_of(folder / "jaffe.zip", "jaffe/", few),
            "affect7": pictures_of(folder / "affect7.zip", "train/", 4 * few),
        }
        for label, pictures in images.items():
            padded = [with_margin(image)[0] for image in pictures]
            found = [(image, detectors.get("haar").detect(image)) for image in padded]
            sets[label] = [(image, faces[0].box) for image, faces in found if faces]
    for label, pairs in sets.items():
        rows = []
        for image, wanted in pairs:
            faces = detectors.get(name).detect(image)
            if faces and faces[0].box.iou(wanted) > 0.3:
                own = faces[0].box
                side = max(own.width, own.height)
                (wx, wy), (x, y) = wanted.centre, own.centre
                rows.append((wanted.width / side, (wx - x) / side, (wy - y) / side))
        middle, spread = np.median(rows, axis=0).round(3), np.std(rows, axis=0).round(3)
        print(
            f"{name:10} {label:8} n={len(rows):4} scale, right, down: {middle}  spread {spread}", flush=True
        )


def fer2013_in_margin(archive: Path, count: int) -> list[tuple[np.ndarray, Box]]:
    """FER2013 crops, four times as large, in a margin that repeats their edge; with the crop's place."""
    side, margin, every = 192, 96, 20
    pairs = []
    with zipfile.ZipFile(archive) as files, files.open("fer2013.csv") as stream:
        lines = islice(io.TextIOWrapper(stream), 1, 1 + count * every, every)
        for line in lines:
            crop = np.array(line.split(",")[1].split(), np.uint8).reshape(48, 48)
            large = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
            framed = cv2.copyMakeBorder(large, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
            pairs.append((cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB), Box(margin, margin, side, side)))
    return pairs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of jaffe.zip and affect7.zip")
    parser.add_argument("--yunet", type=Path, help="face_detection_yunet_2023mar.onnx")
    parser.add_argument("--names", help="only these detectors, separated by commas")
    parser.add_argument("--times", action="store_true", help="measure only the times anew")
    parser.add_argument("--conventions", action="store_true", help="print the box conventions only")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except FerError as error:
        raise SystemExit(str(error)) from error
