"""A camera through the whole pipeline, against the `fer` package and a naive loop, on the same moving faces.

    pip install --target .cache/bench --no-deps fer==25.10.3 setuptools==80.9.0
    python -m benchmarks.live [--seconds 4] [--yunet FILE] [--replay 10000 [--only-replay]]

The astronaut of scikit-image is cut out, scaled and moved over a picture in which nobody is, with the noise
of a camera: 640x480, 30 frames a second, one face and four. A frame's true boxes are where the face was put.

"As fast as it goes" gives each way the newest frame of the running camera, again and again. "Found" is the
share of the true boxes that have a box on the picture shown (intersection over union of at least 0.4), and
"false" counts boxes on nobody, a frame; "delay" is from a frame's coming to its picture.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from benchmarks.photo import fer_package
from fer_core.imaging import detectors
from fer_core.imaging.faces import Box
from fer_core.inference import following, live, photo
from fer_core.inference.following import Follower, LiveFace, LiveSettings, Setup
from fer_core.inference.live import Session
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

FPS, LOOP = 30, 150
"""Frames a second and frames of the loop."""

WIDTH, HEIGHT, HIT = 640, 480, 0.4
NOISE = 6.0
"""Grey levels, standard deviation: a webcam in a room at evening."""

CUT, FACE = (0, 110, 230, 230), Box(177, 66, 95, 95)
"""Head of the astronaut (top, left, height, width), and her face where Haar's cascade draws it, px."""

Scene = list[tuple[np.ndarray, list[Box]]]
Way = Callable[[np.ndarray, float], Sequence[Box]]


def main() -> None:
    arguments = _arguments()
    if arguments.yunet:
        os.environ["FER_YUNET"] = str(arguments.yunet)
    predictor = Predictor.load(library.find(library.DEFAULT).folder)
    # First, before the other package brings its 500 MB.
    print(replay(scene(1), predictor, arguments.replay), flush=True)
    if arguments.only_replay:
        return
    for faces in (1, 4):
        frames = scene(faces)
        print(f"\n{faces} face{'s' * (faces > 1)}, {WIDTH}x{HEIGHT}, as fast as it goes")
        compare(frames, predictor, arguments.seconds)
        print("  at 30 frames a second:", camera(frames, predictor, arguments.seconds))
        print("    with HOG:", camera(frames, predictor, arguments.seconds, "hog"))
        slow, live._SLOW = live._SLOW, math.inf
        print("    with HOG, without optical flow:", camera(frames, predictor, arguments.seconds, "hog"))
        live._SLOW = slow
        print("  labels that change:", flicker(frames, predictor))
        print("  detectors (ms a frame, found, false):", rivals(frames))


