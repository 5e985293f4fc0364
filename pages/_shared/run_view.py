"""One run: how far it is, how well it learns, and the ways to stop it, go on with it or try again."""

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from fer_core import workspace
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run
from fer_core.zoo import card as cards
from fer_core.zoo import specs
from fer_core.zoo.specs import Task
from pages._shared import address, curves, errors, history, run_words, words
from pages._shared.history import History

_LOOK_EVERY, _DRAW_EVERY = 1.0, 3.0
"""Seconds between two looks at the state, and between two drawings of the curves, which cost more."""
_LOG_LINES = 60


def show(run: Run) -> None:
    """From top to bottom: what it is, how far, what can be done, its curves, and what is known of it."""
    runs.advance()
    state, config = run.state(), run.config
    _heading(run, config)
    at_work = state in run_words.AT_WORK
    if at_work:
        history.look_cheaply()
    look_every = _LOOK_EVERY if at_work else 2 * _LOOK_EVERY if state == "queued" else None
    st.fragment(_now, run_every=look_every)(run, state)
    _actions(run, state, config)
    st.fragment(_learning, run_every=_DRAW_EVERY if at_work else None)(run, config, at_work)
    _about(config)
    _note(run)
    _delete(run, at_work)


def _heading(run: Run, config: TrainingConfig) -> None:
    st.subheader(errors.plain(run_words.name(config)), anchor=False)
    version = f", version {config.version}" if config.version else ""
    network = specs.get(config.spec).title
    st.caption(
        errors.plain(f"{network} on {config.dataset}{version} · set up {run_words.began(run)} UTC · {run.id}")
    )


def _now(run: Run, state: str) -> None:
    """The part that looks again every second. What else depends on the state is drawn anew with it."""
    if not (run.folder / "config.json").exists() or run.state() != state:
        st.rerun()
    if state == "queued":
        runs.advance()
    config, told = run.config, history.of(run)
    if state in run_words.AT_WORK:
        share, said = run_words.progress(told, config, state)
        st.progress(share, errors.plain(said))
    else:
        _ended(run, state, config, told)
    task = specs.get(config.spec).task
    if state in run_words.AT_WORK or told.epochs:
        st.html(_grid(_figures(told, config, task, state in run_words.AT_WORK)))
    for warning in told.warnings:
        st.warning(errors.plain(warning))


def _ended(run: Run, state: str, config: TrainingConfig, told: History) -> None:
    """In words how a run that is not at work stands, and what that asks for."""
    result = run.result or {}
    if state == "ready":
        st.info("This run has not started yet.")
    elif state == "queued":
        place = [waiting.id for waiting in runs.queue()]
        number = place.index(run.id) + 1 if run.id in place else 1
        st.info(f"Waits in line, place {number} of {max(len(place), 1)}. It starts by itself.")
    elif state == "crashed":
        kept = (
            f"The {words.many(told.done, 'whole epoch')} are kept: Resume goes on after "
            f"{'it' if told.done == 1 else 'them'}."
            if told.done
            else "No epoch had ended: Resume begins anew."
        )
        st.error(
            "The worker ended without a word: it was killed, ran out of memory, or the machine was "
            f"restarted. {kept} The log below may say more."
        )
    elif state == "failed":
        st.error(errors.plain(str(result.get("error", ""))))
    elif result.get("outcome") == "diverged":
        tuning = told.fine_tuning is not None and told.done >= told.fine_tuning
        rate = config.fine_tune_rate if tuning else config.learning_rate
        st.warning(
            "The loss stopped being a number: the steps were too large. The best epoch "
            f"({result['best_epoch']}) was kept. Lower the learning rate ({rate:g})."
        )
    elif "value" not in result:
        st.info(errors.plain(str(result.get("error", "Stopped."))))
    else:
        st.markdown(_verdict(result, config, told))


def _verdict(result: dict, config: TrainingConfig, told: History) -> str:
    figure = curves.FIGURES[result["figure"]]
    first = {
        "stopped": f"Stopped after {words.many(told.done, 'whole epoch')} of {config.epochs}",
        "early": f"Finished after {told.done} epochs: none of the last {config.early_stopping} was better",
    }.get(result.get("outcome", result["state"]), "Finished")
    value, epoch = figure.said(result["value"]), result["best_epoch"]
    best = f"{figure.title} {value} on validation images, in epoch {epoch}."
    if config.folds:
        held = result.get("held_out")
        after = f"It judged {words.many(held, 'image')} that it never saw; no model is kept." if held else ""
        return f"**{errors.plain(first)}.** {errors.plain(best)} {errors.plain(after)}"
    model = card(result)
    known = run_words.measured(model) if model else ""
    after = f"The model: {known}." if known else "" if model else "The model is not in the Library any more."
    return f"**{errors.plain(first)}.** {errors.plain(best)} {errors.plain(after)}"


