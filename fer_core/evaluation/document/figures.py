"""The figures of one trial as the report shows them: texts, tables and charts."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from fer_core.errors import BadInput
from fer_core.evaluation import metrics, raters, report
from fer_core.evaluation.document import plots
from fer_core.evaluation.document.plots import Bar, Line
from fer_core.evaluation.results import Result
from fer_core.evaluation.trial import Trial
from fer_core.zoo import thresholds

AGAINST = {"labels": "the dataset's own labels", "votes": "the most frequent vote"}

_BINS = 10
"""Of confidence in the diagram: few enough for each to hold some answers."""

_POINTS = 200
"""Most points of a curve: more than its pixels are only bytes."""


@dataclass(frozen=True)
class Table:
    """A table of texts: its columns, and its rows (or rows by name)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] | dict[str, tuple[str, ...]]


def interval(record: dict) -> str:
    """ "71.2 % (69.7 to 72.7)"."""
    low, high = record["accuracy_low"] * 100, record["accuracy_high"] * 100
    return f"{_percent(record['accuracy'])} ({low:.1f} to {high:.1f})"


def expression(trial: Trial, kind: str) -> dict:
    """All that the template on expressions shows.

    Raises:
        BadInput: no row has an answer that the model can give.
        StorageError: the thresholds that were chosen here cannot be read.
    """
    result = trial.result(kind)
    record = report.record(result)
    coverage, coverage_note = _coverage(result, thresholds.of(trial.card))
    reliability, reliability_note = _reliability(result, record)
    return {
        "record": record,
        "against": AGAINST[kind],
        "figures": _summaries(trial),
        "matrix": _matrix(record),
        "classes": _classes(record),
        "reliability": reliability,
        "reliability_note": reliability_note,
        "coverage": coverage,
        "coverage_note": coverage_note,
        "curves": _precision_recall(result),
    }


def similarity(record: dict) -> dict:
    """All that the template on same or not shows."""
    points = [(point["fpr"], point["tpr"]) for point in record["roc"]]
    chart = plots.chart(
        plots.percents("different pairs taken for the same"),
        plots.percents("same pairs found"),
        f"Receiver operating characteristic, area under the curve {record['auc']:.3f}",
        [Line([(0, 0), (1, 1)], "aside"), Line(points)],
    )
    return {"record": record, "roc": chart}


def _summaries(trial: Trial) -> Table:
    """Each kind of truth in a column of its own, where it has answers."""
    columns: dict[str, dict[str, str]] = {}
    for kind in trial.kinds:
        try:
            columns[f"against {AGAINST[kind]}"] = summary(trial.result(kind), trial.seen is not None)
        except BadInput:
            continue
    names = dict.fromkeys(name for one in columns.values() for name in one)
    return Table(
        tuple(columns), {name: tuple(one.get(name, "–") for one in columns.values()) for name in names}
    )


def summary(result: Result, known: bool) -> dict[str, str]:
    """The figures of a result in words, by their names.

    Args:
        known: whether the model's training set is at hand.
    """
    record = report.record(result)
    free, found = record["leak_free"], int(result.found.sum())
    most = result.label_set.names[int(np.bincount(result.truth).argmax())]
    return {
        "As published": f"{interval(record)}, {record['n']:,} faces",
        "Leak-free": f"{interval(free)}, {free['n']:,} faces"
        if free["n"]
        else "all its faces have copies in training"
        if known
        else "not known: its training set is not here",
        "Macro F1": f"{record['macro_f1']:.3f}",
        "Weighted F1": f"{record['weighted_f1']:.3f}",
        "Balanced accuracy": _percent(record["balanced_accuracy"]),
        "Truth among the first two": _percent(record["top2"]),
        "Log loss": f"{record['log_loss']:.3f}",
        "Calibration error (ECE)": f"{record['ece']:.3f}",
        "Baseline": f"{_percent(record['baseline'])}, always {most}",
        "Faces found": f"{_percent(found / len(result))}, {found:,} of {len(result):,}",
        "Left out": ", ".join(f"{n:,} {reason}" for reason, n in result.left_out.items()) or "nothing",
        **_people(result),
    }


def _people(result: Result) -> dict[str, str]:
    """The human line, where several raters voted."""
    if result.kind != "votes":
        return {}
    try:
        found = raters.measure(result)
    except BadInput:
        return {}
    human, model = (
        f"{_percent(one.value)} ({one.low * 100:.1f} to {one.high * 100:.1f})"
        for one in (found.human, found.model)
    )
    ahead = "{:+.1f} points ({:+.1f} to {:+.1f}) beside a rater".format(
        *(value * 100 for value in (found.ahead.value, found.ahead.low, found.ahead.high))
    )
    return {
        "A rater agrees with the others": human,
        "The model agrees with the same": f"{model}, {ahead}",
        "Distance from the votes": f"{found.distance.value:.3f}, a rater's {found.rater_distance.value:.3f}",
    }


