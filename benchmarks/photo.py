"""Photo to result: this project against the `fer` package, on the same photo in the same run.

    pip install --target .cache/bench --no-deps fer==25.10.3 setuptools==80.9.0
    python -m benchmarks.photo

(--no-deps: fer asks for torch and a second OpenCV, which its default path does not use.)
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from skimage import data

from fer_core import workspace
from fer_core.imaging import detectors
from fer_core.inference import photo
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

ROUNDS, BLOCK = 60, 10


def main() -> None:
    picture = vga(data.astronaut())
    predictor = Predictor.load(library.find(library.DEFAULT).folder)
    blazeface, haar = detectors.get("blazeface"), detectors.get("haar")
    peer, bgr = fer_package(), np.ascontiguousarray(picture[:, :, ::-1])
    times = side_by_side(
        {
            "this project (BlazeFace)": lambda: photo.analyse(picture, predictor, blazeface),
            "this project (Haar)": lambda: photo.analyse(picture, predictor, haar),
            "fer package (Haar)": lambda: peer.detect_emotions(bgr),
        }
    )
    base = times["fer package (Haar)"]
    print(f"one 640x480 photo, one face, median of {ROUNDS} calls in turns of {BLOCK}")
    for name, ms in times.items():
        print(f"  {name:28} {ms:7.2f} ms   {base / ms:5.1f} x")
    print(
        f"  faces found: {len(photo.analyse(picture, predictor, blazeface).faces)} here, "
        f"{len(peer.detect_emotions(bgr))} by fer"
    )

    faces = np.random.default_rng(0).integers(0, 256, (8, *predictor.card.input.shape), np.uint8)
    network = side_by_side({str(n): lambda n=n: predictor.predict(faces[:n]) for n in (1, 2, 4, 8)})
    print("faces in the network (with mirror image and calibration)")
    for count, ms in network.items():
        print(f"  {count} faces {ms:6.2f} ms   {ms / network['1']:5.2f} x one face")
    crowd = np.concatenate([np.concatenate([picture[:240, 120:440]] * 4, axis=1)] * 2)
    whole = side_by_side(
        {
            "one": lambda: photo.analyse(picture, predictor, blazeface),
            "eight": lambda: photo.analyse(crowd, predictor, blazeface),
        }
    )
    found = len(photo.analyse(crowd, predictor, blazeface).faces)
    print(
        f"photo to result with {found} faces ({crowd.shape[1]}x{crowd.shape[0]}): "
        f"{whole['eight'] / whole['one']:.2f} x one face"
    )


def side_by_side(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each way, in turns of BLOCK calls: each is warm, as in use, and all meet
    the same machine. The first two calls of a turn are not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS // BLOCK):
        for name, way in ways.items():
            for call in range(BLOCK + 2):
                start = time.perf_counter()
                way()
                if call >= 2:
                    times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def vga(image: np.ndarray) -> np.ndarray:
    """The picture in the middle of 640x480, scaled to its height."""
    side = 480
    canvas = np.full((480, 640, 3), 90, np.uint8)
    canvas[:, 80 : 80 + side] = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return canvas


def fer_package():
    sys.path.append(str(workspace.SHIPPED_MODELS.parent / ".cache" / "bench"))
    warnings.simplefilter("ignore")
    try:
        from fer.fer import FER
    except ImportError as error:
        raise SystemExit(f"{error}\n{__doc__}") from error
    return FER()


if __name__ == "__main__":
    main()
