"""What the report tells of a model's limits: how it fares on worse pictures, and on which ones."""

from markupsafe import Markup

from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.evaluation import robustness, slices
from fer_core.evaluation.document import plots
from fer_core.evaluation.document.figures import interval
from fer_core.evaluation.document.plots import Axis, Line
from fer_core.evaluation.robustness import Curves
from fer_core.evaluation.trial import Trial
from fer_core.imaging.disturbances import DISTURBANCES, Disturbance

_UNTOLD = ("label", "subject")
"""Properties that the report leaves out: expressions have a table, and who is shown is nobody's business."""


def worse_pictures(trial: Trial, kind: str) -> dict:
    """Accuracy under each disturbance, where it was measured before; measuring it takes minutes."""
    curves = _known(trial, kind)
    if curves is None:
        return {"disturbances": [], "worst": ""}
    return {
        "disturbances": [
            {"title": each.title, "axis": each.axis, "chart": _chart(curves, each)} for each in DISTURBANCES
        ],
        "worst": robustness.sentence(robustness.worst(curves)),
    }


def which_pictures(store: Store, trial: Trial, kind: str) -> dict:
    """Accuracy by what the pictures are like and where they come from, as far as it is known."""
    try:
        found = slices.cuts(store, trial.result(kind), trial.rows.dataset)
    except NotFound:
        # The dataset was deleted; its answers are here.
        found = []
    cuts = []
    for cut in found:
        if cut.property.id in _UNTOLD or len(cut.slices) < 2:
            continue
        rows = [
            {
                "name": part.name,
                "faces": len(part.places),
                "accuracy": part.accuracy,
                "text": interval(
                    {"accuracy": part.accuracy, "accuracy_low": part.low, "accuracy_high": part.high}
                ),
                "differs": _differs(part),
            }
            for part in cut.slices
        ]
        cuts.append({"title": cut.property.title, "words": cut.property.words, "rows": rows})
    return {"cuts": cuts}


def _differs(part: slices.Slice) -> str:
    if not part.holds:
        return ""
    than = "better" if part.accuracy > part.expected else "worse"
    return "differs, as its mix of expressions would" if part.explained else f"{than} than the others"


def _known(trial: Trial, kind: str) -> Curves | None:
    result = trial.result(kind)
    for most in (len(result), robustness.SAMPLE):
        sample = result.among(robustness.drawn(result, most))
        if (curves := robustness.known(trial.card, sample, trial.faces)) is not None:
            return curves
    return None


def _chart(curves: Curves, each: Disturbance) -> Markup:
    """Accuracy against strength, evenly spaced as on the page: strengths are what daily life has."""
    shares = [float(curves.at(each, step).mean()) for step in each.steps]
    last, plain = len(shares) - 1, shares[each.nothing]
    told = {0, each.nothing, last}
    ticks = tuple((at, each.said(step) if at in told else "") for at, step in enumerate(each.steps))
    return plots.chart(
        Axis("", ticks),
        plots.percents("right", step=50),
        f"{each.title}: {plain:.0%} as it is, {min(shares):.0%} at worst",
        [Line([(0, plain), (last, plain)], "aside"), Line(list(enumerate(shares)), dots=True)],
        width=240,
        height=165,
    )
