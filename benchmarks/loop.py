"""Does relabelling pay, and does the order matter: accuracy over the number of labels that were looked at.

    FER_WORKSPACE=FOLDER python -m benchmarks.loop --data NAME --out FILE.csv [--steps 1000 3000 6000 10000]

The dataset needs votes, which stand in for an annotator, and finished folds (python -m fer_core suspects).
In steps the annotator looks at the head of a queue of training images, the suspects or a random order, and
gives each the label that most raters chose. The same network is then trained with the same seed, and
measured on the validation split against the votes. Each order has a copy of the database; what is in the
file already is not done again.
"""

import argparse
import csv
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_core import labels, workspace
from fer_core.dataset import ledger, versions, votes
from fer_core.dataset.store import Store, slices
from fer_core.evaluation import label_quality, report, trial
from fer_core.evaluation.document import plots
from fer_core.inference.predictor import Predictor
from fer_core.training import folds, runs
from fer_core.training.config import TrainingConfig
from fer_core.zoo import library, specs

STEPS = (1000, 3000, 6000, 10_000)
ORDERS = ("suspects", "random")
COLUMNS = ("order", "looked_at", "changed", "n", "accuracy", "low", "high", "macro_f1", "seconds")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.loop")
    parser.add_argument("--data", required=True, metavar="NAME")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.csv")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw what is in --out, and end")
    options = parser.parse_args(arguments)
    if options.plot:
        options.plot.write_text(plot(options.out), "utf-8")
        return
    base = workspace.root()
    queues = orders(options.data)
    for step in (0, *options.steps):
        for order in ORDERS:
            if step == 0 and order != ORDERS[0]:
                continue  # before the first label both are the same
            if (order, step) in known(options.out):
                continue
            os.environ["FER_WORKSPACE"] = str(copied(base, order))
            row = one_step(options.data, queues[order][:step], options.epochs)
            add(options.out, {"order": order, "looked_at": step, **row})
            os.environ["FER_WORKSPACE"] = str(base)


def orders(dataset: str) -> dict[str, np.ndarray]:
    """The training images in the order in which they are looked at."""
    found = folds.collect(folds.newest(dataset).runs)
    doubt = label_quality.self_confidence(found.labels, found.probabilities)
    return {
        "suspects": found.samples[np.argsort(doubt, kind="stable")],
        "random": np.random.default_rng(0).permutation(found.samples),
    }


def copied(base: Path, order: str) -> Path:
    """A workspace whose labels are changed in one order; made once."""
    folder = base / f"loop-{order}"
    if not (folder / "studio.db").exists():
        folder.mkdir(exist_ok=True)
        with sqlite3.connect(base / "studio.db") as source, sqlite3.connect(folder / "studio.db") as target:
            source.backup(target)
        shutil.copytree(base / "cache", folder / "cache", dirs_exist_ok=True)
    return folder


def one_step(dataset: str, looked_at: np.ndarray, epochs: int) -> dict:
    """Label, train, measure."""
    began = time.monotonic()
    store = Store.open()
    changed = annotate(store, dataset, looked_at)
    config = TrainingConfig.from_dict(
        {
            **specs.get("cnn_rgb48").training,
            "spec": "cnn_rgb48",
            "dataset": dataset,
            "epochs": epochs,
            "seed": 1,
        }
    )
    run = runs.start(config)
    if runs.launch(run).wait() or not (run.result or {}).get("model"):
        raise SystemExit(run.log())
    model = run.result["model"]
    found = trial.run(
        store, Predictor.load(library.find(model).folder), trial.rows(store, dataset, None, "validation")
    )
    record = report.record(found.result("votes"))
    store.close()
    return {
        "changed": changed,
        "n": record["n"],
        "accuracy": round(record["accuracy"], 5),
        "low": round(record["accuracy_low"], 5),
        "high": round(record["accuracy_high"], 5),
        "macro_f1": round(record["macro_f1"], 5),
        "seconds": round(time.monotonic() - began),
    }


def annotate(store: Store, dataset: str, looked_at: np.ndarray) -> int:
    """Give training images the answer of most raters; how many labels are others than the imported ones.

    An answer that the dataset has no class for, as contempt, makes the label unsure.
    """
    rows = versions.manifest(store, dataset).set_index("sample")
    told = pd.Series(votes.plurality(rows), index=rows.index).loc[looked_at]
    known = {*store.dataset(dataset).label_set.names, labels.UNSURE, labels.NOT_A_FACE}
    told = told.where(told.isin(known), labels.UNSURE)
    open_ = told[rows.loc[looked_at, "label"].to_numpy() != told.to_numpy()]
    for part in slices(list(zip(open_.index.tolist(), open_.tolist(), strict=True))):
        ledger.relabel(store, part, "the raters of FER+", surfaced_by="benchmark")
    first = versions.manifest(store, dataset).set_index("sample")["label"]
    return (
        int((ledger_start(store, dataset).loc[looked_at] != first.loc[looked_at]).sum())
        if len(looked_at)
        else 0
    )


def ledger_start(store: Store, dataset: str) -> pd.Series:
    """The labels as they were imported."""
    query = "SELECT sample, new FROM event WHERE kind = 'import'"
    with store.read() as connection:
        return pd.DataFrame(connection.exec_driver_sql(query).all(), columns=["sample", "label"]).set_index(
            "sample"
        )["label"]


def known(path: Path) -> set[tuple[str, int]]:
    """What was measured before."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {(row["order"], int(row["looked_at"])) for row in csv.DictReader(file)}


def plot(path: Path) -> str:
    """An SVG of accuracy over the labels looked at, one line for each order."""
    rows = pd.read_csv(path)
    start = rows[rows["looked_at"] == 0]
    lines = []
    for order, kind in zip(ORDERS, ("main", "aside"), strict=True):
        part = pd.concat([start, rows[(rows["order"] == order) & (rows["looked_at"] > 0)]])
        points = list(zip(part["looked_at"].tolist(), part["accuracy"].tolist(), strict=True))
        lines.append(plots.Line(points, kind, dots=True))
    steps = sorted(set(rows["looked_at"]))
    low, high = int(rows["accuracy"].min() * 100) - 1, int(rows["accuracy"].max() * 100) + 2
    drawn = plots.chart(
        plots.Axis("training labels looked at (solid: suspects first, dashed: at random)",
                   tuple((step, f"{step:,}") for step in steps)),
        plots.percents("agreement with the votes", low, high, 1),
        "Accuracy over the number of labels looked at, suspects first and at random",
        lines, width=520, height=300,
    )  # fmt: skip
    style = (
        "<style>text{font:11px system-ui,sans-serif;fill:#667}.grid{stroke:#8884}"
        ".line{fill:none;stroke:#1f6f78;stroke-width:2}.aside{stroke:#d55e00;stroke-dasharray:5 3}"
        ".dot{fill:#1f6f78}.dot.aside{fill:#d55e00}</style>"
    )
    return (
        str(drawn)
        .replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
        .replace("</title>", f"</title>{style}", 1)
    )


def add(path: Path, row: dict) -> None:
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


if __name__ == "__main__":
    main()
