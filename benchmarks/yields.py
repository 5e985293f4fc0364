"""How many labels are wrong in each queue, on the practice dataset, whose wrong labels are known.

    python -m benchmarks.yields [--models ID ID]

Suspects are measured by benchmarks/queues.py, since they take a training. Queues that ask a model ask those
of the library, which never saw a drawn face. Outvoted labels and people who disagree cannot be measured here:
nobody voted on drawn faces.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from fer_core import workspace
from fer_core.dataset import findings, practice, schema
from fer_core.dataset.store import Store
from fer_core.evaluation import trial
from fer_core.inference.predictor import Predictor
from fer_core.review import queues
from fer_core.review.queues import Queue
from fer_core.zoo import library

HEAD = 60
"""Pictures of two minutes; a queue that has fewer counts as it is."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.yields")
    parser.add_argument("--models", nargs=2, metavar="ID")
    options = parser.parse_args(arguments)
    folders = {
        entry.id: entry.folder
        for entry in library.entries()
        if entry.card and entry.card.task == "expression"
    }
    first = library.default_id()
    models = options.models or sorted(folders, key=lambda id: id != first)[:2]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        for id in models:
            if not (workspace.SHIPPED_MODELS / id).exists():
                shutil.copytree(folders[id], Path(folder) / "models" / id)
        store = Store.open()
        practice.import_practice(store)
        findings.check(store, practice.NAME)
        wrong = planted(store)
        print(f"models: {', '.join(models)}")
        for split in ("train", "test"):
            print(f"\n{split:10} {'pictures':>9} {'wrong':>7} {f'first {HEAD}':>10}")
            for queue in made(store, models, split):
                right = np.isin(queue.samples, list(wrong))
                if len(queue):
                    print(f"{queue.kind:10} {len(queue):9,} {right.mean():7.1%} {right[:HEAD].mean():10.1%}")
        store.close()


def planted(store: Store) -> set[int]:
    """Ids of the samples whose label is wrong."""
    sources = {planned.source for planned in practice.plan() if planned.label != planned.truth}
    sample = schema.sample.c
    with store.read() as connection:
        return {
            id for id, source in connection.execute(sa.select(sample.id, sample.source)) if source in sources
        }


def made(store: Store, models: Sequence[str], split: str) -> list[Queue]:
    """Every queue that can be made of a split."""
    rows = trial.rows(store, practice.NAME, None, split)
    one, other = (trial.run(store, Predictor.load(library.find(id).folder), rows) for id in models)
    found = [
        queues.at_random(rows.frame, split),
        queues.missed(one.result(), models[0], split),
        queues.disagree(one.result(), other.result(), (models[0], models[1]), split),
        queues.doubt(rows.frame, one.answers, one.card.labels, models[0], split),
        queues.blind(one.result(), models[0], split),
    ]
    kinds = [kind for kind, about in queues.KINDS.items() if about.finding]
    return [*(queues.of_findings(store, practice.NAME, kind, split) for kind in kinds), *found]


if __name__ == "__main__":
    main()
