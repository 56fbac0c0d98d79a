"""What all tests share: laws are held on whatever machine, however busy it is."""

import importlib.util
import os
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx._transports.default
import process_guard
import pytest
from hypothesis import settings

# The first example of a law pays for what is made once, such as an SDK's types; the clock on the wall is no law.
settings.register_profile("without a clock", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "10")))
settings.load_profile("without a clock")

# Each of thousands of clients would read all certificates of the world, which takes longer than most requests here.
httpx._transports.default.create_ssl_context = cache(httpx._transports.default.create_ssl_context)


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """End every process that tests start when this process ends, and fail when their fixtures have left one."""
    guard = process_guard.start()
    mark = os.environ[process_guard.MARK]
    yield
    interrupted = request.session.exitstatus == pytest.ExitCode.INTERRUPTED
    deadline = time.monotonic() + (0 if interrupted else 30)  # a browser's helpers end a moment after it
    while (left := process_guard.commands(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    guard.communicate()
    assert interrupted or not left, f"tests have left processes behind: {left}"


def pytest_configure(config: pytest.Config) -> None:
    """Ignore a warning class of pyparsing that mitmproxy's imports raise; older versions do not have it."""
    if importlib.util.find_spec("pyparsing.warnings"):
        config.addinivalue_line("filterwarnings", "ignore::pyparsing.warnings.PyparsingDeprecationWarning")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end, where it is read, that a browser was missing."""
    skipped = [report for report in terminalreporter.getreports("skipped") if "tests/browser/" in report.nodeid]
    if skipped:
        terminalreporter.section("THE PANEL WAS NOT TESTED IN A BROWSER", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} tests: {skipped[0].longrepr[2]}")
