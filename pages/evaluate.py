"""Every model measured on every dataset, and the faces behind every number."""

import importlib
from dataclasses import dataclass

import streamlit as st

from fer_core.dataset.browse import Filter
from fer_core.dataset.store import Store
from fer_core.evaluation.trial import Trial
from fer_core.zoo.specs import EXPRESSION, TASKS
from pages._shared import address, cell_view, errors, evaluation_choice, frame, resources, sample_view
from pages._shared.evaluation_choice import Choice

TRIAL, ROWS, STORE = "trial", "rows", "store"
"""What a section is shown: show(store, trial, kind), show(store, rows, faces, kind), or show(store)."""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        module: its module in pages/_shared, imported when somebody opens it: the page shall open at once.
        of: TRIAL, ROWS or STORE.
        every_task: whether it has an answer for models that do not name an expression.
    """

    title: str
    module: str
    of: str = TRIAL
    every_task: bool = False


SECTIONS = {
    "model": Section("One model", "model_view", every_task=True),
    "all": Section("All models", "all_view", STORE),
    "versus": Section("Two models", "versus_view", ROWS),
    "limits": Section("Robustness", "robustness_view"),
    "slices": Section("Slices", "slices_view"),
    "doubt": Section("Can't tell", "certainty_view"),
    "report": Section("Report", "report_view", every_task=True),
}


def main() -> None:
    """The choice, the sections, and the one that the address names."""
    store = resources.store()
    place = st.container()
    key = address.section(
        "What to look at", {name: s.title for name, s in SECTIONS.items()}, evaluation_choice.FIELDS
    )
    section = SECTIONS[key]
    if section.of == STORE:
        with errors.guard():
            _module(section).show(store)
        return
    with place:
        choice = evaluation_choice.ask(store)
    if choice is not None:
        with errors.guard():
            show(store, section, choice)


def show(store: Store, section: Section, choice: Choice) -> None:
    """One section, or one face where the address names one."""
    if section.of == ROWS:
        _module(section).show(store, choice.rows, choice.faces, choice.kind)
        return
    task = resources.models()[choice.model].task
    if task != EXPRESSION.id and not section.every_task:
        st.info(f"This section is for models that name an expression; this one answers {TASKS[task].title}.")
        return
    trial = evaluation_choice.measured(store, choice.model, choice.rows, choice.faces)
    if trial is None:
        return
    if (sample := address.number("sample")) is not None:
        _one(store, trial, choice.kind, sample)
    else:
        _module(section).show(store, trial, choice.kind)


def _one(store: Store, trial: Trial, kind: str, sample: int) -> None:
    """One face: why it was read so, or what the dataset knows of it."""
    if trial.card.task == EXPRESSION.id:
        cell_view.neighbours(sample)
        importlib.import_module("pages._shared.why_view").show(store, trial, kind, sample)
    else:
        (dataset,) = (found for found in store.datasets() if found.name == trial.rows.dataset)
        sample_view.show(store, dataset, sample, Filter(), "imported")


def _module(section: Section):
    return importlib.import_module(f"pages._shared.{section.module}")


with frame.page(
    "Evaluate",
    "Measure a model, see what it takes for what, and look at the faces behind every number. "
    "For whoever wants to know how far to trust one.",
):
    main()
