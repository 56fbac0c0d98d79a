"""Reading constraints.txt and pyproject.toml before anything is installed."""

from pathlib import Path

import constraints
import pytest
from constraints import Pin, Problem
from hypothesis import given
from hypothesis import strategies as st

PROJECT = """
[project]
dependencies = ["mitmproxy>=12.2,<12.4", "backports.zstd>=1.5; python_version < '3.14'"]
[project.optional-dependencies]
test = ["pytest>=9,<10"]
[build-system]
requires = ["hatchling>=1.27"]
"""
PINS = "# text\n# Python: 3.12 3.13\nmitmproxy==12.3.1\nbackports-zstd==1.7.0\npytest==9.2\nhatchling==1.33\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    (tmp_path / "constraints.txt").write_text(PINS, "utf-8")
    return tmp_path


def test_requirements_are_read_with_their_extra(root: Path) -> None:
    assert [constraints.split(text)[0] for text in constraints.declared(root, "test")] == [
        "hatchling", "mitmproxy", "backports.zstd", "pytest",
    ]  # fmt: skip
    assert len(constraints.declared(root, "")) == 3


def test_tested_versions_are_given_for_a_listed_python(root: Path) -> None:
    pins = constraints.check(root, constraints.declared(root, "test"), "3.13")
    assert Pin("mitmproxy", "12.3.1") in pins


def test_a_line_for_another_python_is_left_out(root: Path) -> None:
    path = root / "constraints.txt"
    path.write_text(PINS.replace("mitmproxy==12.3.1", 'mitmproxy==12.2.3 ; python_version == "3.12"'), "utf-8")
    assert "mitmproxy" in {pin.name for pin in constraints.check(root, constraints.declared(root, ""), "3.12")}
    with pytest.raises(Problem, match=r"no version of mitmproxy, .*scripts/lock"):
        constraints.check(root, constraints.declared(root, ""), "3.13")


def test_a_python_without_tested_versions_is_refused_with_both_ways_out(root: Path) -> None:
    with pytest.raises(Problem, match=r"3\.12 and 3\.13, not for Python 3\.15: set PYTHON .*--newest"):
        constraints.check(root, [], "3.15")


@pytest.mark.parametrize(
    "damage",
    ["mitmproxy", "mitmproxy>=12", "mitmproxy==", "<<<<<<< HEAD", "a==1 --hash=sha256:0", "a @ file:///x", "\x00"],
)
def test_a_damaged_line_is_named_with_what_to_do(root: Path, damage: str) -> None:
    (root / "constraints.txt").write_text(f"{PINS}{damage}\n", "utf-8")
    with pytest.raises(Problem, match=r"line 7: .* is not NAME==VERSION: restore it .*scripts/lock"):
        constraints.read(root)


def test_a_file_that_is_missing_or_cut_is_named(root: Path) -> None:
    path = root / "constraints.txt"
    path.write_text("mitmproxy==12.3.1\n", "utf-8")
    with pytest.raises(Problem, match="does not list the Python versions"):
        constraints.read(root)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Problem, match="cannot be read"):
        constraints.read(root)
    path.unlink()
    with pytest.raises(Problem, match="cannot be read"):
        constraints.read(root)


@pytest.mark.parametrize("text", ["", "[project]\n", "[project\n"])
def test_a_damaged_pyproject_is_named(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(text, "utf-8")
    with pytest.raises(Problem, match=r"pyproject\.toml cannot be read"):
        constraints.declared(root, "")


def test_the_lowest_versions_are_those_of_the_bounds(root: Path) -> None:
    declared = constraints.declared(root, "test")
    assert constraints.oldest(declared, "3.13") == [
        Pin("hatchling", "1.27"), Pin("mitmproxy", "12.2"), Pin("backports.zstd", "1.5"), Pin("pytest", "9"),
    ]  # fmt: skip
    assert Pin("backports.zstd", "1.5") not in constraints.oldest(declared, "3.14")
    with pytest.raises(Problem, match="no lowest version"):
        constraints.oldest(["rich<16"], "3.13")


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,3}){0,3}(\.post1)?", fullmatch=True)


@given(pins=st.lists(st.builds(Pin, NAMES, VERSIONS, st.sampled_from([None, "3.12", "3.13"]))))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, pins: list[Pin]) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "constraints.txt").write_text("# Python: 3.12 3.13\n" + constraints.write(pins), "utf-8")
    assert constraints.read(root) == (["3.12", "3.13"], pins)