def scene(faces: int) -> Scene:
    """LOOP frames with their true boxes; the faces swing and breathe, and the loop closes."""
    ground = cv2.resize(data.coffee(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    top, left, high, wide = CUT
    head = data.astronaut()[top : top + high, left : left + wide]
    rng, frames = np.random.default_rng(0), []
    for number in range(LOOP):
        picture, boxes = ground.copy(), []
        for face in range(faces):
            turn = 2 * np.pi * (number / LOOP + face / 4)
            room = (WIDTH, HEIGHT) if faces == 1 else (WIDTH // 2, HEIGHT // 2)
            side = round((0.7 if faces == 1 else 0.8) * room[1] * (1 + 0.15 * np.sin(2 * turn)))
            x = round((room[0] - side) * (0.5 + 0.5 * np.sin(turn))) + (face % 2) * (WIDTH - room[0])
            y = round((room[1] - side) * (0.5 + 0.5 * np.cos(3 * turn))) + (face // 2) * (HEIGHT - room[1])
            picture[y : y + side, x : x + side] = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
            scale = side / wide
            box = ((FACE.x - left) * scale + x, (FACE.y - top) * scale + y)
            boxes.append(Box(*box, FACE.width * scale, FACE.height * scale))
        noisy = picture + rng.normal(0, NOISE, picture.shape)
        frames.append((noisy.clip(0, 255).astype(np.uint8), boxes))
    return frames


def compare(frames: Scene, predictor: Predictor, seconds: float) -> None:
    """Print frames a second, delay and faces found of each way, one after the other."""
    detector, peer = detectors.get(), fer_package()
    session = Session(predictor, detector)

    def ours(frame: np.ndarray, at: float) -> list[Box]:
        return [face.track.moved(at) for face in show(session, frame, at)]

    def naive(frame: np.ndarray, at: float) -> list[Box]:
        result = photo.analyse(frame, predictor, detector)
        photo.annotated(result)
        return [found.face.box for found in result.faces if found.face]

    def fer(frame: np.ndarray, at: float) -> list[Box]:
        bgr = np.ascontiguousarray(frame[:, :, ::-1])
        return [Box(*map(float, found["box"])) for found in peer.detect_emotions(bgr)]

    base = None
    for name, way in (("fer package", fer), ("naive loop", naive), ("this project", ours)):
        run(frames, way, 0.5)
        times, found, false = run(frames, way, seconds)
        rate = 1 / statistics.fmean(times)
        base = base or rate
        delay, worst = np.percentile(times, [50, 95]) * 1e3
        print(
            f"  {name:13} {rate:7.1f} frames/s {rate / base:6.1f} x   delay {delay:6.1f} ms "
            f"(95 %: {worst:6.1f})   found {found:6.1%}   false {false:.2f}"
        )
    state = session.state()
    print(
        f"  {'':13} of them read: {state.looks:.1f} a second; {state.look.milliseconds if state.look else ''}"
    )
    session.close()


def run(frames: Scene, way: Way, seconds: float) -> tuple[list[float], float, float]:
    """The camera's newest frame, again and again: s of each, share of faces found, false boxes a frame."""
    times: list[float] = []
    hits = faces = false = 0
    began = time.perf_counter()
    while (at := time.perf_counter()) < began + seconds or len(times) < 5:
        frame, truth = frames[int(at * FPS) % LOOP]
        start = time.perf_counter()
        boxes = way(frame, at)
        times.append(time.perf_counter() - start)
        found, wrong = matched(truth, boxes)
        hits, faces, false = hits + found, faces + len(truth), false + wrong
    return times, hits / faces, false / len(times)


def matched(truth: Sequence[Box], boxes: Sequence[Box]) -> tuple[int, int]:
    """How many true boxes were found, and how many boxes lie on nobody."""
    hits = sum(any(true.iou(box) >= HIT for box in boxes) for true in truth)
    return hits, sum(not any(true.iou(box) >= HIT for true in truth) for box in boxes)


def show(session: Session, frame: np.ndarray, at: float) -> list[LiveFace]:
    """Show a frame; the faces that were drawn on it."""
    faces: list[LiveFace] = []

    def noted(picture, drawn_faces, *rest):
        faces.extend(drawn_faces)
        return following.drawn(picture, drawn_faces, *rest)

    live.drawn = noted
    session.show(frame, at)
    return faces


def camera(frames: Scene, predictor: Predictor, seconds: float, name: str = detectors.DEFAULT) -> str:
    """A real camera's pace: delay, and how well boxes fit the picture that they are drawn on."""
    session, delays, ages, fits = Session(predictor, detectors.get(name)), [], [], []
    began = time.perf_counter()
    for number in range(round(seconds * FPS)):
        at = number / FPS
        time.sleep(max(0.0, began + at - time.perf_counter()))
        frame, truth = frames[number % LOOP]
        start = time.perf_counter()
        faces = show(session, frame, at)
        delays.append((time.perf_counter() - start) * 1e3)
        if faces:
            fits += [max(true.iou(face.track.moved(at)) for face in faces) for true in truth]
            ages += [(at - face.track.seen) * 1e3 for face in faces]
    state = session.state()
    session.close()
    return (
        f"picture after {statistics.median(delays):.1f} ms (95 %: {np.percentile(delays, 95):.1f}, worst "
        f"{max(delays):.1f}), boxes {statistics.median(ages):.0f} ms older than the picture (95 %: "
        f"{np.percentile(ages, 95):.0f}), overlap with the truth {statistics.fmean(fits):.2f}, "
        f"found {np.mean(np.array(fits) >= HIT):.1%}, {state.read} of {state.shown} frames read"
    )


def flicker(frames: Scene, predictor: Predictor) -> str:
    """Changes of label a second and face at 30 frames a second, over the loop, in evening light."""
    said = []
    for smoothing in (0.0, 0.5):
        follower = Follower(Setup(predictor, detectors.get(), LiveSettings(smoothing)))
        last: dict[int, str] = {}
        changes = looks = 0
        for number, (frame, _) in enumerate(frames):
            dim = (frame * 0.25 + np.random.default_rng(number).normal(0, 12, frame.shape)).clip(0, 255)
            for face in follower.look(dim.astype(np.uint8), number / FPS).faces:
                changes += last.get(face.track.number, face.verdict.label) != face.verdict.label
                last[face.track.number] = face.verdict.label
                looks += 1
        said.append(f"{changes * FPS / max(looks, 1):.2f} a second ({changes} in {looks}) at {smoothing} s")
    return ", ".join(said)


def rivals(frames: Scene) -> str:
    """The detectors against each other on every tenth frame."""
    said = []
    for name, reason in detectors.available().items():
        if reason is not None or name == "mmod":
            continue
        detector, times, hits, faces, false = detectors.get(name), [], 0, 0, 0
        for frame, truth in frames[::10]:
            start = time.perf_counter()
            boxes = [face.box for face in detector.detect(frame)]
            times.append((time.perf_counter() - start) * 1e3)
            found, wrong = matched(truth, boxes)
            hits, faces, false = hits + found, faces + len(truth), false + wrong
        said.append(f"{name} {statistics.median(times):.0f}, {hits / faces:.0%}, {false}")
    return "; ".join(said)


def replay(frames: Scene, predictor: Predictor, count: int) -> str:
    """Memory while `count` frames are shown as fast as it goes, at 30 frames a second of their own clock.

    Every third is waited for until it was read: the log keeps ten a second.
    """
    session = Session(predictor, detectors.get())
    # The start is ten seconds in: network, detector and buffers are there by then.
    told = {min(10 * FPS, count - 1): "start", count // 4: "a quarter", count // 2: "half", count - 1: "end"}
    said, began = [], time.perf_counter()
    for number in range(count):
        session.show(frames[number % LOOP][0], number / FPS)
        while number % 3 == 0 and ((look := session.state().look) is None or look.at < number / FPS):
            time.sleep(0.0005)
        if number in told:
            said.append(f"{told[number]} {resident():.1f} MB")
    rate, read = count / (time.perf_counter() - began), session.state().read
    rows = len(session.log_csv().splitlines()) - 1
    session.close()
    return (
        f"memory of {count:,} frames ({count / FPS / 60:.0f} minutes of camera): {', '.join(said)}; "
        f"{rate:.0f} frames/s, {read:,} of them read, {rows:,} rows in the log"
    )


def resident() -> float:
    """Memory of this process, MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="for each way")
    parser.add_argument("--yunet", type=Path, help="face_detection_yunet_2023mar.onnx")
    parser.add_argument("--replay", type=int, default=3000, help="frames whose memory is watched")
    parser.add_argument("--only-replay", action="store_true", help="nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
