"""What it costs a training to be watched, and how soon a stop is obeyed.

One run, its page open in Chromium and closed by turns; what the trainer does in a second is read from its
own events. The browser is on the same machine here, as it is for somebody at home, and draws without a
graphics card: the server's share alone is given too.

    python -m benchmarks.watching [SECONDS]
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from fer_core.dataset.store import Store
from fer_core.training import runs
from fer_core.training.config import TrainingConfig
from tests import learnable
from tests.browser.conftest import FLAGS, chromium, start

TURNS = 3


def main(seconds: float = 25.0) -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        os.environ["FER_WORKSPACE"] = str(Path(folder) / "workspace")
        Path(folder, "workspace").mkdir()
        store = Store.open()
        learnable.fill(store, count=4_000)
        store.close()
        run = runs.start(TrainingConfig(spec="mini_xception", dataset="halves", epochs=200, leak_free=False))
        worker = runs.launch(run)
        server_process, server = start(Path(folder))
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            until(run, "epoch")
            pages(run, browser, server, seconds)
            stop(run, worker)
        finally:
            browser.close()
            server_process.terminate()
            run.stop()
            worker.wait(60)


def pages(run: runs.Run, browser, server, seconds: float) -> None:
    """Images a second with the page open and closed, and the processor time of the server meanwhile."""
    alone, watched, served = [], [], []
    for _ in range(TURNS):
        alone.append(speed(run, seconds))
        page = browser.new_page()
        page.goto(f"{server.url}/train?run={run.id}")
        page.get_by_role("button", name="Stop").first.wait_for()
        time.sleep(3)
        before = processor_seconds(server.pid)
        watched.append(speed(run, seconds))
        served.append((processor_seconds(server.pid) - before) / seconds)
        page.close()
        time.sleep(2)
        print(f"alone {alone[-1]:.0f} images/s, watched {watched[-1]:.0f}, server {served[-1]:.1%} of a core")
    loss = 1 - statistics.median(watched) / statistics.median(alone)
    print(
        f"watched, the trainer does {loss:.1%} less; "
        f"the server takes {statistics.median(served):.1%} of a core"
    )


def speed(run: runs.Run, seconds: float) -> float:
    """Images a second over the next while, by the trainer's own account of its steps; time for validation
    and checkpoints, the same in both cases, is not counted."""
    offset = run.events()[1]
    time.sleep(seconds)
    events = [e for e in run.events(offset)[0] if e["kind"] == "progress"]
    steps = taken = 0.0
    for one, other in zip(events, events[1:], strict=False):
        if one["epoch"] == other["epoch"]:
            steps, taken = steps + other["step"] - one["step"], taken + other["at"] - one["at"]
    return steps * run.config.batch_size / taken


def stop(run: runs.Run, worker) -> None:
    """From the stop to the end of training, and to the model in the library."""
    batch = run.config.batch_size / next(
        e["images_per_second"] for e in reversed(run.events()[0]) if e["kind"] == "progress"
    )
    asked = time.time()
    run.stop()
    worker.wait(120)
    ended = next(e["at"] for e in run.events()[0] if e["kind"] == "exporting")
    print(
        f"training ends {ended - asked:.2f} s after the stop (a batch takes {batch:.2f} s); "
        f"the model is in the library after {time.time() - asked:.1f} s"
    )


def processor_seconds(pid: int) -> float:
    """Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(run: runs.Run, kind: str) -> None:
    while not any(event["kind"] == kind for event in run.events()[0]):
        time.sleep(0.5)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
