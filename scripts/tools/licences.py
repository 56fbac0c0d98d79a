"""The licences of installed distributions, as their own metadata name them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import Protocol

STRONG = re.compile(r"(?<![A-Za-z])(?:A?GPL|GNU (?:Affero )?General Public|SSPL|EUPL|OSL|CC-BY-NC|BUSL)", re.IGNORECASE)
"""Licences that would hold for the whole product, or forbid a use of it. LGPL and MPL hold for their own files."""
KNOWN = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|GNU Lesser|Unlicense|0BSD|Zlib", re.IGNORECASE
)
ALLOWED = {
    "mitmproxy-linux": "MIT",
    "mitmproxy-macos": "MIT",
    "mitmproxy-rs": "MIT",
    "mitmproxy-windows": "MIT",
    "peewee": "MIT",
}
"""Distributions whose metadata name no licence, with that of the licence file which they bring; each was read."""
LONGEST = 60
"""Characters of a licence in the report: some put the whole text where its name belongs."""


class Fields(Protocol):
    """What is read of the metadata of a distribution."""

    def get_all(self, name: str) -> list[str] | None: ...


@dataclass(frozen=True, slots=True)
class Licence:
    """One line of the report."""

    name: str
    version: str
    """Empty where the distribution is not installed here."""
    licence: str
    problem: str = ""
    """Why it is flagged."""


def report(names: Iterable[str]) -> list[Licence]:
    """Give the licence of each distribution, in the order of their names."""
    rows = []
    for name in sorted(names, key=str.lower):
        try:
            fields = metadata(name)
        except PackageNotFoundError:
            rows.append(Licence(name, "", "not installed here"))
            continue
        rows.append(judge(name, fields["Version"], licence_of(fields)))
    return rows


def licence_of(fields: Fields) -> str:
    """Give the licence expression, else the classifiers, else the first line of the free text; empty for none."""
    if expression := _first(fields, "License-Expression"):
        return expression
    classifiers = [each for each in fields.get_all("Classifier") or () if each.startswith("License ::")]
    named = [name for each in classifiers if (name := each.rpartition("::")[2].strip()) != "OSI Approved"]
    text = _first(fields, "License").strip()
    return " AND ".join(named) or (text.splitlines() or [""])[0][:LONGEST]


def _first(fields: Fields, name: str) -> str:
    found = fields.get_all(name)
    return found[0] if found and found[0] != "UNKNOWN" else ""


def judge(name: str, version: str, licence: str) -> Licence:
    """Flag strong copyleft, and what is unknown and not in the allow list."""
    allowed = ALLOWED.get(re.sub(r"[-_.]+", "-", name).lower(), "")
    if STRONG.search(licence):
        return Licence(name, version, licence, f"{licence!r} is a strong copyleft licence, or restricts the use")
    if not KNOWN.search(licence):
        shown = licence or allowed or "unknown"
        why = f"its licence is unknown ({licence!r}): read it, and add it to ALLOWED in scripts/tools/licences.py"
        return Licence(name, version, shown, "" if allowed else why)
    return Licence(name, version, licence)
