"""Commands that measure: evaluate, compare, evaluations."""

import argparse
import dataclasses
import json
from pathlib import Path

from fer_core.cli import progress
from fer_core.dataset.store import SPLITS, Store
from fer_core.errors import BadInput, StorageError
from fer_core.evaluation import answers, chance, compare, document, register, report, tables, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.compare import Change, Comparison
from fer_core.evaluation.document import figures
from fer_core.evaluation.document.figures import AGAINST, interval
from fer_core.evaluation.trial import Rows, Trial
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library
from fer_core.zoo.specs import AFFECT, EXPRESSION, TASKS

SCHEMA_VERSION = 1
"""Of what `compare` writes."""

_TRUTHS = {"raw": "labels", "ferplus": "votes"}
_VERDICTS = {
    compare.BETTER: "the second is more accurate",
    compare.WORSE: "the second is less accurate",
    compare.NO_PROOF: "no proof that one is more accurate than the other",
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("evaluate", help="measure a model on a split of a dataset")
    add.add_argument("--model", required=True, metavar="ID")
    _add_rows(add)
    add.add_argument(
        "--shuffle",
        type=int,
        nargs="?",
        const=0,
        metavar="SEED",
        help="check the measuring instead: shuffle the truth once, and see chance",
    )
    add.add_argument("--json", type=Path, metavar="FILE", help="write the whole record")
    add.add_argument("--html", type=Path, metavar="FILE", help="write a report to read, print or send")
    add.add_argument("--csv", type=Path, metavar="FILE", help="write the answers, one row for each face")
    add.set_defaults(run=_evaluate)

    add = commands.add_parser("compare", help="two models on the same faces: is the difference real?")
    add.add_argument("--models", required=True, nargs=2, metavar=("ONE", "OTHER"))
    _add_rows(add)
    add.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    add.set_defaults(run=_compare)

    add = commands.add_parser("evaluations", help="list what was measured, oldest first")
    add.set_defaults(run=_evaluations)


def _add_rows(add: argparse.ArgumentParser) -> None:
    add.add_argument("--data", required=True, metavar="NAME[@VERSION]")
    add.add_argument("--split", default="validation", choices=(*SPLITS, register.ALL))
    add.add_argument("--labels", default="raw", choices=tuple(_TRUTHS), help="the truth: labels or votes")
    add.add_argument(
        "--faces",
        default=WHOLE,
        metavar="whole|DETECTOR",
        help="where the face is: the whole picture (default), or where this detector finds it",
    )


def _rows(store: Store, options: argparse.Namespace) -> Rows:
    name, _, version = options.data.partition("@")
    return trial.rows(store, name, version or None, options.split)


def _predictor(model: str, asked: Rows, options: argparse.Namespace) -> Predictor:
    predictor = Predictor.load(library.find(model).folder)
    _check(predictor, asked, options)
    return predictor


def _trial(store: Store, predictor: Predictor, asked: Rows, options: argparse.Namespace) -> Trial:
    try:
        return trial.run(store, predictor, asked, options.faces, progress.show)
    finally:
        progress.clear()


def _check(predictor: Predictor, asked: Rows, options: argparse.Namespace) -> None:
    """Refuse before the model is asked thousands of times for nothing."""
    if options.labels == "ferplus" and predictor.card.task != EXPRESSION.id:
        raise BadInput(
            f"Votes name expressions. Received: --labels ferplus for {predictor.card.id}, "
            f"of the kind {TASKS[predictor.card.task].title!r}. Leave it away."
        )
    if _TRUTHS[options.labels] not in report.kinds(asked.frame):
        raise BadInput(
            f"--labels ferplus needs votes. Received: {options.split} of {options.data}, without them. "
            "Use --labels raw, or import the dataset with its votes."
        )


def _evaluate(options: argparse.Namespace) -> int:
    store, kind = Store.open(), _TRUTHS[options.labels]
    asked = _rows(store, options)
    if options.shuffle is not None:
        return _shuffle(store, asked, options)
    made = _trial(store, _predictor(options.model, asked, options), asked, options)
    expression = made.card.task == EXPRESSION.id
    record = tables.record(made, kind)
    if options.json:
        _write(options.json, json.dumps(record, indent=1).encode())
    if options.csv:
        _write(options.csv, tables.csv(tables.faces(store, made, kind)))
    if options.html:
        _write(options.html, document.html(store, made, kind).encode())
    against = f", against {AGAINST[kind]}" if expression else ""
    print(f"{made.card.title} ({made.card.id})")
    print(f"on {options.data} {options.split}{_found_by(options.faces)}{against}\n")
    if expression:
        _print(figures.summary(made.result(kind), known=made.seen is not None))
    elif made.card.task == AFFECT.id:
        _say_affect(record)
    else:
        _say_similarity(record)
    known = register.entries(store, dataset=asked.dataset, version=asked.version, split=asked.split)
    for caution in register.cautions(made.card, asked.dataset, asked.split, record["n"], known):
        print(f"\nCaution: {caution}")
    return 0


def _say_affect(record: dict) -> None:
    figures = "CCC {ccc:.3f} ({ccc_low:.3f} to {ccc_high:.3f}), Pearson {pearson:.3f}, RMSE {rmse:.3f}"
    lines = {axis: figures.format(**record[axis]) for axis in ("valence", "arousal")}
    _print({**lines, "of": f"{record['n']:,} faces"})


def _say_similarity(record: dict) -> None:
    _print(
        {
            "accuracy": f"{interval(record)} of {record['n']:,} pairs, half of them of one expression",
            "AUC": f"{record['auc']:.3f}",
            "equal error": _percent(record["equal_error"]),
        }
    )


def _shuffle(store: Store, asked: Rows, options: argparse.Namespace) -> int:
    """Not a look at the split, as nothing true is told: the register does not hear of it."""
    predictor = _predictor(options.model, asked, options)
    if predictor.card.task != EXPRESSION.id:
        raise BadInput(
            f"--shuffle needs a model of expressions. Received: {predictor.card.id}, "
            f"of the kind {TASKS[predictor.card.task].title!r}. Leave it away."
        )
    try:
        told = answers.of(store, predictor, asked.frame, options.faces, progress.show)
    finally:
        progress.clear()
    kind = _TRUTHS[options.labels]
    check = chance.check(told, asked, kind, predictor.card.labels, seed=options.shuffle)
    print("A check of the measuring itself, not of the model: the truth was shuffled among the faces.")
    _print(
        {
            "accuracy": f"{interval(check.record)} of {check.record['n']:,} faces",
            "chance": f"{_percent(check.expected)} for truths and answers as frequent as these",
        }
    )
    if check.passed:
        print("As it should be: without the truth, nothing but chance.")
        return 0
    print("This is NOT chance: the truth reaches the figures by another way. Believe none until it is found.")
    return 1


def _compare(options: argparse.Namespace) -> int:
    store, kind = Store.open(), _TRUTHS[options.labels]
    asked = _rows(store, options)
    predictors = [_predictor(model, asked, options) for model in options.models]
    for card in (predictor.card for predictor in predictors):
        if card.task != EXPRESSION.id:
            raise BadInput(
                f"Models of expressions are compared. Received: {card.id}, "
                f"of the kind {TASKS[card.task].title!r}. Choose another."
            )
    made = [_trial(store, predictor, asked, options) for predictor in predictors]
    found = compare.pair(made[0].result(kind), made[1].result(kind))
    if options.json:
        _write(options.json, json.dumps(_figures(found, made), indent=1).encode())
    f1 = found.macro_f1
    print(f"{made[0].card.id} and {made[1].card.id}")
    print(f"on {options.data} {options.split}{_found_by(options.faces)}: {len(found):,} faces\n")
    _print(
        {
            "against": AGAINST[kind],
            "accuracy": f"{_percent(found.one.right.mean())} and {_percent(found.other.right.mean())}, "
            f"change {_points(found.accuracy)}",
            "macro F1": f"change {f1.value:+.3f} ({f1.low:+.3f} to {f1.high:+.3f})",
            "only first": f"{len(found.only_one):,} faces that the first alone gets right",
            "only second": f"{len(found.only_other):,} faces that the second alone gets right",
            "by chance": f"p = {found.p:.2g}, how often chance alone gives as large a difference",
            "agreement": f"{_percent(found.agreement)} of the answers are the same (kappa {found.kappa:.2f})",
            "left out": ", ".join(f"{n:,} {name}" for name, n in found.left_out.items()) or "nothing",
            "verdict": _VERDICTS[found.verdict],
        }
    )
    print("\nrecall of each expression, change in points:")
    _print(
        {
            name: f"{_points(change)}, {int((found.one.truth == place).sum()):,} faces"
            for place, (name, change) in enumerate(zip(found.label_set.names, found.recall, strict=True))
        }
    )
    return 0


def _figures(found: Comparison, made: list[Trial]) -> dict:
    return {
        "schema_version": SCHEMA_VERSION,
        "models": [one.card.id for one in made],
        "weights": [one.card.weights for one in made],
        "dataset": made[0].rows.dataset,
        "version": made[0].rows.version,
        "split": made[0].rows.split,
        "faces": made[0].faces,
        "kind": found.one.kind,
        "n": len(found),
        "left_out": found.left_out,
        "accuracies": [float(side.right.mean()) for side in (found.one, found.other)],
        "accuracy": dataclasses.asdict(found.accuracy),
        "macro_f1": dataclasses.asdict(found.macro_f1),
        "recall": {
            name: dataclasses.asdict(change)
            for name, change in zip(found.label_set.names, found.recall, strict=True)
        },
        "only_one": len(found.only_one),
        "only_other": len(found.only_other),
        "p": found.p,
        "agreement": found.agreement,
        "kappa": found.kappa,
        "verdict": found.verdict,
    }


def _evaluations(options: argparse.Namespace) -> int:
    for entry in register.entries(Store.open()):
        for record in entry.figures:
            print(
                f"{entry.at[:16].replace('T', ' ')}  {entry.model}  {entry.dataset}@{entry.version[:8]} "
                f"{entry.split}{_found_by(entry.faces)}  {_short(record)}"
            )
    return 0


def _short(record: dict) -> str:
    if record["kind"] == "affect":
        return f"CCC {record['ccc']:.3f} of {record['n']:,} faces"
    if record["kind"] == "similarity":
        return f"AUC {record['auc']:.3f} of {record['n']:,} pairs"
    return f"{record['kind']} {interval(record)} of {record['n']:,} faces"


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"The file must be writable. Received: {path} ({error.strerror}). Choose another place."
        ) from error


def _print(lines: dict[str, str]) -> None:
    width = max(map(len, lines))
    for name, text in lines.items():
        print(f"  {name:{width}}  {text}")


def _found_by(faces: str) -> str:
    return "" if faces == WHOLE else f", faces found by {faces}"


def _points(change: Change) -> str:
    return f"{change.value * 100:+.1f} ({change.low * 100:+.1f} to {change.high * 100:+.1f})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
