"""How well a few examples of each expression suffice: n-way k-shot accuracy of several embeddings.

    python -m benchmarks.fewshot --data FOLDER [--models ID ...] [--quick]
    FER_WORKSPACE=FOLDER python -m benchmarks.fewshot --dataset NAME [--truth votes] [--models ID ...]
    python -m benchmarks.fewshot --data FOLDER --seed-shape

The first trains the two networks of similarity on the faces of five women of jaffe.zip and asks about the
other five, then the other way round. An episode takes k examples of each of the seven expressions and names
one woman's other photos by the nearest mean, as a taught model does; the examples show other women, or
herself. Figures are the mean over the ten women with the 95 % interval of that mean.

The second asks models of the library about the validation rows of a dataset that show nothing the models
were trained on, not even nearly. Its intervals are about the draw of episodes from these rows.

The third makes of jaffe.zip what the siamese seed had: 56 grey pictures of 256x256 in a folder for each of
seven expressions, imports them, trains the seed's network, and measures it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import personal
from fer_core.dataset import duplicates, leaks, versions, votes
from fer_core.dataset.exports import pgm
from fer_core.dataset.importers import import_any
from fer_core.dataset.store import Store, slices
from fer_core.evaluation import metrics
from fer_core.imaging.decode import decode_image, encode_png
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.inference.predictor import Predictor
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library, specs
from fer_core.zoo.head import normalised

SHOTS = (1, 2, 4, 8)
HER_OWN = (1, 2)
"""Of her own photos, as there are about three of each expression."""
MODELS = ("mini_xception_ferplus", "mini_xception_raw")
EPISODES, QUERIES = 600, 5
"""Episodes in all, and queries of a class in an episode of a dataset without known people."""
SIDE = 128
"""px: at the seed's own 256 its network takes four times as long."""
RUNS: Mapping[str, dict] = {
    "siamese (seed: contrastive)": {"spec": "siamese", "input_size": SIDE, "epochs": 10},
    "triplets": {"spec": "siamese_triplet", "epochs": 10, "pairs": 640},
    "triplets, from mini_xception_raw": {
        "spec": "siamese_triplet",
        "start_from": "mini_xception_raw",
        "learning_rate": 5e-4,
        "epochs": 4,
        "pairs": 640,
    },
}
"""What is trained on each half of JAFFE."""

