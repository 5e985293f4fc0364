"""The command on a model's limits: robustness."""

import argparse
import json
from pathlib import Path

import numpy as np

from fer_core.cli import progress
from fer_core.dataset.store import SPLITS, Store
from fer_core.evaluation import report, robustness, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.imaging.disturbances import DISTURBANCES
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

_KINDS = {"raw": "labels", "ferplus": "votes"}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's command to the parser."""
    add = commands.add_parser(
        "robustness",
        help="accuracy under blur, noise, bad light, rotation, covered faces, JPEG, low resolution",
    )
    add.add_argument("--model", required=True)
    add.add_argument("--data", required=True, metavar="NAME[@VERSION]")
    add.add_argument("--split", default="validation", choices=[name for name in SPLITS if name != "none"])
    add.add_argument("--labels", default="raw", choices=list(_KINDS), help="the truth: labels or votes")
    add.add_argument("--faces", default=WHOLE, metavar="DETECTOR", help="look for the face first")
    add.add_argument(
        "--sample", type=int, default=robustness.SAMPLE, metavar="N", help="faces, drawn by class; 0 is all"
    )
    add.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    add.set_defaults(run=_robustness)


def _robustness(options: argparse.Namespace) -> int:
    name, _, version = options.data.partition("@")
    store, predictor = Store.open(), Predictor.load(library.find(options.model).folder)
    rows = trial.rows(store, name, version or None, options.split)
    result = trial.run(store, predictor, rows, options.faces, progress.show).result(_KINDS[options.labels])
    sample = result.among(robustness.drawn(result, options.sample if options.sample > 0 else len(result)))
    curves = robustness.measure(store, predictor, sample, options.faces, progress.show)
    progress.clear()
    if options.json:
        where = {"model": options.model, "dataset": name, "version": rows.version, "split": options.split}
        text = json.dumps({**where, "faces": options.faces, **robustness.record(curves)}, indent=1)
        options.json.write_text(text, "utf-8")
    plain = report.share(sample.right, np.ones(len(sample), bool))
    print(
        f"{plain['accuracy']:.1%} ({plain['accuracy_low']:.1%} to {plain['accuracy_high']:.1%}) of "
        f"{plain['n']:,} faces as they are"
    )
    for each in DISTURBANCES:
        points = (f"{each.said(s)}: {curves.at(each, s).mean():.1%}" for s in each.strengths)
        print(f"{each.title} ({each.axis}): {', '.join(points)}")
    print(robustness.sentence(robustness.worst(curves)))
    return 0