def card(result: dict) -> cards.Card | None:
    """The card of the model that came of a run, unless it was deleted since."""
    folder = workspace.folder("models") / (result.get("model") or "none")
    return cards.read(folder) if (folder / cards.FILE_NAME).exists() else None


def _figures(told: History, config: TrainingConfig, task: Task, at_work: bool) -> list[tuple[str, str]]:
    """Names and values of what there is to read off now."""
    rows = []
    best = told.best(task.key)
    if best:
        for figure in (task.key,) if at_work else task.figures:
            known = curves.FIGURES[figure]
            rows.append((f"{known.short}, validation", known.said(best.get("val_" + figure))))
        rows.append(("Best epoch", f"{best['epoch'] + 1} of {told.done}"))
    latest = told.live or (told.epochs[max(told.epochs)] if told.epochs else {})
    if at_work:
        for figure in ("loss", "accuracy", "macro_f1"):
            if figure in latest:
                known = curves.FIGURES[figure]
                rows.append((f"{known.short}, training", known.said(latest[figure])))
        units = {
            "learning_rate": ("Learning rate", "{:.2g}"),
            "images_per_second": ("Images per second", "{:,.0f}"),
            "cpu_percent": ("Processor", "{:.0f} % busy"),
            "gpu_percent": ("GPU", "{:.0f} % busy"),
        }
        rows += [(title, unit.format(latest[key])) for key, (title, unit) in units.items() if key in latest]
        if "memory_mb" in latest:
            rows.append(("Memory", words.size(latest["memory_mb"])))
    elif told.epochs:
        seconds = sum(event["seconds"] for event in told.epochs.values())
        rows.append(("Time", words.duration(seconds)))
    if told.device:
        rows.append(("Computes on" if at_work else "Computed on", told.device))
    return rows


def _grid(rows: Sequence[tuple[str, str]]) -> str:
    """Names over values, as many in a row as fit."""
    cells = "".join(
        f"<div><dt>{html.escape(title)}</dt><dd>{html.escape(value)}</dd></div>" for title, value in rows
    )
    return (
        "<style>dl.fer-now{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5em,1fr));"
        "gap:.7em 1em;margin:0;padding:0}.fer-now dt{opacity:.7;font-size:.85em}"
        ".fer-now dd{margin:0;font-size:1.12em;font-variant-numeric:tabular-nums}</style>"
        f"<dl class=fer-now>{cells}</dl>"
    )


def _actions(run: Run, state: str, config: TrainingConfig) -> None:
    """What can be done with it now; the most likely first."""
    result = run.result or {}
    diverged = result.get("outcome") == "diverged"
    with st.container(horizontal=True):
        if state in run_words.AT_WORK:
            st.button(
                "Stopping…" if state == "stopping" else "Stop",
                on_click=run.stop,
                disabled=state == "stopping",
                help="Ends after the batch at work; "
                + ("it can be resumed." if config.folds else "the best epoch so far becomes a model."),
            )
            return
        if state == "queued":
            st.button("Take out of the line", on_click=runs.unqueue, args=(run,))
            return
        if state == "ready":
            st.button("Start", type="primary", on_click=_go_on, args=(run,))
        resumes = state in ("crashed", "failed") or state == "stopped" and not _complete(run, config)
        if resumes:
            st.button(
                "Resume",
                type="secondary" if result else "primary",
                on_click=_go_on,
                args=(run,),
                help="Goes on after the last whole epoch, as if nothing had happened.",
            )
        if state in ("finished", "stopped"):
            if result.get("model") and st.button(
                "Open the model", type="primary", disabled=not card(result), help="Its card in the Library"
            ):
                st.switch_page("pages/library.py", query_params={"model": result["model"]})
            if card(result) and st.button("Look at its errors", help="The faces behind its figures"):
                wanted = {"model": result["model"], "data": config.dataset, "split": "validation"}
                st.switch_page("pages/evaluate.py", query_params=wanted)
            if history.of(run).epochs and not config.folds:
                _more(run, config)
        st.button(
            "Retry with changes",
            type="primary" if diverged or state == "failed" else "secondary",
            on_click=address.go,
            kwargs={"view": "new", "from": run.id},
            help="Opens the settings of this run for a new one.",
        )


def _complete(run: Run, config: TrainingConfig) -> bool:
    return history.of(run).done >= config.epochs


def _more(run: Run, config: TrainingConfig) -> None:
    with st.popover("Continue"):
        epochs = st.number_input("More epochs", 1, 10_000 - min(config.epochs, 9_999), min(10, config.epochs))
        st.caption(
            f"Goes on to epoch {config.epochs + epochs}. The learning rate follows the schedule of the "
            "longer run, and a second model is made."
        )
        st.button("Continue this run", type="primary", on_click=_extend, args=(run, int(epochs)))


def _go_on(run: Run) -> None:
    with errors.guard():
        runs.enqueue(run)


