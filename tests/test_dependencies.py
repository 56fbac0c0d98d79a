"""Everything imported is declared, everything declared has a tested version, and a missing one is named."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from omniroute.config.settings_registry import SETTINGS
from omniroute.distribution import requirements
from omniroute.distribution.requirements import (
    DependencyError,
    check_mitmproxy,
    check_modules,
    distribution_of,
    explain,
)
from omniroute.mitm import seam

REPO = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
TESTING = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]
SCRIPTS = [path for path in (REPO / "scripts").rglob("*.py")]
OWN = {part for path in [*SCRIPTS, *(REPO / "tests").rglob("*.py")] for part in (path.stem, path.parent.name)}
OWN |= {"omniroute"}
"""Modules and packages of the tree itself: kits of tests and tools are imported by their bare names."""


STANDARD = {*sys.stdlib_module_names, "compression"}
"""Of the newest Python: the older ones get `compression.zstd` from a distribution."""


def imports(path: Path) -> Iterator[str]:
    """Give the full names of absolute imports, wherever in the module they stand."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(declared: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in declared}


@cache
def brings() -> Mapping[str, list[str]]:
    """Give the distributions of every top-level module that is installed."""
    return packages_distributions()


@cache
def distributions(module: str) -> set[str]:
    """Give the distributions that may bring a module; a namespace such as `google` has several."""
    top = module.partition(".")[0]
    found = brings().get(top) or [distribution_of(top)]
    if top == "google":
        found = [f"google-{part}" for part in module.split(".")[1:2]]
    return {canonicalize_name(name) for name in found}


def undeclared(paths: list[Path], declared: set[str]) -> set[str]:
    missing = set()
    for path in paths:
        for name in imports(path):
            top = name.partition(".")[0]
            if top not in STANDARD and top not in OWN and not distributions(name) & declared:
                missing.add(f"{path.relative_to(REPO)}: {name}")
    return missing


def test_what_the_product_imports_is_declared() -> None:
    sources = [*(REPO / "omniroute").rglob("*.py"), *(REPO / "addons").rglob("*.py")]
    assert len(sources) > 100
    assert undeclared(sources, names(RUNTIME)) == set()


def test_what_tests_and_scripts_import_is_declared() -> None:
    sources = [*(REPO / "tests").rglob("*.py"), *SCRIPTS]
    assert undeclared(sources, names(RUNTIME) | names(TESTING)) == set()


def test_an_undeclared_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    source = tmp_path / "uses_flask.py"
    source.write_text("def late():\n    import flask.json\n    from h11 import Connection\n", "utf-8")
    assert undeclared([source], names(RUNTIME)) == {
        "uses_flask.py: flask.json",
        "uses_flask.py: h11.Connection",
    }


def test_the_modules_that_a_start_looks_for_are_the_declared_ones() -> None:
    here = [each for each in RUNTIME if each.marker is None or each.marker.evaluate()]
    assert {canonicalize_name(distribution_of(name.partition(".")[0])) for name in requirements.MODULES} == names(here)


def test_the_range_of_mitmproxy_is_the_declared_one() -> None:
    declared = next(each for each in RUNTIME if each.name == "mitmproxy")
    first, limit = (".".join(map(str, bound)).removesuffix(".0") for bound in requirements.MITMPROXY)
    assert set(str(declared.specifier).split(",")) == {f">={first}", f"<{limit}"}
    assert Requirement(requirements.MITMPROXY_RANGE) == declared


def test_every_declared_distribution_has_a_tested_version_in_its_range() -> None:
    text = (REPO / "constraints.txt").read_text("utf-8")
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^ \n]+)", text, re.MULTILINE):
        pinned.setdefault(canonicalize_name(name), []).append(version)
    for each in [*RUNTIME, *TESTING]:
        versions = pinned.get(canonicalize_name(each.name), [])
        assert versions, f"{each.name} has no version in constraints.txt: run scripts/lock"
        assert all(each.specifier.contains(version) for version in versions), f"{each} but {versions}"
    assert not re.findall(r"https?:|@|--", text), "names and versions only"


ONLY_DECLARED = """
import importlib, pkgutil, sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

visible = set(sys.argv[1].split(","))
hidden = {top for top, found in packages_distributions().items()
          if not {name.lower().replace("_", "-").replace(".", "-") for name in found} & visible}

class Hide(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is not visible", name=name)

sys.meta_path.insert(0, Hide())
import omniroute
found = [m.name for m in pkgutil.walk_packages(omniroute.__path__, "omniroute.")]
for name in found:
    importlib.import_module(name)
print(len(found), len(hidden))
"""


