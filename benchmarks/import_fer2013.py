"""Import of FER2013's csv, storing included, against the usual loader, in one run.

    python -m benchmarks.import_fer2013 --data FOLDER_OR_FILE [--votes FILE] [--rounds 3]

The usual loader parses `pixels.split()` a row into memory and stores nothing; ours also checks
every row, hashes every picture and commits the whole to disk. Both read the plain csv; the
archive's own time is given beside it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

USUAL = """
import sys, time
import numpy as np, pandas as pd
start, busy = time.perf_counter(), time.process_time()
table = pd.read_csv(sys.argv[1])
faces = np.array([np.asarray(text.split(), dtype="float32").reshape(48, 48) for text in table["pixels"]])
print(time.perf_counter() - start, len(faces), time.process_time() - busy)
"""

OURS = """
import sys, time
from fer_core.dataset.importers.fer2013 import import_fer2013
from fer_core.dataset.store import Store
busy = time.process_time()
report = import_fer2013(Store.open(sys.argv[2]), sys.argv[1], votes=sys.argv[3] or None)
print(report.seconds, report.added, time.process_time() - busy)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, fer2013.zip, or their folder")
    parser.add_argument("--votes", type=Path, help="fer2013new.csv, imported along")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given, plain = find(options.data, Path(folder))
        rows, busy = {}, {}
        seconds: dict[str, list[float]] = {"usual loader": [], "import": [], "import of what was given": []}
        for number in range(options.rounds):
            # In turn, so that a busy moment of the machine strikes all alike.
            for name, code, path in (
                ("usual loader", USUAL, plain),
                ("import", OURS, plain),
                ("import of what was given", OURS, given),
            ):
                store = Path(folder) / f"{number}-{len(seconds[name])}-{path.suffix}.db"
                took, rows[name], busy[name] = measure(code, path, store, options.votes)
                seconds[name].append(took)
    for name, taken in seconds.items():
        spread = f"{min(taken):.1f} to {max(taken):.1f}; processor {busy[name]:.1f}"
        print(f"{name:26} {statistics.median(taken):6.2f} s  ({spread}; {rows[name]:,} rows)")
    print(f"ratio {statistics.median(seconds['usual loader']) / statistics.median(seconds['import']):.1f}")


def find(data: Path, folder: Path) -> tuple[Path, Path]:
    """The file that was given, and the same as a plain csv."""
    if data.is_dir():
        data = next(path for path in (data / "fer2013.csv", data / "fer2013.zip") if path.is_file())
    if not zipfile.is_zipfile(data):
        return data, data
    with zipfile.ZipFile(data) as archive, archive.open("fer2013.csv") as packed:
        plain = folder / "fer2013.csv"
        with plain.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    return data, plain


def measure(code: str, path: Path, store: Path, votes: Path | None) -> tuple[float, int, float]:
    """Seconds without the interpreter's start, rows, and seconds of processor time."""
    command = [sys.executable, "-c", code, str(path), str(store), str(votes or "")]
    root = Path(__file__).resolve().parent.parent
    before = time.perf_counter()
    said = subprocess.run(
        command,
        capture_output=True,
        check=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ).stdout.split()
    took = float(said[0])
    assert took <= time.perf_counter() - before
    return took, int(said[1]), float(said[2])


if __name__ == "__main__":
    main()