def _extend(run: Run, epochs: int) -> None:
    with errors.guard():
        runs.extend(run, epochs)
        runs.enqueue(run)


def _learning(run: Run, config: TrainingConfig, at_work: bool) -> None:
    """Curves, the same as a table, and the log."""
    if not run.folder.exists():
        return
    told, task = history.of(run), specs.get(config.spec).task
    if told.data:
        st.caption(errors.plain(_data(told.data)))
    if told.leaks:
        found = ", ".join(f"{count:,} {reason}" for reason, count in told.leaks.items())
        st.warning(
            errors.plain(
                f"It learns from {found}, as was asked for: its figures are better than on new faces. "
                "Only the leak-free figures on the model's card say how it does there."
            )
        )
    if told.epochs or told.live:
        _charts(told, config, task, at_work)
    if told.epochs:
        table = st.expander("As a table", on_change="rerun", key=f"table {run.id}")
        if table.open:
            table.dataframe(
                pd.DataFrame([told.epochs[epoch] for epoch in sorted(told.epochs)])
                .drop(columns=["at", "kind", "epochs"], errors="ignore")
                .assign(epoch=lambda frame: frame["epoch"] + 1),
                hide_index=True,
                alt="All figures of each epoch",
            )
    log = st.expander("Log", on_change="rerun", key=f"log {run.id}")
    if log.open:
        log.code(run.log(_LOG_LINES) or "Nothing was printed yet.", language=None, wrap_lines=True)


def _data(data: dict) -> str:
    left_out = ", ".join(f"{count:,}: {reason}" for reason, count in data["left_out"].items())
    return (
        f"Learns from {words.many(data['train'], 'image')}; {data['validation']:,} others say how well "
        "(validation). " + (f"Left out of training: {left_out}." if left_out else "Nothing was left out.")
    )


def _charts(told: History, config: TrainingConfig, task: Task, at_work: bool) -> None:
    names = ["loss", *task.figures, "learning_rate"]
    done = told.live["epoch"] + 1 if told.live else told.done
    marks: dict[float, str] = {}
    if told.fine_tuning is not None:
        marks[told.fine_tuning] = "fine-tuning"
    marks |= {end: "continued" for end in config.continued_at if end <= done}
    axis = curves.Axis(curves.last_epoch(done, config.epochs, at_work), marks)
    best = told.best(task.key)
    for first in range(0, len(names), 2):
        for column, figure in zip(st.columns(2, gap="medium"), names[first : first + 2], strict=False):
            with column:
                height = curves.SMALL if figure == "learning_rate" else curves.HEIGHT
                curves.draw(figure, of_figure(told, figure, best), axis, f"curve {figure}", height)
    st.caption(
        "Full line and diamond: validation, best epoch. Dashed: training; the circle is the epoch at work."
    )


def of_figure(told: History, figure: str, best: dict | None) -> list[curves.Curve]:
    """Validation and training curves of one figure; the learning rate is one alone."""
    epochs = [told.epochs[epoch] for epoch in sorted(told.epochs)]
    live = None
    if told.live and told.live.get(figure) is not None:
        live = (told.live["epoch"] + told.live["step"] / told.live["steps"], told.live[figure])
    if figure == "learning_rate":
        return [curves.Curve("learning rate", curves.points(epochs, figure), live)]
    training = curves.Curve(
        "training", curves.points(epochs, figure), live, colour=curves.TRAINING, dash="dashed"
    )
    mark = best["epoch"] + 1 if best else None
    return [training, curves.Curve("validation", curves.points(epochs, "val_" + figure), best=mark)]


def _about(config: TrainingConfig) -> None:
    with st.expander("All settings"):
        settings = {key: errors.plain(value) for key, value in run_words.settings(config).items()}
        st.table(pd.Series(settings).to_frame(), hide_header=True, border="horizontal", alt="Settings")


def _note(run: Run) -> None:
    """A text that stays with the run; what another tab wrote meanwhile shows up here."""
    key, seen = f"note {run.id}", f"note seen {run.id}"
    written = run.note
    if st.session_state.get(seen) != written:
        st.session_state[key] = st.session_state[seen] = written

    def write() -> None:
        with errors.guard():
            run.write_note(st.session_state[key].strip())

    st.text_area(
        "Note",
        key=key,
        max_chars=10_000,
        height=90,
        on_change=write,
        placeholder="What this run was for, and what it showed",
    )


def _delete(run: Run, at_work: bool) -> None:
    if at_work:
        return
    with st.popover("Delete this run", type="tertiary", icon=":material/delete:"):
        st.markdown(
            "Its curves, log, note and checkpoints go for good. A model that came of it stays in the Library."
        )
        st.button("Delete for good", on_click=_gone, args=(run,))


def _gone(run: Run) -> None:
    with errors.guard():
        runs.delete(run)
        history.forget(run)
        address.go()
