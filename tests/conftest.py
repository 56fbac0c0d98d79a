"""What all tests share: laws are held on whatever machine, however busy it is."""

import os
from functools import cache
from typing import Any

import httpx._transports.default
from hypothesis import settings

# The first example of a law pays for what is made once, such as an SDK's types; the clock on the wall is no law.
settings.register_profile("without a clock", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "10")))
settings.load_profile("without a clock")

# Each of thousands of clients would read all certificates of the world, which takes longer than most requests here.
httpx._transports.default.create_ssl_context = cache(httpx._transports.default.create_ssl_context)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end, where it is read, that a browser was missing."""
    skipped = [report for report in terminalreporter.getreports("skipped") if "tests/browser/" in report.nodeid]
    if skipped:
        terminalreporter.section("THE PANEL WAS NOT TESTED IN A BROWSER", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} tests: {skipped[0].longrepr[2]}")
