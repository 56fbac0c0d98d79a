"""The live monitor in a real browser: does its page stay usable while 200 exchanges a second pass?

A headless Chromium shows the live monitor of a real gateway, first while nothing passes, then while Claude clients ask
an OpenAI upstream 200 times a second. Meanwhile somebody types into the search field and pauses. Shown are the frames
that were drawn, the longest time between two, the part of the time in which work of over 50 ms held the page up, and
how long it took at most until a key or a click was seen. Browser, gateway, clients and upstream share the machine.
Needs what `scripts/install test` installs.
"""

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from load import Outcome
from processes import Target, gateway, load, stub
from rich.console import Console
from rich.table import Table
from scenarios import MONITORED

from omniroute.store.db.database import Store
from omniroute.store.state import password

WORDS = "correct horse battery"
FRAME = 1000 / 60
WATCH = """() => {
    const seen = window.seen = { gaps: [], long: [], felt: [] };
    let last = performance.now();
    const tick = (now) => { seen.gaps.push(now - last); last = now; requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    const hear = (type, to, more) => new PerformanceObserver((found) => {
        for (const each of found.getEntries()) to.push(each.duration);
    }).observe({ type, ...more });
    hear("longtask", seen.long, {});
    hear("event", seen.felt, { durationThreshold: 16 });
}"""

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Watch the page while nothing passes, and while much does."""
    seconds = 5.0 if quick else 15.0
    found: Found = {}
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(stub(folder / "stub"))
        target = stack.enter_context(gateway(folder / "gateway", upstream.port, headless=True))
        with contextlib.closing(Store(folder / "gateway" / "data")) as store:
            password.put(store, WORDS)
        page = stack.enter_context(_page(target))
        if page is None:
            return {}
        for way in ("nothing passes", "200 exchanges a second"):
            page.evaluate(WATCH)
            outcome = _use(page, target, seconds, asked=way != "nothing passes")
            found[way] = _read(page.evaluate("() => window.seen"), outcome, seconds)
            if outcome.errors:
                raise SystemExit(outcome.errors[0])
    return found


def _use(page: Any, target: Target, seconds: float, *, asked: bool) -> Outcome:
    """Type, pause and go on while others ask."""
    outcomes: list[Outcome] = []
    clients = threading.Thread(target=lambda: outcomes.append(load(MONITORED.job(target, seconds))))
    if asked:
        clients.start()
    for _ in range(int(seconds)):
        page.get_by_label("Search").press_sequentially("glad", delay=100)
        page.get_by_label("Search").fill("")
        page.get_by_role("button", name="Pause").click()
        page.wait_for_timeout(100)
        page.get_by_role("button", name="Go on").click()
        page.wait_for_timeout(300)
    if asked:
        clients.join()
    return outcomes[0] if outcomes else Outcome()


def _read(seen: dict[str, list[float]], outcome: Outcome, seconds: float) -> dict[str, float]:
    gaps = sorted(seen["gaps"])
    return {
        "passed": len(outcome.latency) / seconds,
        "frames": 1000 * len(gaps) / sum(gaps),
        "p99": gaps[len(gaps) * 99 // 100],
        "longest": gaps[-1],
        "held": sum(seen["long"]) / sum(gaps),
        "felt": max(seen["felt"], default=FRAME),
    }


@contextlib.contextmanager
def _page(target: Target) -> Iterator[Any]:
    """Open the live monitor; None where there is no browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sync_playwright = None
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if sync_playwright is None or program is None:
        yield None
        return
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.goto(f"http://127.0.0.1:{target.port}/omniroute/translator/live")
            page.get_by_label("Password").fill(WORDS)
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("watching").wait_for()
            yield page
        finally:
            browser.close()


def show(found: Found) -> None:
    if not found:
        Console().print("The live monitor was not measured: that needs Playwright (scripts/install test) and Chromium.")
        return
    table = Table(title="The live monitor in Chromium")
    titles = (
        "while",
        "passed a second",
        "frames a second",
        "p99 between two",
        "longest",
        "held up",
        "longest to be seen",
    )
    for title in titles:
        table.add_column(title, justify="left" if title == "while" else "right")
    for way, note in found.items():
        table.add_row(
            way,
            f"{note['passed']:.0f}",
            f"{note['frames']:.0f}",
            f"{note['p99']:.0f} ms",
            f"{note['longest']:.0f} ms",
            f"{note['held']:.1%}",
            f"{note['felt']:.0f} ms",
        )
    Console().print(table)
