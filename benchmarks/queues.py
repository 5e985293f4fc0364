"""How many wrong labels stand at the head of the queue of suspects, and how many of all it holds.

    python -m benchmarks.queues
    python -m benchmarks.queues --data NAME

The first trains folds on the practice dataset, whose wrong labels are known. The second takes the newest
folds of a dataset that has votes, and calls a label wrong where most raters chose another one of its
classes; rows whose votes name no class, or two equally often, do not count.
"""

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from fer_core.dataset import practice, schema, versions, votes
from fer_core.dataset.store import Store
from fer_core.evaluation import label_quality as quality
from fer_core.training import folds, runs
from fer_core.training.config import TrainingConfig
from fer_core.training.folds import OutOfFold


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.queues")
    parser.add_argument("--data", metavar="NAME")
    options = parser.parse_args(arguments)
    if options.data:
        report(*judged_by_votes(Store.open(), folds.collect(folds.newest(options.data).runs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        practice.import_practice(store)
        dataset = store.dataset(practice.NAME)
        train = int((versions.manifest(store, practice.NAME)["split"] == "train").sum())
        found = trained(folds.settings(dataset, train))
        report(found, wrong_in_practice(store, found))
        store.close()


def trained(config: TrainingConfig) -> OutOfFold:
    """What folds of these settings say, once all of them have ended."""
    began = time.monotonic()
    made = folds.start(config)
    while (found := folds.sets(config.dataset)[0]).state in ("running", "queued"):
        runs.advance()
        time.sleep(0.5)
    if found.missing:
        sys.exit(made[found.missing[0]].log())
    print(f"{config.folds or folds.FOLDS} folds of {config.spec} in {time.monotonic() - began:.0f} s")
    return folds.collect(found.runs)


def wrong_in_practice(store: Store, found: OutOfFold) -> np.ndarray:
    """(N,) bool: which labels were planted."""
    wrong = {planned.source for planned in practice.plan() if planned.label != planned.truth}
    sample = schema.sample.c
    with store.read() as connection:
        sources = dict(connection.execute(sa.select(sample.id, sample.source)).all())
    return np.array([sources[int(sample)] in wrong for sample in found.samples])


def judged_by_votes(store: Store, found: OutOfFold) -> tuple[OutOfFold, np.ndarray]:
    """Those rows whose votes name one of the classes, and (N,) bool: which of them votes contradict."""
    rows = versions.manifest(store, found.dataset).set_index("sample").loc[found.samples]
    table = votes.counts(rows, votes.names(rows))
    alone = (table == table.max(axis=1, keepdims=True)).sum(axis=1) == 1
    places = {name: place for place, name in enumerate(found.classes)}
    said = np.array([places.get(name, -1) for name in votes.plurality(rows)])
    known = alone & (said >= 0)
    part = dataclasses.replace(
        found,
        samples=found.samples[known],
        labels=found.labels[known],
        probabilities=found.probabilities[known],
    )
    return part, (said != found.labels)[known]


def report(found: OutOfFold, wrong: np.ndarray) -> None:
    """Precision at the head for each order, and what each rule picks."""
    given, answers = found.labels, found.probabilities
    n, confidence = len(wrong), quality.self_confidence(given, answers)
    print(f"{n:,} labels, {wrong.sum():,} of them wrong ({wrong.mean():.1%})")
    heads = sorted({k for k in (10, 33, 50, 100, 300, 1000, 3000, 5000, int(wrong.sum())) if k < n})
    print(f"{'the first':32} " + " ".join(f"{k:>6,}" for k in heads))
    orders = {
        "by self-confidence": confidence,
        "by margin": quality.normalised_margin(given, answers),
        "at random": np.random.default_rng(0).random(n),
    }
    for name, order in orders.items():
        first = wrong[np.argsort(order, kind="stable")]
        print(f"{name:32} " + " ".join(f"{first[:k].mean():6.1%}" for k in heads))
    print(f"\n{'picked by':32} {'picked':>7} {'precision':>10} {'recall':>7}")
    confident = quality.off_diagonal(given, answers)
    rules = {
        "suspects": confident & (confidence < folds.DOUBTFUL),
        "confidently of another class": confident,
        "prune by noise rate": quality.by_noise_rate(given, answers),
    }
    for name, picked in rules.items():
        hits = int((picked & wrong).sum())
        print(f"{name:32} {picked.sum():7,} {hits / max(picked.sum(), 1):10.1%} {hits / wrong.sum():7.1%}")
    print(f"\nwrong labels by the confident joint: {quality.estimated_errors(given, answers):,.0f}")


if __name__ == "__main__":
    main()
