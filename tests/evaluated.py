"""What tests of pages have in common where work goes on in threads of the server."""

import time

import pytest

from pages._shared import jobs, trials


def settled(app):
    """The page once nothing runs any more; it raised nothing."""
    app.run()
    until = time.monotonic() + 30
    while jobs.running() and time.monotonic() < until:
        time.sleep(0.02)
    app.run()
    assert not app.exception
    return app


@pytest.fixture(autouse=True)
def nothing_kept():
    """For modules that import it: trials and jobs of one test are not there in the next."""
    yield
    trials._trials().clear()
    jobs._jobs().clear()
