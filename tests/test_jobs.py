"""Work that outlives a page."""

import threading
import time

from streamlit.testing.v1 import AppTest

from fer_core.errors import BadInput
from pages._shared import jobs


def wait(key, state):
    for _ in range(500):
        if jobs.find(key).state == state:
            return jobs.find(key)
        time.sleep(0.01)
    raise AssertionError(f"{key} is {jobs.find(key).state}, not {state}")


def test_it_says_how_far_it_is_and_keeps_what_came_of_it():
    go, there = threading.Event(), threading.Event()

    def work(progress):
        progress(1, 4, "one of four")
        there.set()
        go.wait(5)
        return "result"

    jobs.start("a", "Counting", work)
    there.wait(5)
    job = jobs.find("a")
    assert (job.share, job.text, job.state) == (0.25, "one of four", "running")
    jobs.start("a", "Again", work)
    jobs.forget("a")
    assert jobs.running("a") == ["a"] and jobs.find("a") is job, "neither doubled nor forgotten while it runs"
    go.set()
    assert wait("a", "done").value == "result"
    jobs.forget("a")
    assert jobs.find("a") is None


def test_stopping_ends_it_at_its_next_progress_even_through_a_broad_except():
    undone = []

    def work(progress):
        try:
            for done in range(10**9):
                try:
                    progress(done, None, "")
                except Exception:  # noqa: BLE001, S110 - as a careless importer might
                    pass
        finally:
            undone.append(True)

    jobs.start("b", "Counting", work)
    jobs.find("b").stopping.set()
    assert wait("b", "stopped").value is None and undone == [True]


def test_errors_become_words(caplog):
    def refused(progress):
        raise BadInput("A rule. Received: x. Remedy.")

    def broken(progress):
        raise ZeroDivisionError

    jobs.start("c", "Refused", refused)
    assert wait("c", "failed").error == "A rule. Received: x. Remedy."
    jobs.start("d", "Broken", broken)
    assert "unexpected happened" in wait("d", "failed").error
    assert "ZeroDivisionError" in caplog.text


def test_the_page_shows_it_from_start_to_end():
    def script():
        import threading

        import streamlit as st

        from pages._shared import jobs

        go = st.session_state.setdefault("go", threading.Event())

        def work(progress):
            progress(1, 2, "half way")
            go.wait(5)
            return 42

        st.button("Start", on_click=jobs.start, args=("page", "Waiting", work))
        job = jobs.show("page")
        if job and job.state == "done":
            st.write(f"came to {job.value}")

    app = AppTest.from_function(script).run()
    app.button[0].click().run()
    assert [b.label for b in app.button] == ["Start", "Stop"]
    app.session_state["go"].set()
    wait("page", "done")
    assert "came to 42" in app.run().markdown[-1].value
    jobs.forget("page")
