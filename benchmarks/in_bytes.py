"""One network served in bytes, in half precision and in full: milliseconds a face, in turns.

    python -m benchmarks.in_bytes [MODEL]

MODEL is one whose kernels are served in bytes; without, the default. No mirror image, one thread.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from fer_core.zoo import convert, library, litert
from fer_core.zoo.specs import EXPRESSION

ROUNDS, CALLS = 20, 25


def main(model: str = library.DEFAULT) -> None:
    folder = library.find(model).folder
    network = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    probe = np.load(folder / "probe.npz")["inputs"]
    with tempfile.TemporaryDirectory() as scratch:
        half, full = Path(scratch) / "half", Path(scratch) / "full"
        for way, large in ((half, 0), (full, network.count_params() + 1)):
            way.mkdir()
            convert.LARGE = large
            convert.write_model(network, EXPRESSION, probe, way)
        ways = {"bytes": folder, "half": half, "full": full}
        networks = {name: litert.Network(way / "model.tflite") for name, way in ways.items()}
        sizes = {name: (way / "model.tflite").stat().st_size / 1e6 for name, way in ways.items()}
    answers = {
        name: network.run(probe, ("probabilities",))["probabilities"] for name, network in networks.items()
    }
    for faces in (1, 4):
        times: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(ROUNDS):
            for name, network in networks.items():
                for _ in range(CALLS):
                    start = time.perf_counter()
                    network.run(probe[:faces], ("probabilities",))
                    times[name].append((time.perf_counter() - start) * 1e3)
        for name, taken in times.items():
            apart = np.abs(answers[name] - answers["full"]).max()
            print(
                f"{model}, {faces} faces in {name}: {statistics.median(taken):.2f} ms, "
                f"fastest {min(taken):.2f}, {sizes[name]:.2f} MB, at most {apart:.4f} from full"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
