"""The panel as people use it: coming in, by keyboard, and what its pages are for."""

import json
import re
import socket

import httpx
from harness import until
from panel_browser import HOSTILE, SETTLED, WIDER, WORDS, Panel, judged

from omniroute.store.config import ip_filter, nodes


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


def test_lists_of_addresses_are_kept_and_do_not_keep_out_who_saves_them(panel: Panel) -> None:
    page = panel.open("settings/security")
    page.set_viewport_size({"width": 1280, "height": 900})
    mode, denied = page.get_by_label("How the lists act"), page.get_by_label("Denied")
    save = page.get_by_role("button", name="Save the lists")
    mode.select_option("blacklist")
    denied.fill("203.0.113.7\n198.51.100.0/33")
    save.click()
    page.locator(".field", has=denied).get_by_text("198.51.100.0/33").last.wait_for()
    assert not kept(panel)
    denied.fill("203.0.113.7, 127.0.0.0/8")
    save.click()
    force = page.get_by_label("Even where that keeps out this machine, or me")
    force.wait_for()
    assert not kept(panel)
    denied.fill("203.0.113.7\n198.51.100.0/24")
    save.click()
    page.get_by_text("The lists act from now on.").wait_for()
    assert kept(panel) == ["198.51.100.0/24", "203.0.113.7"]
    page.get_by_role("button", name="Ban an address").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address or network").fill("192.0.2.9")
    dialog.get_by_label("Why").fill(HOSTILE)
    dialog.get_by_role("button", name="Ban it").click()
    page.locator("tbody tr", has_text="192.0.2.9").get_by_text(HOSTILE).wait_for()
    page.get_by_role("button", name="End the ban of 192.0.2.9").click()
    dialog.get_by_role("button", name="End it").click()
    page.get_by_text("Nobody is banned.").wait_for()
    mode.select_option("off")
    denied.fill("")
    save.click()
    page.get_by_text("The lists act from now on.").last.wait_for()
    until("nobody is denied", lambda: not kept(panel))
    panel.wrong[:] = [each for each in panel.wrong if "400 (Bad Request)" not in each]  # the two that were refused
    assert panel.wrong == []


def kept(panel: Panel) -> list[str]:
    """Give the addresses that are denied."""
    return sorted(ip_filter.now(panel.gateway.store).deny.texts)


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


def test_what_is_pasted_into_the_playground_is_recognised(panel: Panel) -> None:
    page = panel.open("translator")
    box = page.get_by_label("Text", exact=True)
    page.locator("pre.code.wrap", has_text="max_tokens").wait_for()
    box.fill('{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a pasted word"}]}')
    for keys in ("Control+A", "Control+X", "Control+V"):
        box.press(keys)
    until("it is recognised", lambda: page.get_by_label("From", exact=True).input_value() == "claude")
    assert page.get_by_label("What", exact=True).input_value() == "reply"
    assert page.get_by_label("To", exact=True).input_value() == "openai"
    page.locator("pre.code.wrap", has_text="a pasted word").and_(page.locator("pre", has_text="choices")).wait_for()
    assert panel.wrong == []


def test_the_chat_tester_shows_what_was_said_and_why_it_failed(panel: Panel) -> None:
    page = panel.open("translator/chat")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_label("Model").fill("box/llama")
    page.get_by_label("Dialect").select_option("claude")
    page.get_by_label("Message").fill(HOSTILE)
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", name="The exchange").wait_for()
    page.get_by_role("tab", name="Attempts and times").click()
    page.locator("li", has_text="box/llama").get_by_text("cannot connect").first.wait_for()
    page.get_by_role("tab", name="Request").click()
    page.locator("pre", has_text="onerror=window.pwned=2").first.wait_for()
    page.get_by_label("Given").select_option("body")
    body = page.get_by_label("Body")
    assert '"max_tokens": 1024' in body.input_value()
    body.fill("{")
    page.get_by_role("button", name="Send").click()
    page.locator("pre", has_text="the body is not JSON").first.wait_for()
    assert page.evaluate("() => window.pwned") is None
    assert panel.wrong == []


def test_a_request_that_is_sent_can_be_stopped(panel: Panel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        nodes.add(panel.gateway.store, "mute", "openai", f"http://127.0.0.1:{mute.getsockname()[1]}/v1")
        page = panel.open("translator/chat")
        page.get_by_label("Model").fill("mute/m")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("asking").first.wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("alert").filter(has_text="You have stopped it").wait_for()
        mute.settimeout(120)
        asked, _ = mute.accept()
        with asked:
            asked.settimeout(120)
            while asked.recv(65536):  # nothing more comes: it was hung up on
                pass
    assert panel.wrong == []


def test_the_live_monitor_shows_what_passes(panel: Panel) -> None:
    def ask(model: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": HOSTILE}]}
        client.post("/v1/chat/completions", json=body).read()

    page = panel.open("translator/live")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.get_by_text("watching").wait_for()
    page.get_by_role("button", name="Clear").click()
    rows = page.locator("tbody tr")
    with httpx.Client(base_url=panel.gateway.url, timeout=120, trust_env=False) as client:
        ask(HOSTILE)
        rows.first.get_by_text(HOSTILE).first.wait_for()
        for number in range(60):
            ask(f"box/m{number}")
        rows.first.get_by_text("box/m59").first.wait_for()
        assert rows.count() == 50  # nobody reads more at once
        page.get_by_role("button", name="Show older ones").click()
        rows.nth(60).get_by_text(HOSTILE).first.wait_for()
        page.get_by_label("Outcome").select_option("ok")
        page.get_by_text("None of them fits the filter.").wait_for()
        page.get_by_label("Outcome").select_option("failed")
        page.get_by_label("Search").fill("M42")
        page.get_by_text("1 of the last 61 exchanges").wait_for()
        page.get_by_label("Search").fill("")
        page.get_by_role("button", name="Pause").click()
        ask("box/while-held")
        page.get_by_role("button", name="Go on").wait_for()
        assert rows.count() == 61
        assert not rows.filter(has_text="while-held").count()
        page.get_by_role("button", name="Go on").click()
        rows.first.get_by_text("box/while-held").first.wait_for()
    rows.filter(has_text="box/m0 ").get_by_role("button").click()
    page.get_by_role("dialog").get_by_text("cannot connect").first.wait_for()
    page.get_by_role("dialog").locator("pre", has_text="onerror=window.pwned=2").first.wait_for()
    assert not judged(page)
    assert page.evaluate("() => window.pwned") is None
    assert panel.wrong == []


def test_the_bench_finds_what_comes_through(panel: Panel) -> None:
    page = panel.open("translator/bench")
    page.set_viewport_size({"width": 1280, "height": 900})
    features = page.get_by_role("group", name="Features")
    features.get_by_role("button", name="None").click()
    assert page.get_by_role("button", name="Run").is_disabled()
    for name in ("Picture", "Temperature, limit, stop words"):
        features.get_by_label(name).check()
    page.get_by_role("button", name="Run").click()
    page.get_by_role("heading", name="What was found").wait_for()
    page.get_by_text("32 of 32 done.").wait_for()
    page.get_by_text("29 passed").wait_for()
    page.get_by_role("button", name="Picture, Anthropic Messages to Gemini: passed").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("inlineData").wait_for()
    assert judged(page) == []
    page.keyboard.press("Escape")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export as JSON").click()
    said = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert {cell["state"] for cell in said["cells"]} == {"passed", "lossy"}
    page.set_viewport_size({"width": 360, "height": 900})
    assert page.evaluate(WIDER) <= 0
    assert panel.wrong == []
