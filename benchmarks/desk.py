"""The desk: how fast a hand can label, whether many hands lose anything, what a label costs in a large set.

    python -m benchmarks.desk keys [--count 300]
    python -m benchmarks.desk crowd [--people 20] [--each 50] [--pause 1]
    python -m benchmarks.desk size [--sizes 1000 35000 1000000]

keys: a real Chromium and a real server; each key is pressed as soon as the next picture is on the screen.
crowd: threads of one process, each with claims and answers as the desk uses them, all at one queue; between
    two answers of a person lie so many seconds, more or less.
size: what the server does for one label, in a dataset of so many samples.
"""

import argparse
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import browse
from fer_core.dataset import schema
from fer_core.dataset.store import Store
from fer_core.review import answers, claims, looks
from fer_core.review.answers import Answer

QUEUE = "random · train · seed 0"
BATCH = 20
"""Pictures that the desk takes at a time."""

FIND = """(name) => { const look = (root) => { for (const e of root.querySelectorAll('*')) {
    if (e.classList?.contains(name)) return e
    const inside = e.shadowRoot && look(e.shadowRoot); if (inside) return inside } return null }
    return look(document) }"""

PRESS = """async (keys) => { const find = FIND, took = []
    for (const key of keys) {
        const picture = find('picture'), before = picture.dataset.sample
        const began = performance.now()
        document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }))
        const there = () => picture.dataset.sample && picture.dataset.sample !== before && picture.complete
        while (!there()) await new Promise(requestAnimationFrame)
        await picture.decode().catch(() => 0)
        await new Promise(requestAnimationFrame)
        took.push(performance.now() - began)
    } return took }""".replace("FIND", FIND)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.desk")
    parser.add_argument("what", choices=("keys", "crowd", "size"))
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 35_000, 1_000_000])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_WORKSPACE"] = str(Path(folder) / "workspace")
        if options.what == "keys":
            keys(Path(folder), options.count)
        elif options.what == "crowd":
            crowd(options.people, options.each, options.pause)
        else:
            size(options.sizes)


def keys(folder: Path, count: int) -> None:
    """Keys in Chromium, from the press to the next picture on the screen, and until all are stored."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, chromium, start

    store = Store.open()
    browse.fill(store, "faces", 2 * count)
    process, server = start(folder)
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"{server.url}/relabel?data=faces&queue=random&split=train&sitting=one")
            name = page.get_by_role("textbox", name="Your name")
            name.fill("Ada")
            name.press("Enter")
            page.wait_for_function(f"() => ({FIND})('picture')?.dataset.sample", timeout=60_000)
            name.wait_for(state="detached")
            began = time.monotonic()
            took = page.evaluate(PRESS, [str(1 + n % 7) for n in range(count)])
            pressed = time.monotonic() - began
            page.wait_for_function(f"() => ({FIND})('saved')?.textContent === 'all stored'", timeout=120_000)
            told("key to next picture", np.array(took))
            print(f"{count / pressed * 60:,.0f} pictures a minute; stored {lag(began, pressed)} later")
            browser.close()
        blind = len(looks.looks_of(store, "faces"))
        print(f"{count:,} keys: {len(labels(store)):,} labels in the ledger, {blind} second looks")
    finally:
        process.terminate()
        process.wait(10)
        store.close()


def lag(began: float, pressed: float) -> str:
    return f"{time.monotonic() - began - pressed:.1f} s"


def crowd(people: int, each: int, pause: float) -> None:
    """Everyone at one queue at once: no picture twice, no answer lost."""
    store = Store.open()
    browse.fill(store, "faces", people * each)
    queue = np.arange(1, people * each + 1)
    took: list[float] = []
    given: dict[str, list[int]] = {}

    def work(who: str) -> None:
        mine: list[int] = []
        chance = random.Random(who)
        time.sleep(pause * chance.random())
        while fresh := claims.take(store, "faces", QUEUE, queue, who, BATCH, without=mine):
            for sample in fresh:
                answer = Answer(f"{who} {sample}", sample, "sad", QUEUE, who)
                began = time.perf_counter()
                assert answers.keep(store, "faces", who, [answer]) == {}
                took.append((time.perf_counter() - began) * 1000)
                mine.append(sample)
                time.sleep(pause * chance.uniform(0.5, 1.5))
        given[who] = mine

    threads = [threading.Thread(target=work, args=(f"person {n}",)) for n in range(people)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    found = labels(store)
    told(f"{people} people, a label", np.array(took))
    print(f"{len(found):,} labels in {seconds:.1f} s, {len(found) / seconds:,.0f} a second")
    lost, doubled = set(queue.tolist()) - set(found), len(found) - len(set(found))
    print(f"lost {len(lost)}, doubled {doubled}; most by one {max(map(len, given.values()))}")
    store.close()


def size(sizes: Sequence[int]) -> None:
    """A label, and the next pictures of a queue of the whole training split, by how large the set is."""
    store = Store.open()
    for count in sizes:
        name = f"{count}"
        began = time.perf_counter()
        browse.fill(store, name, count)
        print(f"{count:>9,} samples stored in {time.perf_counter() - began:.0f} s", flush=True)
        with store.read() as connection:
            sample, key = schema.sample.c, store.dataset(name).id
            query = schema.sample.select().with_only_columns(sample.id)
            queue = np.fromiter(connection.scalars(query.where(sample.dataset == key)), np.int64)
        some, mine = iter(np.random.default_rng(0).permutation(queue).tolist()), list[int]()
        told("  a label", timed(partial(label, store, name, some), 200))
        told("  20 more pictures", timed(partial(more, store, name, queue, mine), 20))
        told("  how many are done", timed(partial(claims.done, store, name, QUEUE), 20))
    store.close()


def label(store: Store, dataset: str, samples: Iterator[int]) -> None:
    sample = next(samples)
    answers.keep(store, dataset, "Ada", [Answer(f"{dataset} {sample}", sample, "sad", QUEUE, "one")])


def more(store: Store, dataset: str, queue: np.ndarray, mine: list[int]) -> None:
    mine += claims.take(store, dataset, QUEUE, queue, "Ada", BATCH, without=mine)


def timed(work: Callable[[], object], times: int) -> np.ndarray:
    """(times,) ms of each call."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return np.array(took)


def told(what: str, ms: np.ndarray) -> None:
    p50, p95 = np.percentile(ms, (50, 95))
    print(f"{what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, most {ms.max():.0f} ms ({len(ms):,})", flush=True)


def labels(store: Store) -> list[int]:
    """The sample of every label in the ledger."""
    with store.read() as connection:
        return list(connection.exec_driver_sql("SELECT sample FROM event WHERE kind = 'label'").scalars())


if __name__ == "__main__":
    main()
