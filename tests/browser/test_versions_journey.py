"""Versions in a real browser: frozen, compared, taken along, gone back to; a person deleted."""

import io
import zipfile

import pytest
from playwright.sync_api import expect

from fer_core.dataset import changes, ledger, practice, versions
from fer_core.dataset.store import Store

expect.set_options(timeout=30_000)

NAME = "kept"


@pytest.fixture(scope="module")
def store(own_server):
    own_server.workspace.mkdir(exist_ok=True)
    store = Store.open(own_server.workspace / "studio.db")
    practice.import_practice(store, name=NAME, count=60)
    return store


def opened(page, own_server, address=""):
    page.goto(f"{own_server.url}/datasets?data={NAME}&view=versions{address}")
    field = page.get_by_role("textbox", name="Your name")
    field.fill("Ada")
    field.press("Enter")
    # What is opened while the page still runs would close again.
    expect(button(page, "Freeze")).to_be_enabled()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def button(page, name):
    return page.locator("[data-testid^=stBaseButton]").filter(has_text=name, visible=True).first


def test_a_version_is_frozen_and_gone_back_to(own_server, store, visitor):
    opened(visitor, own_server)
    visitor.get_by_role("textbox", name="Name of the new version").fill("as drawn")
    button(visitor, "Freeze").click()
    expect(visitor.get_by_text("Nothing has changed since as drawn.")).to_be_visible()
    sample = int(versions.manifest(store, NAME)["sample"].iloc[0])
    ledger.relabel(store, [(sample, "not a face")], "Bob", "a hat")
    opened(visitor, own_server, "&old=as+drawn")
    expect(visitor.get_by_text("1 relabelled by Bob: a hat")).to_be_visible()
    visitor.get_by_role("button", name="Go back to").click()
    expect(visitor.get_by_text("1 label will be as in")).to_be_visible()
    visitor.get_by_role("button", name="Go back", exact=True).click()
    expect(visitor.get_by_text("1 label as in as drawn again.")).to_be_visible()
    assert changes.diff(store, NAME, "as drawn").empty
    button(visitor, "Undo").click()
    expect(visitor.get_by_text("Since as drawn: 1 relabelled.")).to_be_visible()


def test_an_export_is_prepared_and_downloaded(own_server, store, visitor):
    opened(visitor, own_server)
    button(visitor, "Prepare").click()
    with visitor.expect_download() as download:
        button(visitor, "Download (").click()
    assert download.value.suggested_filename == f"{NAME} class_folders.zip"
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert len(archive.namelist()) == len(versions.manifest(store, NAME))


def test_a_person_is_deleted_after_the_name_was_typed(own_server, store, visitor):
    opened(visitor, own_server)
    visitor.get_by_text("A person asks for it").click()
    # The section slides open; a list that opens meanwhile is closed again.
    visitor.wait_for_timeout(800)
    person = visitor.get_by_role("combobox", name="Person shown")
    person.click()
    person.press_sequentially("person 02", delay=40)
    visitor.get_by_role("option", name="person 02").click()
    field = visitor.get_by_role("textbox", name="To delete")
    field.fill("person 02")
    field.press("Enter")
    expect(button(visitor, "Delete for good")).to_be_enabled()
    button(visitor, "Delete for good").click()
    expect(visitor.get_by_text("Deleted for good: 14 samples")).to_be_visible()
    assert "person 02" not in set(versions.manifest(store, NAME)["subject"])
    assert b"person 02" not in (own_server.workspace / "studio.db").read_bytes()
