"""The panel as people use it: coming in, by keyboard, and what its pages are for."""

import re

from panel_browser import SETTLED, WORDS, Panel


def test_a_wrong_password_is_said_and_too_many_lock(panel: Panel) -> None:
    page = panel.fresh(logged_in=False)
    field, button = page.get_by_label("Password"), page.get_by_role("button", name="Log in")
    field.fill("a wrong password")
    button.click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "password" in alert.inner_text().lower()
    for _ in range(12):
        button.click()
        page.locator("button[type=submit][aria-busy=false]").wait_for()
        if re.search(r"wait|again in|locked|too many", alert.inner_text(), re.I):
            break
    else:
        raise AssertionError(f"nobody was slowed: {alert.inner_text()}")
    field.fill(WORDS)
    button.click()
    page.locator("button[type=submit][aria-busy=false]").wait_for()
    assert page.get_by_role("alert").is_visible(), "even the right one has to wait"


def test_logging_out(panel: Panel) -> None:
    page = panel.open()
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.get_by_role("button", name="Log out").is_visible()


def test_the_keyboard_leads_past_the_menu(panel: Panel) -> None:
    page = panel.open()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert page.url.startswith(panel.url)
    page.get_by_role("heading", level=1, name="Home").wait_for()


def test_the_menu_of_a_telephone(panel: Panel) -> None:
    page = panel.open()
    page.set_viewport_size({"width": 360, "height": 800})
    menu = page.get_by_role("button", name="Menu", exact=False).first
    assert not page.get_by_role("link", name="Health").is_visible()
    menu.focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Health").click()
    page.get_by_role("heading", level=1, name="Health").wait_for()
    page.wait_for_function(SETTLED)
    assert menu.get_attribute("aria-expanded") == "false"
    menu.click()
    page.locator("#side.open").wait_for()
    page.keyboard.press("Escape")
    page.locator("#side:not(.open)").wait_for(state="attached")
    assert page.evaluate("document.activeElement.getAttribute('aria-controls')") == "side"


def test_tabs_by_arrows(panel: Panel) -> None:
    page = panel.open("endpoint")
    tabs = page.get_by_role("tablist", name="Clients").get_by_role("tab")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    assert page.evaluate("document.activeElement.dataset.tab") == tabs.nth(1).get_attribute("data-tab")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert tabs.last.get_attribute("aria-selected") == "true"


def test_usage_is_searched_paged_and_opened(panel: Panel) -> None:
    page = panel.open("usage")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_role("tab").last.click()
    first = page.locator("tbody tr").first
    first.wait_for()
    newest = page.get_by_role("button", name="Details of").first.get_attribute("aria-label")
    page.get_by_role("button", name="Older").click()
    page.wait_for_function("(was) => document.querySelector('td.actions button')?.ariaLabel !== was", arg=newest)
    page.wait_for_function(SETTLED)
    page.get_by_role("button", name="Newer").click()
    page.get_by_role("button", name=newest, exact=True).wait_for()
    page.get_by_label("Search").fill("find-me")
    details = page.get_by_role("button", name="Details of the-last-one")
    details.focus()
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
    details.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("Attempts").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.ariaLabel") == "Details of the-last-one"
    assert panel.wrong == []


def test_health_asks_once_before_a_reset(panel: Panel) -> None:
    page = panel.open("health")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if request.method != "GET" else None)
    button = page.get_by_role("button", name="Reset all")
    button.click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert asked == []
    button.click()
    page.get_by_role("dialog").get_by_role("button", name="Reset all").click()
    page.get_by_text("Everybody is as good as new.").wait_for()
    assert asked == ["DELETE"]


def test_the_playground_translates_as_one_types(panel: Panel) -> None:
    page = panel.open("translator")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_label("Sample").select_option("0")
    result = page.locator("pre.code.wrap")
    result.filter(has_text="max_tokens").wait_for()
    text = '{"model": "m", "seed": 4, "messages": [{"role": "user", "content": "a typed word"}]}'
    page.get_by_label("Text", exact=True).fill(text)
    result.filter(has_text="a typed word").wait_for()
    page.locator(".banner.warn .badge", has_text="seed").wait_for()
    page.locator("pre .gone", has_text="seed").wait_for()
    page.get_by_label("To", exact=True).select_option("gemini")
    result.filter(has_text="contents").wait_for()
    page.get_by_label("Text", exact=True).fill(text[:-3])
    page.get_by_role("alert").wait_for()
    assert panel.wrong == []
