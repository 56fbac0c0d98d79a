"""A new user's way: everything is made in the panel, a request is sent with it, and the panel shows what came of it."""

from collections.abc import Iterator

import httpx
import pytest
from harness import Upstream
from panel_browser import SETTLED, Panel


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream.start(tmp_path_factory.mktemp("upstream")) as started:
        yield started


def test_from_a_node_to_its_use(panel: Panel, upstream: Upstream) -> None:
    page = panel.open("providers")
    page.set_viewport_size({"width": 1280, "height": 900})
    dialog = page.get_by_role("dialog")

    page.get_by_role("button", name="Add a node").click()
    dialog.get_by_label("Prefix").fill("mine")
    dialog.get_by_label("Base URL").fill("nonsense://x")
    dialog.get_by_role("button", name="Add the node").click()
    dialog.get_by_label("Base URL").and_(page.locator(":invalid, [aria-invalid=true]")).wait_for()
    dialog.get_by_label("Base URL").fill(f"{upstream.base('ok')}/v1")
    dialog.get_by_role("button", name="Add the node").click()
    page.get_by_text("Its models are called mine/…").wait_for()

    page.get_by_role("button", name="Add an account at mine").click()
    dialog.get_by_label("API key").fill("sk-the-account-of-mine")
    dialog.get_by_label("Name", exact=True).fill("first account")
    dialog.get_by_role("button", name="Add the account").click()
    page.get_by_role("button", name="Test first account").click()
    page.get_by_role("status").get_by_text("works").wait_for()

    panel.open("combos")
    page.get_by_role("button", name="Make a combo").click()
    dialog.get_by_label("Name", exact=True).fill("everyday")
    dialog.get_by_label("Model 1", exact=True).fill("mine/some-model")
    dialog.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Test everyday").click()
    dialog.get_by_role("button", name="Ask each of them").click()
    dialog.get_by_text("yes", exact=True).wait_for()
    dialog.locator(".dialog-foot").get_by_role("button", name="Close").click()

    panel.open("keys")
    page.get_by_role("button", name="Make a key").click()
    dialog.get_by_label("Name").fill("laptop")
    dialog.get_by_role("button", name="Make the key").click()
    key = dialog.locator("code").inner_text()
    dialog.get_by_role("button", name="I have it").click()
    page.get_by_role("button", name="Edit laptop").wait_for()
    assert key.startswith("sk-omni-")
    assert key not in page.content()

    panel.open("costs/budget")
    page.get_by_role("button", name="Set a budget").click()
    dialog.get_by_label("Key").select_option("laptop")
    dialog.get_by_label("US dollars").fill("5")
    dialog.get_by_role("button", name="Set it").click()
    page.get_by_role("button", name="Change the monthly budget of laptop").wait_for()

    panel.open("translator/live")
    page.get_by_text("watching", exact=True).wait_for()
    body = {"model": "everyday", "messages": [{"role": "user", "content": "good morning"}]}
    with httpx.Client(base_url=panel.gateway.url, trust_env=False, timeout=120) as client:
        for shown, status in ((f"{key}x", 401), (key, 200)):
            headers = {"authorization": f"Bearer {shown}"}
            assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == status
    row = page.locator("tbody tr").filter(has_text="everyday")
    row.get_by_text("laptop").wait_for()
    row.get_by_role("button", name="Show this exchange").click()
    dialog.get_by_text("good morning").first.wait_for()
    assert "sk-the-account-of-mine" not in dialog.inner_text()
    assert upstream.asked()[-1].headers["authorization"] == "Bearer sk-the-account-of-mine"

    panel.open("usage?tab=log")
    page.locator("tbody tr").filter(has_text="everyday").get_by_text("laptop").wait_for()
    assert panel.wrong == []


def test_what_cannot_be_undone_asks_once(panel: Panel) -> None:
    """Of what the one above has made; a stray key or click takes nothing away."""
    page = panel.open("keys")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if request.method != "GET" else None)
    for where, button, action, said in (
        ("costs/budget", "Clear the monthly budget of laptop", "Take it away", "The budget is gone."),
        ("combos", "Remove everyday", "Remove", "everyday is gone."),
        ("keys", "Revoke laptop", "Revoke", "laptop opens nothing any more."),
        ("providers", "Remove first account", "Remove", "first account is gone."),
        ("providers", "Remove node mine", "Remove", "mine is gone."),
    ):
        panel.open(where)
        asked.clear()
        page.get_by_role("button", name=button).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Cancel").click()
        dialog.wait_for(state="detached")
        assert asked == [], button
        page.get_by_role("button", name=button).click()
        dialog.get_by_role("button", name=action).click()
        page.get_by_text(said).wait_for()
        assert asked == ["DELETE"], button
    assert panel.wrong == []


def test_logging_out_ends_the_session_everywhere(panel: Panel) -> None:
    page = panel.fresh()
    page.set_viewport_size({"width": 1280, "height": 900})
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    api = f"{panel.gateway.url}/api/keys"
    assert httpx.get(api, cookies=cookies, trust_env=False).status_code == 200
    other = page.context.new_page()
    other.goto(f"{panel.url}health")
    other.wait_for_function(SETTLED)
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Password").wait_for()
    left = {each["name"] for each in page.context.cookies()}
    assert not {name for name in left if not name.startswith("omniroute_browser_")}, "only the mark of a known browser"
    assert httpx.get(api, cookies=cookies, trust_env=False).status_code == 401
    other.goto(f"{panel.url}keys")
    other.get_by_label("Password").wait_for()
    page.reload()
    page.get_by_label("Password").wait_for()
    page.context.close()
