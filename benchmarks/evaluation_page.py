"""The page Evaluate with 20 models and 35,000 predictions each: what the server needs for it, warm.

    python -m benchmarks.evaluation_page [--models 20] [--faces 35000]

The models are copies of a shipped one, told apart by a few bytes after its network, and each is loaded and
checked as any other. What they would answer is noise around the truth, laid into the cache of answers, so
that nobody waits for 700,000 predictions; everything after them is real: figures, register, cells of the
matrix. A page is the whole script, from the request to the last element; what the browser does is not in it.
Warm: the server has shown the page once to somebody else. Cold: a new server, with what the workspace keeps.
On a machine that does other work besides, the processor's time says more than the clock.
"""

import argparse
import logging
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.testing.v1 import AppTest

from benchmarks.browse import fill
from fer_core import workspace
from fer_core.dataset import arrays
from fer_core.dataset.store import Store
from fer_core.evaluation import across, answers, speed, trial
from fer_core.evaluation.answers import WHOLE
from fer_core.evaluation.register import ALL
from fer_core.inference.predictor import Predictor
from fer_core.zoo import card as cards
from fer_core.zoo import library
from pages._shared import jobs

ROOT = Path(__file__).resolve().parent.parent
MODEL = "mini_xception_raw"
ROUNDS = 7

VIEWS = {
    "one model": {"view": "model"},
    "all models": {"view": "all"},
    "two models": {"view": "versus"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--faces", type=int, default=35_000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # Streamlit's, about running without a server
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = folder
        store = Store.open()
        started = time.perf_counter()
        fill(store, "faces", options.faces)
        models = [copied(number) for number in range(options.models)]
        answered(store, models)
        seconds = time.perf_counter() - started
        print(f"{len(models)} models with {options.faces:,} predictions each, made in {seconds:.0f} s\n")
        print(f"{'server time, ms':27}{'cold':>8}{'warm, median':>15}{'slowest':>10}{'CPU, median':>13}")
        for title, view in VIEWS.items():
            address = {"model": models[0], "other": models[1], "data": "faces", "split": ALL, **view}
            st.cache_resource.clear()
            st.cache_data.clear()
            cold, _ = opened(address)
            clock, processor = zip(*(opened(address) for _ in range(ROUNDS)), strict=True)
            warm = f"{statistics.median(clock):15.0f}{max(clock):10.0f}{statistics.median(processor):13.0f}"
            print(f"{title:27}{cold:8.0f}{warm}", flush=True)


def copied(number: int) -> str:
    """A model of its own: the shipped one under another name, with another file."""
    name = f"copy_{number:02}"
    folder = workspace.folder("models") / name
    shutil.copytree(workspace.SHIPPED_MODELS / MODEL, folder)
    with (folder / "model.tflite").open("ab") as file:
        file.write(number.to_bytes(4, "little"))
    card = replace(cards.read(folder), id=name, title=f"Copy {number:02}", evaluations=[])
    card.write(folder)
    return name


def answered(store: Store, models: list[str]) -> None:
    """Put noise around the truth where answers are kept, and measure the models by it."""
    asked = trial.rows(store, "faces", None, ALL)
    speed.SECONDS = 0.02
    for number, model in enumerate(models):
        predictor = Predictor.load(library.find(model).folder)
        random = np.random.default_rng(number)
        truth = [predictor.labels.index(label) for label in asked.frame["label"]]
        logits = random.normal(size=(len(truth), len(predictor.labels))) + 1.5 * np.eye(7)[truth]
        told = np.exp(logits)
        told = (told / told.sum(axis=1, keepdims=True)).astype(np.float32)
        arrays.keep(answers._path(predictor.card, asked.frame, WHOLE), told)
        speed.of(predictor)
        across.keep(trial.run(store, predictor, asked))


def opened(address: dict[str, str]) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor for a new visitor's page, until no work is under way."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    app.switch_page("pages/evaluate.py")
    for key, value in address.items():
        app.query_params[key] = value
    started, used = time.perf_counter(), time.process_time()
    app.run()
    while jobs.running():
        while jobs.running():
            time.sleep(0.001)
        app.run()
    took = (time.perf_counter() - started) * 1000, (time.process_time() - used) * 1000
    assert not app.exception and not app.error, [error.value for error in app.error]
    assert app.dataframe or app.get("plotly_chart"), app
    return took


if __name__ == "__main__":
    main()
