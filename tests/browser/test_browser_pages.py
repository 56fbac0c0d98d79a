"""Every page of the menu, in a real browser: it opens, fits, can be read, and believes nothing."""

from cases import every
from panel_browser import HOSTILE, PAGES, SETTLED, WIDER, Panel, judged

LOOKS = [(1600, "light"), (1600, "dark"), (360, "light"), (360, "dark")]

LABELS = "(all) => all.filter((it) => !it.disabled).map((it) => it.ariaLabel ?? it.innerText).filter(Boolean)"
OPENING = {"Add", "Block", "Change", "Clear", "Edit", "Limits", "Make", "Models", "Network", "Remove", "Revoke", "Set"}
"""The first words of buttons that open a dialog."""


def test_the_menu_is_known() -> None:
    assert "" in PAGES
    assert len(PAGES) >= 5


def test_what_is_wrong_is_found(panel: Panel) -> None:
    page = panel.open("health")
    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        page.evaluate("""() => {
            document.querySelector('main').innerHTML += '<img src="data:,"><p id="wide">x</p>';
            document.querySelector('#wide').style.width = '5000px';
            console.error('heard');
            fetch('http://127.0.0.2:9/').catch(() => 0);
        }""")
    assert [found for found in judged(page) if found.startswith("image-alt")]
    assert page.evaluate(WIDER) > 0
    assert "heard" in panel.wrong
    assert [said for said in panel.wrong if "Content Security Policy" in said]


@every("name", PAGES)
def test_a_page(panel: Panel, name: str) -> None:
    page = panel.open(name)
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'")
        assert page.evaluate(WIDER) <= 0, f"wider than {width} px"
        if (width, scheme) in ((1600, "light"), (360, "dark")):
            assert judged(page) == []
    assert panel.wrong == []


@every("name", PAGES)
def test_the_tabs_of_a_page(panel: Panel, name: str) -> None:
    page = panel.open(name)
    page.set_viewport_size({"width": 360, "height": 900})
    for at in range(page.get_by_role("tab").count()):
        tab = page.get_by_role("tab").nth(at)
        tab.click()
        page.wait_for_function(SETTLED)
        assert page.evaluate(WIDER) <= 0, f"{tab.inner_text()} is wider than 360 px"
        if at:  # the first one was judged with its page
            assert judged(page) == [], tab.inner_text()
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("main script, main img[src=x], main b").count() == 0
    assert panel.wrong == []


@every("name", ["keys", "providers", "combos", "costs/budget", "costs/pricing", "health"])
def test_the_dialogs_of_a_page(panel: Panel, name: str) -> None:
    """One of each kind: it fits a telephone, believes nothing, and is left without anything done."""
    page = panel.open(name)
    page.set_viewport_size({"width": 360, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    buttons = {each.split()[0]: each for each in page.locator("main button").evaluate_all(LABELS)}
    for label in [each for word, each in buttons.items() if word in OPENING]:
        page.locator("main").get_by_role("button", name=label, exact=True).first.click()
        dialog = page.get_by_role("dialog")
        dialog.wait_for()
        assert dialog.evaluate("(it) => it.scrollWidth - it.clientWidth") <= 0, label
        assert dialog.locator("script, img, b").count() == 0
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
    assert page.evaluate("() => window.pwned") is None
    assert set(asked) <= {"GET"}
    assert panel.wrong == []


def test_what_means_harm_is_text(panel: Panel) -> None:
    page = panel.open("usage/log")
    page.set_viewport_size({"width": 1600, "height": 900})
    if page.get_by_role("tab").count():
        page.get_by_role("tab").last.click()
    page.get_by_label("Outcome").select_option("failed")
    page.get_by_role("button", name="Details of r00007").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("What it said").wait_for()
    assert dialog.inner_text().count(HOSTILE) >= 5
    assert page.evaluate("() => window.pwned") is None
    assert panel.wrong == []


def test_the_first_page_is_small(panel: Panel) -> None:
    page = panel.browser.new_context().new_page()
    took: list[int] = []
    page.on("requestfinished", lambda request: took.append(request.sizes()["responseBodySize"]))
    page.goto(panel.url)
    page.get_by_label("Password").wait_for()
    page.wait_for_load_state("networkidle")
    assert len(took) > 10
    assert sum(took) <= 300 * 1024
