"""What all tests share: laws are held on whatever machine, however busy it is; what could not run is said."""

from typing import Any

from hypothesis import settings

# The first example of a law pays for what is made once, such as an SDK's types; the clock on the wall is no law.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly that nobody looked at the panel: a skip alone is lost among the dots."""
    reasons = [
        report.longrepr[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and "tests/browser/" in report.nodeid
    ]
    if reasons:
        terminalreporter.section("THE PANEL WAS NOT TESTED IN A BROWSER", red=True, bold=True)
        terminalreporter.line(f"{len(reasons)} tests did not run. {reasons[0]}")
