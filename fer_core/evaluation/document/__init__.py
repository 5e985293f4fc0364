"""The report on a model: one HTML file that a person can read, keep and print; it loads nothing."""

from pathlib import Path

import jinja2

import fer_core
from fer_core.dataset.store import Store, now
from fer_core.evaluation import register
from fer_core.evaluation.document import facts, figures, limits
from fer_core.evaluation.trial import Trial
from fer_core.zoo.specs import AFFECT, EXPRESSION, SIMILARITY

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    # Whatever a name or a card holds is text: they come from strangers.
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["interval"] = figures.interval


def html(store: Store, trial: Trial, kind: str = "labels") -> str:
    """The report on the trial's model: this trial in full, and all else that was measured of it.

    It shows figures only: no picture of a face is in it.

    Args:
        kind: what counts as true in the full part, of `trial.kinds`; models of other tasks have one truth.

    Raises:
        BadInput: no row has an answer that the model can give.
        StorageError: the thresholds that were chosen here cannot be read.
    """
    card, rows = trial.card, trial.rows
    entries = register.entries(store)
    here = [e for e in entries if (e.dataset, e.version, e.split) == (rows.dataset, rows.version, rows.split)]
    if card.task == EXPRESSION.id:
        shown = figures.expression(trial, kind)
        shown |= limits.worse_pictures(trial, kind) | limits.which_pictures(store, trial, kind)
    elif card.task == SIMILARITY.id:
        shown = figures.similarity(trial.records[0])
    else:
        shown = {"record": trial.records[0]}
    own = [entry for entry in entries if entry.weights == card.weights]
    return _TEMPLATES.get_template("report.html").render(
        card=card,
        affect=card.task == AFFECT.id,
        similarity=card.task == SIMILARITY.id,
        what=facts.sentence(card),
        where=facts.where(store, rows.dataset, rows.version, rows.split, trial.faces),
        written=f"{now()[:16].replace('T', ' ')} UTC",
        version=fer_core.__version__,
        cautions=register.cautions(card, rows.dataset, rows.split, shown["record"]["n"], here),
        measured_note=facts.note(own),
        measured=facts.measured(store, card, own),
        facts=facts.tables(card),
        limits=card.limitations or ["None were written down."],
        method=facts.method(card),
        **shown,
    )
