"""Import of many small image files, storing included, against shutil.copytree of the same, in one run.

    python -m benchmarks.import_files [--count 100000] [--kind png] [--side 48] [--rounds 1]

The copy reads and writes bytes; the import also decodes each picture, hashes its pixels, assigns
splits and commits the whole to one database. Both read files that the system has at hand (they were
just written), in turn within each round.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fer_core.imaging.decode import encode_jpeg, encode_png
from fer_core.labels import FER7

IMPORT = """
import sys, time
from fer_core.dataset.importers import import_any
from fer_core.dataset.store import Store
store = Store.open(sys.argv[2])
locked = []
def told(done, total, text):
    if text.endswith("stored"):
        locked.append(time.perf_counter())
busy = time.process_time()
report = import_any(store, sys.argv[1], progress=told)
print(report.seconds, report.added, time.process_time() - busy, locked[-1] - locked[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--kind", choices=("png", "jpg", "pgm", "mixed"), default="mixed")
    parser.add_argument("--side", type=int, default=48, help="px of each picture")
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many is given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        draw(place / "faces", options.count, options.kind, options.side)
        copies, imports = [], []
        for number in range(options.rounds):
            copies.append(copy(place / "faces", place / f"copy {number}"))
            imports.append(bring_in(place / "faces", place / f"{number}.db", place / "workspace"))
    seconds, added, busy, locked = (statistics.median(column) for column in zip(*imports, strict=True))
    assert added == options.count
    print(f"{options.count:,} {options.kind} files of {options.side} px")
    print(f"copytree  {options.count / statistics.median(copies):8,.0f} a second")
    print(f"import    {options.count / seconds:8,.0f} a second; processor {busy:.1f} s of {seconds:.1f} s")
    print(f"the database was held for {locked:.1f} s; ratio {statistics.median(copies) / seconds:.2f}")


def draw(place: Path, count: int, kind: str, side: int) -> None:
    """Smooth pictures, each another one, in class folders."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (64, 6, 6)).astype(np.float32)
    grid = np.linspace(0, 5, side)
    low = np.floor(grid).astype(int).clip(0, 4)
    part = (grid - low).astype(np.float32)
    rows = coarse[:, low] * (1 - part)[None, :, None] + coarse[:, low + 1] * part[None, :, None]
    smooth = (rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part).astype(np.uint8)
    kinds = ("png", "jpg", "pgm") if kind == "mixed" else (kind,)
    for name in FER7.names:
        (place / name).mkdir(parents=True)
    for number in range(count):
        picture = smooth[number % 64].copy()
        # A number in the pixels, in steps that a JPEG keeps, makes each picture another one.
        for bit in range(20):
            row, column = divmod(bit, 5)
            picture[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] ^= 0x40 * (number >> bit & 1)
        own = kinds[number % len(kinds)]
        data = (
            encode_png(picture) if own == "png" else encode_jpeg(picture) if own == "jpg" else as_pgm(picture)
        )
        (place / FER7.names[number % 7] / f"{number}.{own}").write_bytes(data)


def as_pgm(picture: np.ndarray) -> bytes:
    return f"P5\n{picture.shape[1]} {picture.shape[0]}\n255\n".encode() + picture.tobytes()


def copy(source: Path, target: Path) -> float:
    begun = time.perf_counter()
    shutil.copytree(source, target)
    seconds = time.perf_counter() - begun
    shutil.rmtree(target)
    return seconds


def bring_in(source: Path, store: Path, workspace: Path) -> tuple[float, int, float, float]:
    """Seconds without the interpreter's start, samples, seconds of processor time, and of the lock."""
    root = Path(__file__).resolve().parent.parent
    said = subprocess.run(
        [sys.executable, "-c", IMPORT, str(source), str(store)],
        capture_output=True,
        check=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "FER_WORKSPACE": str(workspace)},
    ).stdout.split()
    return float(said[0]), int(said[1]), float(said[2]), float(said[3])


if __name__ == "__main__":
    main()
