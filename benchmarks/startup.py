"""From a server that just answers to a page that can be read, in a real Chromium, and the memory of
the app's process afterwards.

    python -m benchmarks.startup
"""

import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, chromium, start

ROUNDS = 5


def main() -> None:
    seconds: dict[str, list[float]] = {"": [], "photo": []}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        for _ in range(ROUNDS):
            for name, taken in seconds.items():
                with tempfile.TemporaryDirectory() as folder:
                    process, server = start(Path(folder))
                    page = browser.new_page()
                    page.goto(f"{server.url}/{name}")
                    page.get_by_test_id("stMain").get_by_role("heading", level=1).wait_for()
                    taken.append(time.monotonic() - server.started)
                    memory = server.resident_mb()
                    page.close()
                    process.terminate()
                    process.wait(10)
        browser.close()
    for name, taken in seconds.items():
        print(f"/{name:6} visible after {statistics.median(taken):.2f} s (worst {max(taken):.2f} s)")
    print(f"resident memory with the photo page open: {memory:.0f} MB")


if __name__ == "__main__":
    main()
