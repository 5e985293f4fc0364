"""A training in a real browser: watched, stopped, killed, resumed, and its model in the library."""

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fer_core.dataset import practice
from fer_core.dataset.store import Store
from fer_core.training import runs
from fer_core.training.config import TrainingConfig

expect.set_options(timeout=120_000)


@pytest.fixture
def run(own_server, monkeypatch):
    """A run of some seconds on drawn faces, not started yet."""
    monkeypatch.setenv("FER_WORKSPACE", str(own_server.workspace))
    own_server.workspace.mkdir(exist_ok=True)
    store = Store.open()
    practice.import_practice(store, count=126)
    store.close()
    made = runs.start(
        TrainingConfig("mini_xception", practice.NAME, epochs=60, batch_size=16, title="My first network")
    )
    yield made
    for worker in workers(made):
        os.kill(worker, signal.SIGKILL)


def workers(run):
    """Ids of the processes that work on a run (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"fer_core.training.worker" in said and os.fsencode(run.folder) in said:
            found.append(int(path.parent.name))
    return found


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_a_network_is_trained_under_the_visitors_eyes(own_server, run, visitor):
    address = f"{own_server.url}/train?run={run.id}"
    visitor.goto(address)
    button(visitor, "Start").click()
    expect(visitor.get_by_text("Starting: the worker loads TensorFlow")).to_be_visible()
    (worker,) = workers(run)
    os.kill(worker, signal.SIGKILL)
    # Nobody presses anything: the page finds out.
    expect(visitor.get_by_text("The worker ended without a word")).to_be_visible()

    button(visitor, "Resume").click()
    expect(visitor.get_by_text(" of 60 · ")).to_be_visible()
    expect(visitor.get_by_test_id("stEChartsChart").first).to_be_visible()
    # Before the first epoch has ended there would be nothing to keep.
    while not run.epochs():
        visitor.wait_for_timeout(100)
    button(visitor, "Stop").click()
    expect(visitor.get_by_text("Stopped after ")).to_be_visible()
    sentence = visitor.get_by_text("Stopped after ").inner_text()
    assert 0 < len(run.epochs()) < 60
    visitor.reload()
    expect(visitor.get_by_text(sentence)).to_be_visible()
    second = visitor.context.browser.new_page()
    second.goto(address)
    expect(second.get_by_text(sentence)).to_be_visible()

    button(second, "Resume").click()
    # What is left of sixty epochs takes longer than a click on a busy machine.
    expect(second.get_by_text("Finished. Accuracy")).to_be_visible(timeout=180_000)
    second.close()
    visitor.reload()
    expect(visitor.get_by_text("Finished. Accuracy")).to_be_visible()
    assert [epoch["epoch"] for epoch in run.epochs()] == list(range(60))
    button(visitor, "Open the model").click()
    expect(visitor.get_by_role("heading", name="Library")).to_be_visible()
    expect(visitor.get_by_role("heading", name="My first network")).to_be_visible()
    assert f"model={run.result['model']}" in visitor.url
