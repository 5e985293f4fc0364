"""A trained model becomes one that ships: measured on FER2013's PublicTest, and copied into models/.

    python -m benchmarks.ship MODEL --data FOLDER --id ID --title TITLE

MODEL is the id of a model of the workspace that learned from FER2013's Training and never saw PublicTest: it
validated on every twentieth row of Training. FOLDER holds fer2013.zip (or .csv) and fer2013new.csv.
"""

import argparse
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.peers import fer2013
from fer_core import workspace
from fer_core.dataset import arrays, versions
from fer_core.dataset.store import Store
from fer_core.evaluation import report, results
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

WHERE = {"dataset": "PublicTest", "split": "test"}
TRAINED = {
    "dataset": "fer2013",
    "selected_on": "every twentieth face of FER2013's Training, on which it did not learn: the best epoch",
}
LICENCE = "FER2013: research use, from web searches; FER+ votes: MIT"


def main() -> None:
    options = _options()
    trained = library.find(options.model)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        whole, rows, seen = fer2013(store, options.data, "PublicTest")
        predictor = Predictor.load(trained.folder)
        measured = report.evaluate(
            predictor,
            arrays.build(store, rows, predictor.card.input),
            rows,
            seen,
            {kind: results.names(whole, kind) for kind in report.kinds(whole)},
        )
        version = versions.manifest_id(whole)
    target = workspace.SHIPPED_MODELS / options.id
    shutil.copytree(trained.folder, target)
    card = replace(
        predictor.card,
        id=options.id,
        title=options.title,
        training=predictor.card.training | TRAINED,
        evaluations=[{**WHERE, "version": version, **record} for record in measured],
        licence=predictor.card.licence | {"data": LICENCE},
    )
    card.write(target)
    for record in measured:
        print(record["kind"], f"{record['accuracy']:.4f}", f"ECE {record['ece']:.4f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--title", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
