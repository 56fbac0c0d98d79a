"""Read the declared requirements and the tested versions: pyproject.toml and constraints.txt.

Standard library only: this runs before anything is installed.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

HEADER = re.compile(r"# Python: (3\.\d+(?: 3\.\d+)*)")
LINE = re.compile(r'([A-Za-z0-9][\w.-]*)==([\w.!+-]+)(?: ; python_version == "(3\.\d+)")?')
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[\w,\s-]*\])?\s*([^;]*?)\s*(?:;\s*(.*))?")
LEAST = re.compile(r">=\s*([\w.!+-]+)")


class Problem(Exception):
    """A state of the checkout or the machine that keeps an install from starting; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of constraints.txt."""

    name: str
    version: str
    python: str | None = None
    """The only Python that it is for, such as 3.12; None for all."""


def normal(name: str) -> str:
    """Give the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(root: Path, extra: str) -> list[str]:
    """List the requirements of the project, with those of an extra: PEP 508 texts."""
    path = root / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        build = tomllib.loads(path.read_text("utf-8"))["build-system"]["requires"]
        return [*build, *project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    except (OSError, ValueError, KeyError) as error:
        raise Problem(
            f"{path} cannot be read ({type(error).__name__}: {error}): restore it from the repository"
        ) from None


def read(root: Path) -> tuple[list[str], list[Pin]]:
    """Read constraints.txt: the Pythons that it was made with, and the versions. Raises Problem for any other line."""
    path = root / "constraints.txt"
    repair = "restore it from the repository (git checkout constraints.txt), or write a new one with scripts/lock"
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise Problem(f"{path} cannot be read ({error}): {repair}") from None
    pythons: list[str] = []
    pins = []
    for number, line in enumerate(lines, 1):
        if found := HEADER.fullmatch(line):
            pythons = found[1].split()
        elif line and not line.startswith("#"):
            if (match := LINE.fullmatch(line)) is None:
                raise Problem(f"{path}, line {number}: {line[:80]!r} is not NAME==VERSION: {repair}")
            pins.append(Pin(match[1], match[2], match[3]))
    if not pythons:
        raise Problem(f"{path} does not list the Python versions that it is for: {repair}")
    return pythons, pins


def check(root: Path, requirements: list[str], python: str) -> list[Pin]:
    """Give the tested versions for one Python, such as 3.13. Raises Problem where there is none for it."""
    pythons, pins = read(root)
    if python not in pythons:
        raise Problem(
            f"constraints.txt has tested versions for Python {' and '.join(pythons)}, not for Python {python}: set "
            "PYTHON to one of these, or take today's versions untested with scripts/install --newest"
        )
    valid = [pin for pin in pins if pin.python in (None, python)]
    known = {normal(pin.name) for pin in valid}
    for requirement in requirements:
        name, _, marker = split(requirement)
        if normal(name) not in known and applies(marker, python):
            raise Problem(f"constraints.txt has no version of {name}, which pyproject.toml declares: run scripts/lock")
    return valid


def oldest(requirements: list[str], python: str) -> list[Pin]:
    """Pin every requirement to the lowest version that it allows."""
    pins = []
    for requirement in requirements:
        name, specifier, marker = split(requirement)
        if not applies(marker, python):
            continue
        if (least := LEAST.search(specifier)) is None:
            raise Problem(f"pyproject.toml: {requirement!r} has no lowest version (>=)")
        pins.append(Pin(name, least[1]))
    return pins


def split(requirement: str) -> tuple[str, str, str]:
    """Split a requirement into name, version specifiers and marker."""
    if (found := REQUIREMENT.fullmatch(requirement)) is None:
        raise Problem(f"pyproject.toml: {requirement!r} is not a requirement")
    return found[1], found[2], found[3] or ""


def applies(marker: str, python: str) -> bool:
    """Evaluate the one kind of marker that pyproject.toml uses: a bound on python_version."""
    if not marker:
        return True
    found = re.fullmatch(r"python_version\s*(<|>=)\s*['\"](3\.\d+)['\"]", marker)
    if found is None:
        raise Problem(f"pyproject.toml: the marker {marker!r} is not a bound on python_version")
    here, bound = (tuple(map(int, text.split("."))) for text in (python, found[2]))
    return here < bound if found[1] == "<" else here >= bound


def write(pins: list[Pin]) -> str:
    """Format versions as lines for pip and uv."""
    markers = [f' ; python_version == "{pin.python}"' if pin.python else "" for pin in pins]
    return "".join(f"{pin.name}=={pin.version}{marker}\n" for pin, marker in zip(pins, markers, strict=True))
