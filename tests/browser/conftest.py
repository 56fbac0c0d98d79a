"""A gateway and a browser for each file of tests; whoever has no browser is told so, and skips.

Playwright's own loop runs as long as the browser does. It has a thread to itself, in which these tests run too: in the
main thread no other test of the process could have a loop.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from harness import Gateway
from panel_browser import Panel, chromium, seed

THREAD = ThreadPoolExecutor(1, "browser")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    wanted = pyfuncitem._fixtureinfo.argnames
    THREAD.submit(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in wanted}).result()
    return True


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start the system's Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        pytest.skip("The browser tests need Playwright: scripts/test installs it.")
    program = chromium()
    if not program:
        pytest.skip("The browser tests need Chromium in PATH: on Debian, apt-get install chromium.")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
    playwright = sync_playwright()
    started = THREAD.submit(
        lambda: playwright.start().chromium.launch(executable_path=program, args=arguments)
    ).result()
    try:
        yield started
    finally:
        THREAD.submit(started.close).result()
        THREAD.submit(playwright.__exit__).result()


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """Start a gateway that has been used, and open its panel."""
    with Gateway.start(tmp_path_factory.mktemp("panel"), setup=seed) as gateway:
        opened = THREAD.submit(Panel, gateway, browser).result()
        try:
            yield opened
        finally:
            THREAD.submit(opened.close).result()
