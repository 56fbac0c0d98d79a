"""A software bill of materials of the product: CycloneDX 1.6 in JSON, the same bytes for the same versions."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from constraints import Problem, normal
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from licences import ALLOWED, licence_of
from packageurl import PackageURL
from packaging.requirements import Requirement

PACKAGE = re.compile(r"([A-Za-z]+) (\d+\.\d+\.\d+)")
"""A package and its version in the table of vendored files."""
EPOCH = datetime(2020, 2, 2, tzinfo=UTC)
"""The time in the document: that of the files in the wheel, so that it can be built again to the byte."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component: a distribution, or a package that is vendored for the panel."""

    name: str
    version: str
    kind: str = "pypi"
    licence: str = ""
    needs: tuple[str, ...] = ()
    """Names of the components that it requires."""

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"


def installed(root: Path) -> list[Part]:
    """Give the product first, then everything that it requires, as installed here, and what is vendored."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    vendored = read_vendored((root / "web" / "vendor" / "README.md").read_text("utf-8"))
    needs = _names([Requirement(text) for text in project["dependencies"]])
    own = Part(project["name"], project["version"], "pypi", project["license"],
               (*needs, *(part.name for part in vendored)))  # fmt: skip
    found: dict[str, Part] = {}
    waiting = list(needs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _distribution(name)
            waiting += found[name].needs
    return [own, *sorted(found.values(), key=lambda part: part.name), *vendored]


def read_vendored(text: str) -> list[Part]:
    """Read the table of vendored files: each package with its version."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    names = [(match[1].lower(), match[2]) for row in rows for match in PACKAGE.finditer(row.split("|")[2])]
    if not names:
        raise Problem("the table of web/vendor/README.md names no package with its version")
    return [Part(name, version, "npm") for name, version in names]


def _names(declared: Sequence[Requirement]) -> tuple[str, ...]:
    wanted = {normal(each.name) for each in declared if each.marker is None or each.marker.evaluate({"extra": ""})}
    return tuple(sorted(wanted))


def _distribution(name: str) -> Part:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise Problem(f"{name} is not installed here, so it cannot be described: run scripts/install") from None
    needs = _names([Requirement(text) for text in found.requires or ()])
    return Part(name, found.version, "pypi", licence_of(found.metadata) or ALLOWED.get(name, ""), needs)


def document(parts: Sequence[Part]) -> str:
    """Write the document; the first part is the product."""
    licence = LicenseFactory()
    components = {
        part.name: Component(
            name=part.name,
            version=part.version,
            type=ComponentType.APPLICATION if part is parts[0] else ComponentType.LIBRARY,
            bom_ref=part.reference,
            purl=PackageURL(part.kind, None, part.name, part.version),
            licenses=[licence.make_from_string(part.licence)] if part.licence else [],
        )
        for part in parts
    }
    own = components[parts[0].name]
    bom = Bom(components=[each for each in components.values() if each is not own])
    bom.metadata.component, bom.metadata.timestamp = own, EPOCH
    bom.serial_number = uuid5(NAMESPACE_URL, " ".join(part.reference for part in parts))
    for part in parts:
        bom.register_dependency(components[part.name], [components[name] for name in part.needs])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
