"""The audit of dependencies, without a network: what it could not check, it says."""

import argparse
import json
from email.message import Message
from importlib.metadata import version
from pathlib import Path
from typing import Any

import audit
import constraints
import cyclonedx.schema
import jsonschema_rs
import licences
import pytest
import sbom
from cases import every
from constraints import Pin, Problem

REPO = Path(__file__).resolve().parents[2]
SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"
PINS = [Pin("a", "1"), Pin("b", "2")]
CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found"}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"], "aliases": [], "description": ""}]}


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    listed: list[Any] = []
    monkeypatch.setattr(audit, "run_pip_audit", lambda pins: json.dumps({"dependencies": listed, "fixes": []}))
    return listed


def test_vulnerabilities_are_found(reported: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    reported += [CLEAN, BAD]
    assert audit.report_vulnerabilities(PINS) == audit.FOUND
    assert "b 2: CVE-1, fixed by 3" in capsys.readouterr().out


def test_distributions_that_were_not_checked_fail_the_audit(
    reported: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    reported += [CLEAN, SKIPPED]
    assert audit.report_vulnerabilities(PINS) == audit.FAILED
    assert "NOT checked, as the vulnerability database did not answer for them: b" in capsys.readouterr().err


def test_an_empty_report_is_no_clean_one(reported: list[Any]) -> None:
    assert audit.report_vulnerabilities(PINS) == audit.FAILED
    reported.append(CLEAN)
    assert audit.report_vulnerabilities(PINS) == audit.CLEAN


@every("text", ["", "[]", '{"dependencies": 1}', '{"dependencies": [{"name": "a"}]}'])
def test_an_unreadable_report_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="NOTHING was checked"):
        audit.read_vulnerabilities(text)


def test_a_database_that_cannot_be_reached_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho 'ConnectionError: Failed to resolve' >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(audit, "find_pip_audit", lambda: program)
    with pytest.raises(Problem, match=r"NOTHING was checked: ConnectionError"):
        audit.report_vulnerabilities(PINS)


def test_hashed_requirements_have_names_versions_and_hashes_only() -> None:
    def entry(name: str, **info: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "version": "1"}, "download_info": {"url": "https://host.example/f", **info}}

    hashes = {"archive_info": {"hashes": {"sha256": "ab" * 32}}}
    text = audit.hashed_requirements({"install": [entry("b", **hashes), entry("A", **hashes)]}, "3.13", "linux")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f"A==1 --hash=sha256:{'ab' * 32}", f"b==1 --hash=sha256:{'ab' * 32}"]
    assert "host.example" not in text
    with pytest.raises(Problem, match="no sha256 of c 1"):
        audit.hashed_requirements({"install": [entry("c")]}, "3.13", "linux")


# ---- licences


@every(
    ("headers", "licence", "flagged"),
    [
        ({"License-Expression": "MIT"}, "MIT", False),
        ({"License": "MIT\nmore", "Classifier": "License :: OSI Approved :: BSD License"}, "BSD License", False),
        ({"License": "Apache-2.0\nCopyright"}, "Apache-2.0", False),
        ({"License-Expression": "LGPL-2.1-only"}, "LGPL-2.1-only", False),
        ({"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"},
         "GNU Lesser General Public License v3 (LGPLv3)", False),
        ({"License-Expression": "GPL-3.0-or-later"}, "GPL-3.0-or-later", True),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"},
         "GNU Affero General Public License v3", True),
        ({"License-Expression": "SSPL-1.0"}, "SSPL-1.0", True),
        ({"License": "UNKNOWN"}, "", True),
        ({"License": "see file"}, "see file", True),
    ],
)  # fmt: skip
def test_licences(headers: dict[str, str], licence: str, flagged: bool) -> None:
    fields = Message()
    for name, value in headers.items():
        fields[name] = value
    assert licences.licence_of(fields) == licence
    assert bool(licences.judge("some-package", "1", licence).problem) is flagged


def test_the_allow_list_names_only_what_has_no_licence_in_its_metadata() -> None:
    assert licences.judge("Peewee", "4", "") == licences.Licence("Peewee", "4", "MIT")
    rows = {row.name: row for row in licences.report(licences.ALLOWED)}
    there = [name for name, row in rows.items() if row.version]
    assert "peewee" in there
    for name in there:
        assert licences.judge("another", "1", licences.licence_of(licences.metadata(name))).problem, name


def test_every_tested_distribution_has_an_accepted_licence(capsys: pytest.CaptureFixture[str]) -> None:
    pinned = {pin.name.lower(): pin.version for pin in constraints.read(REPO)[1]}
    if version("mitmproxy") != pinned["mitmproxy"]:
        pytest.skip("this environment does not have the versions of constraints.txt")
    given = argparse.Namespace(root=REPO, hashes=None, sbom=None, licences=True)
    assert audit.run(given) == audit.CLEAN, capsys.readouterr().err
    assert "Brotli" in (out := capsys.readouterr().out) or "brotli" in out


# ---- bill of materials


def validator() -> Any:
    files = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    others = [
        (f"http://cyclonedx.org/schema/{file}", json.loads((SCHEMAS / file).read_text("utf-8"))) for file in files
    ]
    schema = json.loads((SCHEMAS / "bom-1.6.SNAPSHOT.schema.json").read_text("utf-8"))
    return jsonschema_rs.validator_for(schema, registry=jsonschema_rs.Registry(others))


def test_the_bill_of_materials_is_cyclonedx_and_complete(tmp_path: Path) -> None:
    target = tmp_path / "bom.json"
    given = argparse.Namespace(root=REPO, hashes=None, sbom=target, licences=False)
    assert audit.run(given) == audit.CLEAN
    text = target.read_text("utf-8")
    bom = json.loads(text)
    judge = validator()
    assert [error.message for error in judge.iter_errors(bom)] == []
    assert not judge.is_valid(bom | {"components": [{"name": 1}]}), "the schema is in force"
    assert bom["specVersion"] == "1.6"
    assert bom["metadata"]["component"]["name"] == "omniroute"
    names = {each["name"] for each in bom["components"]}
    assert {"mitmproxy", "orjson", "h2", "preact", "htm", "uplot"} <= names
    assert not names & {"pytest", "schemathesis"}, "what only tests need is not in the product"
    assert len(names) == len(bom["components"])
    assert sbom.document(sbom.installed(REPO)) == text, "the same versions give the same bytes"


def test_a_distribution_that_is_missing_is_named() -> None:
    with pytest.raises(Problem, match="no-such-distribution is not installed here"):
        sbom._distribution("no-such-distribution")
    with pytest.raises(Problem, match="names no package"):
        sbom.read_vendored("nothing")