Embed = Callable[[Sequence[np.ndarray]], np.ndarray]
"""From pictures of faces (h, w, 3) uint8 to (N, E)."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.fewshot")
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--dataset", metavar="NAME")
    parser.add_argument("--truth", choices=("labels", "votes"), default="labels")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="ID")
    parser.add_argument("--quick", action="store_true", help="a tenth of the epochs")
    parser.add_argument("--seed-shape", action="store_true")
    options = parser.parse_args(arguments)
    if not (options.data or options.dataset):
        parser.error("--data or --dataset is needed")
    models = {name: embedder(Predictor.load(library.find(name).folder)) for name in options.models}
    if options.dataset:
        of_dataset(Store.open(), options.dataset, options.truth, {"raw pixels": pixels, **models})
        return
    faces = personal.read(options.data / "jaffe.zip")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        if options.seed_shape:
            seed_shape(faces, Path(folder), options.quick)
        else:
            of_jaffe(faces, Path(folder), models, options.quick)


def of_jaffe(faces: personal.Faces, folder: Path, models: Mapping[str, Embed], quick: bool) -> None:
    """The table for women that the networks of similarity never saw."""
    crops = [to_input(p, b, InputSpec(256, 256, 3)) for p, b in zip(faces.pictures, faces.boxes, strict=True)]
    women, expressions = np.unique(faces.women), np.unique(faces.said, return_inverse=True)[1]
    store = Store.open()
    table: dict[str, list[np.ndarray]] = {}
    for number, asked in enumerate((women[::2], women[1::2])):
        chosen = np.isin(faces.women, asked)
        learned = [who for who in women if who not in asked]
        lines, place_of = ["path,label,split,subject"], folder / f"half{number}"
        place_of.mkdir()
        for place in np.flatnonzero(~chosen):
            name, who = f"{place}.png", faces.women[place]
            (place_of / name).write_bytes(encode_png(crops[place]))
            split = "validation" if who == learned[-1] else "train"
            lines.append(f"{name},{faces.said[place]},{split},{who}")
        (place_of / "faces.csv").write_text("\n".join(lines), "utf-8")
        import_any(store, place_of)
        ways: dict[str, Embed] = {"raw pixels": pixels}
        ways |= {title: trained(f"half{number}", run, quick) for title, run in RUNS.items()}
        shown = [crop for crop, wanted in zip(crops, chosen, strict=True) if wanted]
        for title, embed in {**ways, **models}.items():
            given = embed(shown), expressions[chosen], faces.women[chosen]
            table.setdefault(title, []).append(by_women(*given))
    head = [f"k = {k}" for k in SHOTS] + [f"k = {k}, her own" for k in HER_OWN]
    print(f"\n| JAFFE, 7 expressions, women it never saw | {' | '.join(head)} |")
    print("|---" * (len(head) + 1) + "|")
    for title, halves in table.items():
        cells = [personal.interval(column) for column in np.concatenate(halves).T]
        print(f"| {title} | {' | '.join(cells)} |")


def of_dataset(store: Store, name: str, truth: str, models: Mapping[str, Embed]) -> None:
    """The table for rows of a dataset that no model of it was trained on."""
    frame = versions.manifest(store, name)
    near = duplicates.near_copies(store, name, frame["image"]).group
    known = set(store.dataset(name).label_set.names)
    rows = frame[(frame["split"] == "validation") & ~frame["image"].isin(leaks.trained_on(frame, near))]
    said = votes.plurality(rows) if truth == "votes" else rows["label"].to_numpy(object)
    rows, said = rows[np.isin(said, [*known])], said[np.isin(said, [*known])]
    pictures = []
    for images in slices(rows["image"].tolist(), 500):
        data = store.image_bytes(images)
        pictures += [decode_image(data[image]) for image in images]
    classes = np.unique(said.astype(str), return_inverse=True)[1]
    head = " | ".join(f"k = {k}" for k in SHOTS)
    print(f"| {name}, {truth}, {len(known)} classes, {len(rows):,} pictures | {head} |")
    print("|---" * (len(SHOTS) + 1) + "|")
    for title, embed in models.items():
        features, cells = embed(pictures), []
        for k in SHOTS:
            random = np.random.default_rng(k)
            shares = np.array([right(features, *episode(classes, k, random)) for _ in range(EPISODES)])
            half = metrics.Z95 * shares.std() / EPISODES**0.5
            cells.append(f"{shares.mean():.1%} ± {100 * half:.1f}")
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


def by_women(features: np.ndarray, classes: np.ndarray, women: np.ndarray) -> np.ndarray:
    """(women, SHOTS + HER_OWN) shares of one woman's photos that are named right."""
    rows = []
    for woman in np.unique(women):
        hers, cells = np.flatnonzero(women == woman), []
        for k, own in [*((k, False) for k in SHOTS), *((k, True) for k in HER_OWN)]:
            random = np.random.default_rng(k)
            shares = []
            for _ in range(EPISODES // len(np.unique(women))):
                lent = hers if own else np.flatnonzero(women != woman)
                support = [random.permutation(lent[classes[lent] == c])[:k] for c in np.unique(classes)]
                asked = np.setdiff1d(hers, np.concatenate(support))
                shares.append(right(features, support, asked, classes[asked]))
            cells.append(np.mean(shares))
        rows.append(cells)
    return np.array(rows)


def episode(
    classes: np.ndarray, k: int, random: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Examples of each class, the rows that are asked about, and their classes."""
    drawn = [random.permutation(np.flatnonzero(classes == c))[: k + QUERIES] for c in np.unique(classes)]
    asked = np.concatenate([rows[k:] for rows in drawn])
    return [rows[:k] for rows in drawn], asked, classes[asked]


def right(features: np.ndarray, support: list[np.ndarray], asked: np.ndarray, truth: np.ndarray) -> float:
    """Share of rows whose nearest mean is the right one, centred and of length one as in a taught model."""
    centre = features[np.concatenate(support)].mean(axis=0)
    means = np.stack([normalised(features[rows], centre).mean(axis=0) for rows in support])
    far = np.square(normalised(features[asked], centre)[:, None] - means[None]).sum(axis=2)
    return float((far.argmin(axis=1) == truth).mean())


def pixels(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The picture itself, 48 x 48 grey."""
    spec = InputSpec(48, 48, 1)
    return np.stack([to_input(picture, None, spec).ravel() for picture in pictures]).astype(np.float32)


def embedder(predictor: Predictor) -> Embed:
    """What a model sees in whole pictures of faces."""

    def embed(pictures: Sequence[np.ndarray]) -> np.ndarray:
        batch = np.stack([to_input(picture, None, predictor.card.input) for picture in pictures])
        return np.concatenate([predictor.embed(batch[rows]) for rows in slices(list(range(len(batch))), 256)])

    return embed


def trained(dataset: str, run: Mapping[str, object], quick: bool) -> Embed:
    """Train a network with the usual settings but for some; the worker runs as the app's do."""
    settings = {**specs.get(str(run["spec"])).training, "dataset": dataset, **run}
    settings["epochs"] = max(2, int(str(settings["epochs"])) // 10) if quick else settings["epochs"]
    began = time.monotonic()
    made = runs.start(TrainingConfig.from_dict(settings))
    if runs.launch(made).wait() or not (made.result or {}).get("model"):
        raise SystemExit(made.log())
    result = made.result or {}
    print(
        f"{dataset}: {run['spec']}, {settings['epochs']} epochs in {time.monotonic() - began:.0f} s, "
        f"validation AUC {result['value']:.3f} (epoch {result['best_epoch']})",
        flush=True,
    )
    return embedder(Predictor.load(library.find(result["model"]).folder))


def seed_shape(faces: personal.Faces, folder: Path, quick: bool) -> None:
    """Eight pictures of each expression, whole, as PGM: imported, trained on, and measured."""
    random, source = np.random.default_rng(0), folder / "seed"
    for expression in np.unique(faces.said):
        (source / str(expression)).mkdir(parents=True)
        for place in random.permutation(np.flatnonzero(faces.said == expression))[:8]:
            data = pgm._HEADER + to_input(faces.pictures[place], None, pgm.SPEC).tobytes()
            (source / str(expression) / f"{place}.pgm").write_bytes(data)
    report = import_any(Store.open(), source, ratios=(0.5, 0.5, 0.0))
    print("imported:", {split: sum(counts.values()) for split, counts in report.counts.items()})
    trained("seed", {"spec": "siamese", "epochs": 12, "pairs": 96}, quick)
    (entry,) = [found for found in library.entries() if not found.shipped]
    record = entry.card.evaluations[0] if entry.card else {}
    for key in (
        "n",
        "images",
        "auc",
        "equal_error",
        "threshold",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    ):
        print(f"{key}: {record[key]:.4g}")
    for few in record["few_shot"]:
        interval = f"{few['accuracy_low']:.1%} to {few['accuracy_high']:.1%}"
        print(f"{few['way']}-way {few['shot']}-shot: {few['accuracy']:.1%} ({interval})")


if __name__ == "__main__":
    main()
