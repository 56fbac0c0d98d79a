"""Audit the dependencies: vulnerabilities, licences, hashes, and a software bill of materials.

python audit.py ROOT [--licences | --hashes FILE | --sbom FILE]

What could not be checked is reported, and fails: an audit that has seen nothing is never taken for a clean one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import constraints
import licences
import sbom
from constraints import Pin, Problem

CLEAN, FOUND, FAILED = 0, 1, 2
TIMEOUT = 900.0
"""Seconds for pip or pip-audit."""


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """The result of pip-audit."""

    checked: int
    found: tuple[str, ...]
    """A line for each vulnerability."""
    skipped: tuple[str, ...]
    """Distributions that its database did not know."""


def main() -> None:
    options = argparse.ArgumentParser(prog="scripts/audit", description="Audit the dependencies.")
    options.add_argument("root", type=Path, help=argparse.SUPPRESS)
    one = options.add_mutually_exclusive_group()
    one.add_argument("--licences", action="store_true", help="only the licences; needs no network")
    one.add_argument("--hashes", type=Path, metavar="FILE", help="write requirements with the sha256 of each")
    one.add_argument("--sbom", type=Path, metavar="FILE", help="write a CycloneDX software bill of materials")
    given = options.parse_args()
    try:
        sys.exit(run(given))
    except Problem as problem:
        print(f"audit: {problem}", file=sys.stderr)
        sys.exit(FAILED)


def run(given: argparse.Namespace) -> int:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = constraints.check(given.root, constraints.declared(given.root, "test"), python)
    if given.hashes:
        write(given.hashes, hashed_requirements(resolve(pins), python, sys.platform))
        return CLEAN
    if given.sbom:
        write(given.sbom, sbom.document(sbom.installed(given.root)))
        return CLEAN
    status = report_licences(pins)
    return status if given.licences else max(status, report_vulnerabilities(pins))


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    try:
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}") from None
    print(f"audit: wrote {path}", file=sys.stderr)


# ---- licences


def report_licences(pins: Sequence[Pin]) -> int:
    """Print the licence of each tested distribution; flagged ones are listed last, and fail."""
    rows = licences.report([pin.name for pin in pins])
    for row in rows:
        print(f"{row.name:<28} {row.version:<20} {row.licence}")
    missing = [row.name for row in rows if not row.version]
    if missing:
        print(f"audit: not installed here, so their licences were not read: {', '.join(missing)}", file=sys.stderr)
    flagged = [row for row in rows if row.problem]
    for row in flagged:
        print(f"audit: {row.name} {row.version}: {row.problem}", file=sys.stderr)
    return FOUND if flagged else FAILED if missing else CLEAN


# ---- vulnerabilities


def report_vulnerabilities(pins: Sequence[Pin]) -> int:
    """Run pip-audit and print what it found. Raises Problem where it could not look."""
    result = read_vulnerabilities(run_pip_audit(pins))
    for line in result.found:
        print(line)
    if result.skipped:
        print(
            f"audit: NOT checked, as the vulnerability database did not answer for them: {', '.join(result.skipped)}",
            file=sys.stderr,
        )
    print(f"audit: checked {result.checked} of {result.checked + len(result.skipped)} distributions for "
          f"vulnerabilities: {len(result.found)} found", file=sys.stderr)  # fmt: skip
    return FOUND if result.found else FAILED if result.skipped or not result.checked else CLEAN


def run_pip_audit(pins: Sequence[Pin]) -> str:
    """Give the JSON report of pip-audit for some pins. It is installed into an environment of its own."""
    program = find_pip_audit()
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
        command = [str(program), "--requirement", str(wanted), "--no-deps", "--disable-pip", "--format", "json",
                   "--progress-spinner", "off"]  # fmt: skip
        done = call(command)
    if not done.stdout.strip():
        why = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise Problem(f"the vulnerability database could not be asked, so NOTHING was checked: {why[:500]}")
    return done.stdout


def find_pip_audit() -> Path:
    """Give the path of pip-audit; make `.venv-audit` for it at the first use."""
    venv = Path(__file__).resolve().parents[2] / ".venv-audit"
    program = venv / "bin" / "pip-audit"
    if not program.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(venv)],
            [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "pip-audit>=2.9,<3"],
        ):  # fmt: skip
            done = call(command)
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
                raise Problem(f"pip-audit cannot be installed, so NOTHING was checked for vulnerabilities: {why[:500]}")
    return program


def read_vulnerabilities(text: str) -> Vulnerabilities:
    """Read the JSON report of pip-audit: it calls what it could not look up skipped, and ends with success."""
    try:
        listed: list[dict[str, Any]] = json.loads(text)["dependencies"]
        skipped = tuple(each["name"] for each in listed if "skip_reason" in each)
        checked = [each for each in listed if "skip_reason" not in each]
        found = tuple(
            f"{each['name']} {each['version']}: {flaw['id']}, fixed by {', '.join(flaw['fix_versions']) or 'none'}"
            for each in checked
            for flaw in each["vulns"]
        )
    except (ValueError, LookupError, TypeError) as error:
        raise Problem(f"pip-audit wrote a report that cannot be read, so NOTHING was checked: {error!r}") from None
    return Vulnerabilities(len(checked), found, skipped)


# ---- hashes


def resolve(pins: Sequence[Pin]) -> Mapping[str, Any]:
    """Have pip choose the file of each pin, without installing any, and give its report."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, target = Path(folder, "requirements.txt"), Path(folder, "report.json")
        wanted.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins), "utf-8")
        done = call([sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet",
                     "--disable-pip-version-check", "--report", str(target), "-r", str(wanted)])  # fmt: skip
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            raise Problem(f"pip cannot resolve the versions of constraints.txt: {why[:500]}")
        report: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return report


def hashed_requirements(report: Mapping[str, Any], python: str, platform: str) -> str:
    """Write requirements for `pip install --require-hashes` out of a report of pip: names, versions and hashes only."""
    lines = []
    for each in report["install"]:
        name, version = each["metadata"]["name"], each["metadata"]["version"]
        sha256 = each["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if not sha256:
            raise Problem(f"the package index gave no sha256 of {name} {version}")
        lines.append(f"{name}=={version} --hash=sha256:{sha256}\n")
    head = (
        f"# sha256 of each distribution that pip chooses for Python {python} on {platform}. Written by scripts/audit.\n"
        "# pip install --require-hashes -r THIS_FILE\n"
    )
    return head + "".join(sorted(lines, key=str.lower))


def call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"{command[0]} cannot be run, or took too long: {error}") from None


if __name__ == "__main__":
    main()