def closure(declared: list[Requirement]) -> set[str]:
    """Give the names of distributions that come with these, with everything that they require."""
    found: set[str] = set()
    waiting = [each.name for each in declared if each.marker is None or each.marker.evaluate()]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in requires(name) or ()]
            waiting += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


def test_every_module_imports_with_only_declared_distributions_visible() -> None:
    visible = ",".join(sorted(closure(RUNTIME) | {"omniroute"}))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ONLY_DECLARED, visible],
        capture_output=True, text=True, check=False, cwd=REPO, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    modules, hidden = map(int, done.stdout.split())
    assert modules > 300
    assert hidden > 10, "the tests' own distributions are there, and hidden"


# ---- what a user reads


def test_a_missing_module_is_named_with_its_distribution_and_the_command() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("no_such_module.part")
    text = explain(caught.value)
    assert text is not None
    assert "'no_such_module'" in text
    assert text.endswith("scripts/install --repair")


def test_a_name_that_a_dependency_lacks_is_its_fault() -> None:
    with pytest.raises(ImportError) as caught:
        exec("from click import no_such_name")
    text = explain(caught.value)
    assert text is not None
    assert re.match(r"click \d[\d.]* does not fit or is broken", text)


def test_an_exception_inside_of_a_dependency_is_its_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_dependency.py").write_text("raise AttributeError('gone')\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError) as caught:
        importlib.import_module("broken_dependency")
    text = explain(caught.value)
    assert text is not None
    assert text.startswith("broken_dependency (no version) is broken (AttributeError: gone): run ")


def test_our_own_errors_are_not_explained_away() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("omniroute.no_such_module")
    assert explain(caught.value) is None
    with pytest.raises(ValueError, match="takes") as own:
        SETTINGS["affinity"].read("perhaps")
    assert explain(own.value) is None


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ("12.1.2", "too old"),
        ("12.2.0", "too old"),
        ("11.0", "too old"),
        ("12.4.0", "newer than"),
        ("13.0.0", "newer than"),
        ("dev", "too old"),
    ],
)
def test_a_mitmproxy_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, found: str, says: str) -> None:
    monkeypatch.setattr(requirements, "version", lambda _: found)
    with pytest.raises(DependencyError, match=rf"mitmproxy {found} is {says}.*: run .*scripts/install --repair$"):
        check_mitmproxy()


@pytest.mark.parametrize("found", ["12.2.1", "12.2.3", "12.3.1", "12.3.0.dev1"])
def test_the_supported_versions_are_taken(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(requirements, "version", lambda _: found)
    check_mitmproxy()


def test_a_dependency_that_is_imported_late_is_missed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    check_modules()
    monkeypatch.setattr(requirements, "find_spec", lambda name: None if name == "genai_prices" else name)
    with pytest.raises(DependencyError, match=r"genai-prices .* is incomplete: run "):
        check_modules()


def test_a_mitmproxy_without_what_the_layer_needs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    seam.verify()
    needed = {"mitmproxy.proxy.layers.http": ("HttpStream.gone", "HttpStream"), "mitmproxy.no_such_module": ("X",)}
    monkeypatch.setattr(seam, "NEEDED", needed)
    lacks = "mitmproxy.proxy.layers.http.HttpStream.gone, mitmproxy.no_such_module"
    with pytest.raises(DependencyError, match=rf"lacks {lacks}, which OmniRoute builds on: run "):
        seam.verify()


def without(folder: Path, module: str) -> dict[str, str]:
    """Give an environment in which a module cannot be found, whatever is installed."""
    text = f"""
        import sys
        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == {module!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Hide())
    """
    (folder / "sitecustomize.py").write_text("\n".join(line[8:] for line in text.splitlines()), "utf-8")
    return os.environ | {"PYTHONPATH": str(folder), "DATA_DIR": str(folder / "data")}


@pytest.mark.parametrize("module", ["click", "mitmproxy", "httpx"])
def test_the_command_line_names_what_is_missing_in_one_line(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-m", "omniroute", "serve", "--headless", "--port", "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=without(tmp_path, module), timeout=120
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"Error: the module '{module}[\w.]*' cannot be found, since .*: run .*\n", done.stderr)


def test_the_addon_script_names_what_is_missing_in_one_line(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "mitmdump"), "-s", str(REPO / "addons/omniroute.py")]
    done = subprocess.run(
        [*command, "--mode", "reverse:http://127.0.0.1:9@127.0.0.1:0", "--set", f"confdir={tmp_path}"],
        capture_output=True, text=True, check=False, env=without(tmp_path, "httpx"), timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the module 'httpx' cannot be found, since httpx" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
