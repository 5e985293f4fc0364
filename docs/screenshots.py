"""Make the README's pictures: `python docs/screenshots.py`, with Chromium installed.

The dataset's faces are drawn. The only photo in them is the astronaut that scikit-image ships (Eileen
Collins; NASA, public domain).
"""

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright
from skimage import data

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "browser")]

import conftest  # noqa: E402 (the tests' server and browser, not a second copy of them)

from fer_core.dataset import findings, ledger, practice, versions  # noqa: E402
from fer_core.dataset.store import Store  # noqa: E402
from fer_core.fewshot import classes, from_dataset  # noqa: E402
from fer_core.imaging.decode import encode_png  # noqa: E402
from fer_core.review import loop  # noqa: E402
from fer_core.training import runs  # noqa: E402
from fer_core.training.config import TrainingConfig  # noqa: E402
from fer_core.zoo import library  # noqa: E402

MOST = 1900
"""px, the height past which a page is cut off."""


def main() -> None:
    """Start the app, visit it and save docs/*.png."""
    path = conftest.chromium()
    if path is None:
        sys.exit("Chromium is needed: apt-get install chromium, or set FER_CHROMIUM to one.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        photo = Path(folder) / "astronaut.png"
        photo.write_bytes(encode_png(data.astronaut()))
        process, server = conftest.start(Path(folder))
        try:
            browser = driver.chromium.launch(executable_path=path, args=conftest.FLAGS)
            for scheme in ("light", "dark"):
                take(browser, f"{server.url}/photo", f"photo-{scheme}", scheme, 1280, photo)
            take(browser, f"{server.url}/photo", "photo-phone", "light", 390, photo)
            take(browser, server.url, "home-light", "light", 1280)
            take(browser, f"{server.url}/library", "library-light", "light", 1280)
            store = Store.open(server.workspace / "studio.db")
            practice.import_practice(store)
            findings.check(store, practice.NAME)
            for view in ("pictures", "overview", "problems", "map"):
                take(browser, f"{server.url}/datasets?view={view}", f"datasets-{view}", "light", 1280)
            taught(browser, server.url, server.workspace, store)
            take(browser, f"{server.url}/train?view=new&network=landmark_cnn", "train-new", "light", 1280)
            run = trained(server.workspace)
            take(browser, f"{server.url}/train?run={run.id}", "train-run", "light", 1280)
            evaluated(browser, server.url, run, store)
            relabelled(browser, server.url, run, store)
        finally:
            process.terminate()
            process.wait(10)


def taught(browser: Browser, url: str, workspace: Path, store: Store) -> None:
    """The Teach page with three classes of six drawn faces."""
    os.environ["FER_WORKSPACE"] = str(workspace)
    class_set = classes.create("Moods in class", library.DEFAULT)
    for name, label in (("bored", "neutral"), ("skeptical", "disgust"), ("delighted", "happy")):
        classes.add_class(class_set.id, name)
        faces = from_dataset.drawn(store, practice.NAME, label, 6)
        from_dataset.add(store, practice.NAME, class_set.id, name, faces)
    take(browser, f"{url}/teach?set={class_set.id}", "teach", "light", 1280, words="Use it everywhere")


def trained(workspace: Path) -> runs.Run:
    """A run on the practice dataset, to its end."""
    os.environ["FER_WORKSPACE"] = str(workspace)
    run = runs.start(TrainingConfig("mini_xception", practice.NAME, epochs=25, title="First steps"))
    runs.launch(run).wait()
    return run


def evaluated(browser: Browser, url: str, run: runs.Run, store: Store) -> None:
    """The sections of the Evaluate page, on the model of that run."""
    frame = versions.manifest(store, practice.NAME)
    face = int(frame.loc[frame["split"] == "validation", "sample"].iloc[3])
    chosen = f"model={run.result['model']}&data={practice.NAME}&split=validation"
    cell = f"{chosen}&true=sad&read=all"
    for name, query, words in (
        ("model", f"view=model&{cell}", "worst first"),
        ("why", f"view=model&{cell}&sample={face}", "Nearest training faces"),
        ("all", "view=all", "Every model on every dataset"),
        ("versus", f"view=versus&{chosen}&other=mini_xception_raw", "Where they differ"),
        ("doubt", f"view=doubt&{chosen}", "Answer with several"),
    ):
        take(browser, f"{url}/evaluate?{query}", f"evaluate-{name}", "light", 1280, words=words)


def relabelled(browser: Browser, url: str, run: runs.Run, store: Store) -> None:
    """The Relabel page: the planted mistakes are put right by hand, and the network is trained again."""
    versions.freeze(store, practice.NAME, "as drawn", "Ada")
    wrong = {planned.source: planned.truth for planned in practice.plan() if planned.label != planned.truth}
    with store.read() as connection:
        found = connection.exec_driver_sql("SELECT id, source FROM sample ORDER BY id").all()
    told = [(sample, wrong[source]) for sample, source in found if source in wrong]
    for who, part in (("Ada", told[:40]), ("Ben", told[20:])):
        ledger.relabel(store, part, who, surfaced_by="conflict · train", sitting=who)
    versions.freeze(store, practice.NAME, "put right", "Ada")
    again = loop.retrain(store, library.find(run.result["model"]).card, "put right")
    runs.launch(again).wait()
    where = f"{url}/relabel?data={practice.NAME}"
    take(browser, where, "relabel-queues", "light", 1280)
    take(browser, f"{where}&view=people", "relabel-people", "light", 1280)
    chosen = f"old=as+drawn&new=put+right&before={run.result['model']}&after={again.result['model']}"
    take(browser, f"{where}&view=proof&{chosen}", "relabel-proof", "light", 1280, words="by the corrected")
    desk = f"{where}&queue=missed&split=validation&model={run.result['model']}&sitting=one"
    take(browser, desk, "relabel-desk", "light", 1280, who="Cleo")


def take(
    browser: Browser,
    url: str,
    name: str,
    scheme: str,
    width: int,
    photo: Path | None = None,
    words: str = "",
    who: str = "",
) -> None:
    """One picture of a page, as high as its content; `words` are waited for."""
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page.goto(url)
    expect(page.locator("h1")).to_be_visible(timeout=30_000)
    if photo:
        page.set_input_files("input[type=file]", str(photo))
        expect(page.get_by_text("What the network saw")).to_be_visible(timeout=30_000)
    if who:
        field = page.get_by_role("textbox", name="Your name")
        field.fill(who)
        field.press("Enter")
        expect(page.get_by_text("as it is")).to_be_visible(timeout=60_000)
        field.wait_for(state="detached")
        for key in "147":
            page.keyboard.press(key)
            page.wait_for_timeout(300)
    if words:
        expect(page.get_by_text(words).first).to_be_visible(timeout=120_000)
    if "view=map" in url:
        page.get_by_role("button", name="Draw the map").click()
        expect(page.get_by_text("Draw a loop")).to_be_visible(timeout=120_000)
    # Pictures, charts and fonts come a moment after the words.
    page.wait_for_timeout(2500)
    content = page.get_by_test_id("stMainBlockContainer").bounding_box()
    assert content
    page.set_viewport_size({"width": width, "height": min(MOST, int(content["height"]) + 20)})
    page.wait_for_timeout(800)
    page.screenshot(path=HERE / f"{name}.png")
    page.close()
    print(HERE / f"{name}.png")


if __name__ == "__main__":
    main()
