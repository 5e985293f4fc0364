"""Commands on videos: video."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_core.imaging import detectors
from fer_core.inference import video
from fer_core.inference.predictor import Predictor
from fer_core.inference.video_people import Person
from fer_core.zoo import library

_STANDARD = video.Settings()


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser(
        "video",
        help="read the expressions in a video",
        epilog="Ctrl-C stops and keeps what is done as a shorter video.",
    )
    add.add_argument("video", type=Path, metavar="IN", help="mp4, mov, webm, avi or gif")
    add.add_argument("--out", type=Path, required=True, metavar="OUT.mp4", help="the annotated copy")
    add.add_argument("--csv", type=Path, metavar="FILE", help="write a table, one row a face and look")
    add.add_argument("--model", help="id of a model (see: models)")
    add.add_argument("--detector", default=detectors.DEFAULT, choices=sorted(detectors.DETECTORS))
    add.add_argument(
        "--every",
        type=float,
        default=_STANDARD.every,
        metavar="SECONDS",
        help="between two looks for faces (%(default)s); 0 looks at each frame",
    )
    add.add_argument(
        "--smoothing",
        type=float,
        default=_STANDARD.smoothing,
        metavar="SECONDS",
        help="over which answers are averaged (%(default)s); 0 for none",
    )
    add.set_defaults(run=_video)


def _video(options: argparse.Namespace) -> int:
    settings = video.Settings(options.every, options.smoothing)
    predictor = Predictor.load(library.find(options.model or library.default_id() or "").folder)
    detector = detectors.get(options.detector)
    with _interrupted() as stop:
        summary = video.annotate(
            options.video,
            options.out,
            predictor,
            detector,
            settings,
            options.csv,
            _told() if sys.stderr.isatty() else None,
            stop,
        )
    for person in summary.people:
        print(_line(person))
    faces = "1 face" if len(summary.people) == 1 else f"{len(summary.people)} faces"
    print(f"{faces}, {summary.frames} frames, {summary.took:.1f} s: {options.out}")
    if summary.breaks_off:
        print(f"the file breaks off at {video.clock(summary.seconds)}", file=sys.stderr)
    if summary.stopped:
        print(f"stopped at {video.clock(summary.seconds)}; what was done is kept", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: an exception in the middle of an encoder would leave a broken file."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _told() -> video.Progress:
    """One line that is written over, with the time left."""
    began, said = time.monotonic(), [0.0]

    def progress(share: float, text: str) -> None:
        gone = time.monotonic() - began
        if gone - said[0] < 0.5 and share < 1:
            return
        said[0] = gone
        left = f", {gone / share * (1 - share):.0f} s left" if share > 0.01 else ""
        print(f"\r{text}{left}        ", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)

    return progress


def _line(person: Person) -> str:
    """One line: "face 1, 0:00 to 0:12: looks happy 80%, can't tell 20%; most happy at 3.2 s"."""
    shares = {**person.shares, "can't tell": person.unsure}
    said = [
        f"{name} {share:.0%}"
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
        if share >= 0.005
    ]
    peak = person.peaks[person.foremost]
    return (
        f"face {person.number}, {video.clock(person.first)} to {video.clock(person.last)}: looks "
        f"{', '.join(said)}; most {person.foremost} at {peak.at:.1f} s"
    )
