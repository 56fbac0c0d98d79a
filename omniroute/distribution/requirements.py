"""Say in one sentence which dependency is missing, broken or of a wrong version, and the command that mends it.

This runs when something else cannot be imported, so it imports the standard library only.
"""

import re
import shlex
import sys
import traceback
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from omniroute.distribution.files import source_root

MITMPROXY = ((12, 2, 1), (12, 4, 0))
"""The first mitmproxy release that the HTTP layer works with, and the first one that it was not tested with."""
MITMPROXY_RANGE = "mitmproxy>=12.2.1,<12.4"
MODULES = (
    "argon2",
    "brotli",
    "click",
    "cryptography",
    "genai_prices",
    "h2",
    "httpcore",
    "httpx",
    "mitmproxy",
    "orjson",
    "packaging",
    "peewee",
    "pydantic",
    "rich",
    "tornado",
    "werkzeug",
    *(() if sys.version_info >= (3, 14) else ("backports.zstd",)),
)
"""What is imported, some of it only when it is needed: a start looks for all of them."""
DISTRIBUTIONS = {
    "argon2": "argon2-cffi",
    "backports": "backports.zstd",
    "genai_prices": "genai-prices",
    "mitmproxy_rs": "mitmproxy-rs",
    "OpenSSL": "pyOpenSSL",
    "playhouse": "peewee",
}
"""Import name -> distribution, where they differ and the distribution may be missing."""


class DependencyError(Exception):
    """A dependency that the gateway cannot run with; the text is one sentence with the command that mends it."""


def check_modules() -> None:
    """Raise DependencyError for the first dependency that cannot be found."""
    for name in MODULES:
        try:
            found = find_spec(name)
        except ModuleNotFoundError:  # the package around it
            found = None
        if found is None:
            raise DependencyError(_missing(name))


def check_mitmproxy() -> None:
    """Raise DependencyError for a mitmproxy that is missing, too old or newer than the tested ones."""
    try:
        found = version("mitmproxy")
    except PackageNotFoundError:
        raise DependencyError(f"mitmproxy is not installed: run {mend('mitmproxy')}") from None
    first, limit = MITMPROXY
    if not first <= release(found) < limit:
        problem = "too old" if release(found) < first else "newer than the versions that OmniRoute was tested with"
        raise DependencyError(f"mitmproxy {found} is {problem} ({MITMPROXY_RANGE}): run {mend('mitmproxy')}")


def release(text: str) -> tuple[int, int, int]:
    """Read major, minor and patch of a version; zeros for what it does not have."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def mend(distribution: str) -> str:
    """Give the command that installs what the gateway needs: the checkout's script, or pip for an installed package."""
    if root := source_root():
        return f"{shlex.quote(str(root / 'scripts/install'))} --repair"
    wanted = MITMPROXY_RANGE if distribution == "mitmproxy" else distribution
    return f"{shlex.quote(sys.executable)} -m pip install --force-reinstall {shlex.quote(wanted)}"


def explain(error: BaseException) -> str | None:
    """Explain an exception that an import raised; None when no dependency but our own code is at fault.

    A module that is not there, a name that a module lacks, and any exception from inside of a dependency.
    """
    if isinstance(error, DependencyError):
        return str(error)
    if isinstance(error, ImportError) and (error.name or "omniroute").partition(".")[0] == "omniroute":
        return None
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing(error.name)
    if isinstance(error, ImportError) and error.name:
        name = distribution_of(error.name.partition(".")[0])
        return f"{name} {installed(name) or '(no version)'} does not fit or is broken ({error.msg}): run {mend(name)}"
    source = _raised_in(error)
    if source and source != "omniroute" and source not in sys.stdlib_module_names:
        name = distribution_of(source)
        text = f"{type(error).__name__}: {error}"
        return f"{name} {installed(name) or '(no version)'} is broken ({text}): run {mend(name)}"
    return None


def _missing(module: str) -> str:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        here = f"Python {sys.version.split()[0]} at {sys.executable}"
        return f"{here} lacks its own module {module!r}: install a complete Python"
    name = distribution_of(top)
    state = f"{name} is not installed" if installed(name) is None else f"{name} {installed(name)} is incomplete"
    return f"the module {module!r} cannot be found, since {state}: run {mend(name)}"


def distribution_of(top: str) -> str:
    """Give the distribution that brings a top-level module."""
    return DISTRIBUTIONS.get(top) or next(iter(packages_distributions().get(top, ())), top)


def installed(distribution: str) -> str | None:
    """Give the version of a distribution; None when it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _raised_in(error: BaseException) -> str | None:
    """Name the top-level package in which an import failed; None when no module was being imported."""
    walked = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not any(frame.f_code.co_name == "<module>" for frame in walked):
        return None  # a bug of ours may show inside of a dependency, which is not broken by that
    frames = [frame.f_globals.get("__name__", "") for frame in walked]
    tops = [name.partition(".")[0] for name in frames if name and not name.startswith(("importlib", "_frozen"))]
    return tops[-1] if tops else None
