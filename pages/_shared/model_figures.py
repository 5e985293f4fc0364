"""All figures of one model on one split: by class, by confidence, against both truths; who else looked."""

import numpy as np
import pandas as pd
import streamlit as st

from fer_core.errors import BadInput
from fer_core.evaluation import metrics, raters
from fer_core.evaluation.register import Entry
from fer_core.evaluation.results import Result
from fer_core.evaluation.trial import Trial
from pages._shared import charts, errors, resources, words

_FIGURES = {
    "macro_f1": ("Macro F1", "Mean of the expressions' F1: rare ones count as much as common ones."),
    "weighted_f1": ("Weighted F1", "Mean of the expressions' F1, each by its number of faces."),
    "balanced_accuracy": ("Balanced accuracy", "Mean share of each expression that is found."),
    "top2": ("Top-2 accuracy", "How often the truth is among its two best answers."),
    "log_loss": ("Log loss", "Surprise at the truth: 0 is perfect, sure mistakes cost most."),
    "ece": ("ECE", "How far stated percentages are off on average."),
}
_SHARES = ("balanced_accuracy", "top2", "ece")


def show(trial: Trial, result: Result, record: dict) -> None:
    """From top to bottom: each expression, curves, percentages against truth, all else in one table."""
    st.subheader("Each expression", anchor=False)
    st.dataframe(
        classes(record),
        hide_index=True,
        alt="Figures of each expression with interval and number of faces",
        column_config={
            "found": st.column_config.TextColumn(
                "found (recall)", help="Share of this expression's faces that it finds, 95 % interval."
            ),
            "right": st.column_config.TextColumn(
                "right (precision)", help="Share of these answers that are true, 95 % interval."
            ),
            "F1": st.column_config.TextColumn(help="Harmonic mean of found and right."),
            "AP": st.column_config.TextColumn(
                help="Average precision: area under the curve below; its faces' share is chance."
            ),
        },
    )
    found = result.found
    if not found.any():
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**How many are found, how many are right?**")
        charts.precision_recall(_curves(result, record), "precision recall")
    with right:
        st.markdown("**When it says 80 %, is it right 8 times in 10?**")
        charts.reliability(metrics.reliability(result.right[found], result.confidence[found]), "reliability")
        st.caption(_calibration(trial, record))
    st.subheader("All figures", anchor=False)
    st.dataframe(
        truths(trial),
        alt="All figures, a column for each kind of truth",
        column_config={"_index": st.column_config.TextColumn("", width="medium")},
    )
    if people := _people(trial):
        st.markdown(people)
    with st.expander("What they mean"):
        st.markdown("\n".join(f"- **{title}**: {help}" for title, help in _FIGURES.values()))


def classes(record: dict) -> pd.DataFrame:
    """A row for each class: faces, recall and precision with intervals, F1, average precision."""
    matrix, each = np.array(record["confusion"]), record["per_class"]
    rows = []
    for place, name in enumerate(record["classes"]):
        hits, faces, answers = int(matrix[place, place]), each["support"][place], int(matrix[:, place].sum())
        rows.append(
            {
                "expression": name,
                "faces": faces,
                "found": _interval(hits, faces),
                "right": _interval(hits, answers),
                "F1": f"{each['f1'][place]:.3f}",
                "AP": f"{record['average_precision'][place]:.3f}",
            }
        )
    return pd.DataFrame(rows)


def truths(trial: Trial) -> pd.DataFrame:
    """A column for each kind of truth that these faces have."""
    columns = {}
    for record in trial.records:
        cells = {"Accuracy": words.accuracy(record).split(",")[0], "Faces": f"{record['n']:,}"}
        for key, (title, _) in _FIGURES.items():
            cells[title] = words.percent(record[key]) if key in _SHARES else f"{record[key]:.3f}"
        columns["labels" if record["kind"] == "labels" else "raters' votes"] = cells
    return pd.DataFrame(columns)


def _people(trial: Trial) -> str:
    """The human line in a sentence, "" where nobody voted."""
    rows = trial.rows
    key = resources.weights(trial.card), f"{trial.card.temperature:g}", rows.version, rows.split, trial.faces
    found = _raters(trial, key) if "votes" in trial.kinds else None
    if found is None:
        return ""
    ahead = f"{abs(found.ahead.value) * 100:.1f} ± {_half(found.ahead):.1f} points"
    return (
        f"**Beside people**: asked what most of the others see, one rater is right on "
        f"{words.percent(found.human.value)} ± {_half(found.human):.1f} of {found.n:,} faces, the model on "
        f"{words.percent(found.model.value)} ± {_half(found.model):.1f}: {ahead} "
        f"{'more' if found.ahead.value > 0 else 'less'} often. The model's percentages differ from the votes "
        f"by {words.percent(found.distance.value)} (total variation: the share of votes that would have to "
        f"change), one rater's answer by {words.percent(found.rater_distance.value)}."
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _raters(_trial: Trial, key: tuple[str, ...]) -> raters.Raters | None:
    """Kept, because 35,000 faces take half a second."""
    try:
        return raters.measure(_trial.result("votes"))
    except BadInput:
        return None


def _half(mean: raters.Mean) -> float:
    return (mean.high - mean.low) * 50


def looks(known: list[Entry], trial: Trial) -> None:
    """Who was measured on this very split: choosing among many makes the best look better than it is."""
    titles = {resources.weights(card): card.title for card in resources.models().values()}
    if not known:
        return
    with st.expander(
        f"Measured on this split so far: {words.many(len({e.weights for e in known}), 'model')}"
    ):
        rows = [
            {
                "when": entry.at[:16].replace("T", " "),
                "model": titles.get(entry.weights, f"{entry.model} (gone)"),
                "faces": entry.faces,
                "result": ", ".join(_result(figures) for figures in entry.figures),
            }
            for entry in known
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Register of evaluations on this split")
        st.caption(
            f"Every look at {errors.plain(trial.rows.dataset)} {trial.rows.split} in this state of it. "
            "Nothing can be struck from this register."
        )


def _result(figures: dict) -> str:
    if "accuracy" in figures:
        return f"{words.percent(figures['accuracy'])} ({figures['kind']})"
    return f"CCC {figures['ccc']:.2f}" if "ccc" in figures else figures["kind"]


def _interval(hits: int, n: int) -> str:
    if not n:
        return "–"
    low, high = metrics.wilson(hits, n)
    return f"{hits / n * 100:.0f} % ({low * 100:.0f} to {high * 100:.0f})"


def _curves(result: Result, record: dict) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Recall and precision of each class that occurs."""
    found = result.found
    missed = record.get("not_found", [0] * len(result.label_set))
    curves = {}
    for place, name in enumerate(result.label_set.names):
        if record["per_class"]["support"][place]:
            curve = metrics.precision_recall(
                result.truth[found] == place, result.probabilities[found, place], missed[place]
            )
            curves[name] = curve.recall, curve.precision
    return curves


def _calibration(trial: Trial, record: dict) -> str:
    temperature = trial.card.temperature
    if abs(temperature - 1) < 0.005:
        said = "Its percentages are as the network gave them."
    else:
        how = "softened" if temperature > 1 else "sharpened"
        said = f"Its percentages were {how} on validation (temperature {temperature:.2f})."
    return f"Its percentages are off by {words.percent(record['ece'])} on average (ECE). {said}"
