"""The database in the panel: out, in, back to a copy, deleted, checked."""

from pathlib import Path
from typing import Any

from panel_browser import SETTLED, Panel


def test_the_database_goes_out_and_in_and_back(panel: Panel, tmp_path: Path) -> None:
    page = panel.open("settings/storage")
    page.set_viewport_size({"width": 1280, "height": 900})
    with page.expect_download() as waiting:
        page.get_by_role("link", name="The database (.sqlite)").click()
    waiting.value.save_as(tmp_path / "out.sqlite")
    assert (tmp_path / "out.sqlite").read_bytes().startswith(b"SQLite format 3")

    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Choose a file first.").wait_for()
    (tmp_path / "junk.sqlite").write_bytes(b"junk")
    _import(page, tmp_path / "junk.sqlite")
    page.get_by_role("alert").get_by_text("the file is no SQLite database").wait_for()
    _import(page, tmp_path / "out.sqlite")
    page.get_by_text("Here now: 1 accounts").wait_for()

    page.get_by_role("button", name="Back up now").click()
    page.get_by_text("A backup is made.").wait_for()
    page.wait_for_function(SETTLED)
    rows = page.get_by_role("region", name="Backups").locator("tbody tr")
    assert rows.count() == 2
    page.get_by_role("button", name="Go back to").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    page.get_by_text("Went back.").wait_for()
    page.wait_for_function("() => document.querySelectorAll('[aria-label=Backups] tbody tr').length === 3")
    page.get_by_role("button", name="Delete storage").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_function("() => document.querySelectorAll('[aria-label=Backups] tbody tr').length === 2")

    page.get_by_role("button", name="Check it").click()
    page.get_by_role("region", name="Checks").get_by_text("foreign keys").wait_for()
    assert page.get_by_role("region", name="Checks").get_by_text("ok", exact=True).count() >= 5
    assert [said for said in panel.wrong if "400" not in said] == []


def _import(page: Any, file: Path) -> None:
    page.get_by_label("File (").set_input_files(file)
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Import it").click()
