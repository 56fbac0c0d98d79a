"""A gateway and a browser for each file of tests; whoever has no browser is told so, and skips."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness import Gateway
from panel_browser import Panel, chromium, seed


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
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def panel(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """Start a gateway that has been used, and open its panel."""
    with Gateway.start(tmp_path_factory.mktemp("panel"), setup=seed) as gateway:
        opened = Panel(gateway, browser)
        try:
            yield opened
        finally:
            opened.close()