def _matrix(record: dict) -> dict:
    counts, names = np.array(record["confusion"]), list(record["classes"])
    if "not_found" in record:
        counts = np.column_stack([counts, record["not_found"]])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    columns = [*names, "no face found"][: counts.shape[1]]
    rows = [
        {"name": name, "cells": [{"share": float(s), "count": int(n)} for s, n in zip(*row, strict=True)]}
        for name, *row in zip(names, shares, counts, strict=True)
    ]
    return {"columns": columns, "rows": rows}


def _classes(record: dict) -> list[dict]:
    each, called = record["per_class"], np.sum(record["confusion"], axis=0)
    rows = []
    for place, name in enumerate(record["classes"]):
        hits, faces = record["confusion"][place][place], each["support"][place]
        rows.append(
            {
                "name": name,
                "faces": faces,
                "f1": each["f1"][place],
                "recall": each["recall"][place],
                "recall_text": _share(hits, faces),
                "precision": each["precision"][place],
                "precision_text": _share(hits, int(called[place])),
            }
        )
    return rows


def _reliability(result: Result, record: dict) -> tuple[Markup, str]:
    found = result.found
    bins = metrics.reliability(result.right[found], result.confidence[found], _BINS)
    met = np.flatnonzero(bins.n)
    chart = plots.chart(
        plots.percents("confidence"),
        plots.percents("right"),
        f"Of the answers of each confidence, the share that is right; calibration error {record['ece']:.3f}",
        [Line([(0, 0), (1, 1)], "aside")],
        [
            Bar(
                bins.edges[place],
                bins.edges[place + 1],
                bins.accuracy[place],
                bins.low[place],
                bins.high[place],
            )
            for place in met
        ],
    )
    over = float((result.confidence - result.right)[found].mean()) if found.any() else 0.0
    leaning = "surer than it is right" if over > 0 else "less sure than it is right"
    return chart, (
        "Each bar with its 95 % interval; on the dashed line it is right as often as it is sure. On average "
        f"it is {abs(over) * 100:.1f} points {leaning}; the calibration error over bins of confidence "
        f"(ECE) is {record['ece']:.3f}."
    )


def _coverage(result: Result, threshold: float) -> tuple[Markup, str]:
    order = np.argsort(-result.confidence, kind="stable")[: int(result.found.sum())]
    given = np.arange(1, len(order) + 1)
    right = np.cumsum(result.right[order]) / given
    kept = _thin(given)
    low = 50 if len(order) and right[len(order) // 50 :].min() >= 0.5 else 0
    chart = plots.chart(
        plots.percents("faces that get an answer"),
        plots.percents("answers that are right", low, step=10 if low else 25),
        "The fewer faces get an answer, the surest first, the more of the answers are right",
        [Line([(given[place] / len(result), right[place]) for place in kept])],
    )
    sure = result.found & (result.confidence >= threshold)
    if not threshold or not sure.any():
        return (
            chart,
            "It answers every face. Were only the surest answers given, other shares would be right.",
        )
    return chart, (
        f"Below {threshold * 100:.0f} % confidence it says can't tell: {_percent(sure.mean())} of the "
        f"faces get an answer, and {_percent(result.right[sure].mean())} of those answers are right."
    )


def _precision_recall(result: Result) -> list[dict]:
    """A chart for each class; a face that was not found is never among the answers."""
    told, found = [], result.found
    for place, name in enumerate(result.label_set.names):
        truth = result.truth == place
        score = result.probabilities[found, place]
        curve = metrics.precision_recall(truth[found], score, int(truth[~found].sum()))
        chart = plots.chart(
            plots.percents("found", step=50),
            plots.percents("right", step=50),
            f"{name}: precision against recall, average precision {curve.average:.2f}",
            [
                Line([(0, truth.mean()), (1, truth.mean())], "aside"),
                Line([(curve.recall[at], curve.precision[at]) for at in _thin(curve.recall)]),
            ],
            width=210,
            height=170,
        )
        told.append({"name": name, "area": curve.average, "chart": chart})
    return told


def _thin(x: np.ndarray) -> np.ndarray:
    """Places of a curve with rising x to draw: _POINTS of them by number, and as many by distance."""
    if not len(x):
        return np.array([], int)
    evenly = np.linspace(0, len(x) - 1, _POINTS).round().astype(int)
    return np.unique([*evenly, *np.searchsorted(x, np.linspace(x[0], x[-1], _POINTS))])


def _share(hits: int, n: int) -> str:
    if n == 0:
        return "never" if hits == 0 else ""
    low, high = metrics.wilson(hits, n)
    return f"{_percent(hits / n)} ({low * 100:.0f} to {high * 100:.0f})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
