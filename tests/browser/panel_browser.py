"""The panel in a browser, and what is looked at on every page."""

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from harness import REPO, Gateway, until

from omniroute.store.config import accounts, combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.history.usage import AttemptRow, UsageRow
from omniroute.store.state import password

WORDS = "correct horse battery"
HOSTILE = "<script>window.pwned=1</script><img src=x onerror=window.pwned=2>"
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")
PAGES = re.findall(r'\{ id: "([^"]*)"', (REPO / "web/js/pages.js").read_text(encoding="utf-8"))
"""The addresses of the menu, as it lists them."""
SETTLED = "() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true], .boot')"
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
JUDGE = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .filter(({impact}) => impact === 'serious' || impact === 'critical')
    .map(({id, nodes}) => `${id}: ${nodes.slice(0, 4).map(({target, html, any}) =>
        `${target} ${html.slice(0, 160)} ${any.map((each) => each.message)}`).join(' | ')}`)"""


def chromium() -> str | None:
    """Find the system's Chromium."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def row(number: int) -> UsageRow:
    """Write down an exchange of a while ago; every seventh failed, with words that mean harm."""
    bad = number % 7 == 0
    return UsageRow(
        id=f"r{number:05}", at=time.time() - 20 * number, key_id="k1", key_name=HOSTILE, account_id="a1",
        account_name="work", provider=f"p{number % 9}", model_asked=HOSTILE if bad else f"model-{number % 20}",
        model_served=f"openai/{HOSTILE if bad else 'gpt'}", combo=HOSTILE if bad else None, client_dialect="claude",
        upstream_dialect="openai", path="/v1/messages", streamed=True, status=502 if bad else 200,
        error=HOSTILE if bad else None, input=10, output=5, cache_read=4, cache_write=0, reasoning=2, cost=0.25,
        attempts=(AttemptRow("openai/gpt", HOSTILE, "failed" if bad else "ok", 502 if bad else 200, 80.0, HOSTILE),),
        latency_ms=120.0, ttft_ms=40.0, overhead_ms=1.5, dropped=(HOSTILE,),
    )  # fmt: skip


def seed(store: Store) -> None:
    """Fill a store as months of use, and people who mean harm, would."""
    password.put(store, WORDS)
    keys.create(store, HOSTILE)
    accounts.add(store, "openai", name="<b>work</b>", api_key="sk-not-a-key")
    nodes.add(store, "box", dialect="openai", base_url="http://127.0.0.1:9/v1", name=HOSTILE)
    combos.add(store, "mix", ["box/llama", f"box/{HOSTILE}"])
    plain = [row(number) for number in range(1, 3000)]
    usage.record(store, [*plain, replace(row(3001), id="the-last-one", model_asked="find-me")])


class Panel:
    """A logged-in page of a running gateway, and all that went wrong on it."""

    def __init__(self, gateway: Gateway, browser: Any) -> None:
        self.gateway, self.browser = gateway, browser
        self.url = f"{gateway.url}/omniroute/"
        self.wrong: list[str] = []
        until("the panel answers", lambda: httpx.get(f"{gateway.url}/api/init", trust_env=False).status_code == 200)
        self.page = self.fresh()

    def fresh(self, *, logged_in: bool = True) -> Any:
        """Open a page in a context of its own, in which nothing is moving."""
        page = self.browser.new_context(reduced_motion="reduce").new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", self._asked)
        page.goto(self.url)
        if logged_in:
            page.get_by_label("Password").fill(WORDS)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_function(SETTLED)
        return page

    def open(self, name: str = "") -> Any:
        """Go to a page with a clean record, and wait until it is all there."""
        self.page.goto("about:blank")
        self.wrong.clear()
        self.page.goto(self.url + name)
        self.page.wait_for_function(SETTLED)
        return self.page

    def _asked(self, request: Any) -> None:
        if request.url.startswith(("data:", "blob:", "about:")):
            return
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"a foreign host was asked: {request.url}")

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left takes its requests with it
            self.wrong.append(f"{request.method} {request.url}: {request.failure}")

    def close(self) -> None:
        for context in list(self.browser.contexts):
            context.close()


def judged(page: Any) -> list[str]:
    """Give what axe-core finds seriously wrong with a page."""
    if not page.evaluate("() => !!window.axe"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(JUDGE)
    return found
