"""A page of the grid at a thousand, 35,000 and a million samples: what the server needs for it.

    python -m benchmarks.browse [--sizes 1000 35000 1000000]

Every size is a dataset of its own in one store, filled with real rows that share drawn pictures. A page is
the whole script of the Datasets page, from the request to the last element, its 60 thumbnails included; what
the browser does then is not in it. First page, a page in the middle and the last one, by several filters.
"""

import argparse
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from fer_core.dataset import browse
from fer_core.dataset.intake import Intake, Row
from fer_core.dataset.store import Store, ensure_dataset
from fer_core.imaging.decode import decode_image, encode_png, pixel_id
from fer_core.labels import FER7

ROOT = Path(__file__).resolve().parent.parent
PICTURES = 2000
SPLITS = ("train", "train", "train", "validation", "test")

VIEWS = {
    "first page": {},
    "page in the middle": {"page": "middle"},
    "last page": {"page": "last"},
    "one class, shuffled": {"label": "fear", "order": "shuffled"},
    "one split, by name": {"split": "validation", "order": "name"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 35_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit's, about running without a server
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        for size in options.sizes:
            started = time.perf_counter()
            fill(store, str(size), size)
            print(f"{size:>9,} samples stored in {time.perf_counter() - started:.0f} s", flush=True)
        print(
            f"\n{'server time of a page, ms':28}"
            + "".join(f"{size:>12,}" for size in options.sizes)
            + "   ratio"
        )
        for title, view in VIEWS.items():
            times = [median_ms(store, str(size), view, options.rounds) for size in options.sizes]
            print(f"{title:28}" + "".join(f"{ms:12.0f}" for ms in times) + f"   {times[-1] / times[0]:5.2f}")


def fill(store: Store, name: str, count: int) -> None:
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(PICTURES):
        picture = random.integers(0, 256, (8, 8, 3), np.uint8).repeat(6, 0).repeat(6, 1)
        data = encode_png(picture)
        pictures.append((pixel_id(decode_image(data)), data))
    with store.write() as connection:
        intake = Intake(connection, ensure_dataset(connection, name, FER7))
        for start in range(0, count, 10_000):
            rows = []
            for number in range(start, min(count, start + 10_000)):
                image, data = pictures[number % PICTURES]
                split, label = SPLITS[number % 5], FER7.names[number % 7]
                rows.append(Row(f"faces/{number:07d}.png", image, 48, 48, data, split, label))
            intake.add(rows)
        intake.finish("benchmark", "filled", f"batch {name}")


def median_ms(store: Store, name: str, view: dict[str, str], rounds: int) -> float:
    """Median over visits, each by a new visitor, after one that nobody counts."""
    where = browse.Filter(split=view.get("split"), label=view.get("label"))
    count = browse.counted(store, name, where)
    last = -(-count // 60)
    pages = {"middle": last // 2, "last": last}
    times = []
    for _ in range(rounds + 1):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
        app.switch_page("pages/datasets.py")
        app.query_params["data"] = name
        for key, value in view.items():
            app.query_params[key] = str(pages.get(value, value))
        started = time.perf_counter()
        app.run()
        times.append((time.perf_counter() - started) * 1000)
        found = [text.value for text in app.markdown if "picture" in text.value]
        assert not app.exception and any(f"{count:,} pictures" in text for text in found), app
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
