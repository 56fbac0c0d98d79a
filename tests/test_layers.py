"""Imports go down only, and what is pure stays pure."""

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from cases import every

ROOT = Path(__file__).resolve().parents[1] / "omniroute"
TABLE = (ROOT.parent / "docs/development.md").read_text("utf-8")
LAYERS = [set(re.findall(r"`(\w+)`", row)) for row in re.findall(r"^\| \d+ \| ([^|]+) \|", TABLE, re.MULTILINE)]
LAYER = {part: layer for layer, parts in enumerate(LAYERS) for part in parts}
PURE = {"dialects", "catalog", "netproxy", "access", "budgets", "config", "routing"}
# The outside world in the standard library: files, sockets, processes, clocks, dice, logs, threads.
WORLD = {"asyncio", "glob", "http.client", "http.server", "io", "logging", "multiprocessing", "os", "pathlib", "random"}
WORLD |= {"secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile"}
WORLD |= {"threading", "time", "urllib.request", "uuid"}
ALLOWED = {"dialects": {"orjson"}, "catalog": {"genai_prices"}}
MODULES = {".".join(("omniroute", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}


class WithoutHints(ast.NodeTransformer):
    """Takes out what only a type checker reads."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else self.generic_visit(node)


def imported(name: str, path: Path, *, hints: bool = True) -> Iterator[str]:
    """Give the full names of everything that a module imports, wherever in it the import stands."""
    package = name.split(".")[:-1]  # `x.__init__` has its package before the last dot too
    tree: ast.AST = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree if hints else WithoutHints().visit(tree)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def part(name: str) -> str | None:
    """Name the part of the package that a module belongs to; the package itself belongs to none."""
    parts = name.split(".")
    return (
        parts[1] if parts[0] == "omniroute" and len(parts) > 1 and parts[1] not in ("__init__", "__version__") else None
    )


@every("name", sorted(MODULES))
def test_imports_go_down(name: str) -> None:
    here = part(name)
    below = {there for other in imported(name, MODULES[name]) if (there := part(other))}
    if here is None:
        assert not below, "the package itself must import nothing of its own"
        return
    assert here in LAYER, f"{here} has no layer: add it to the table in docs/development.md"
    assert {there for there in below if LAYER[there] > LAYER[here]} == set()


def test_no_module_needs_itself() -> None:
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        needs = set(imported(name, path, hints=False))
        needs |= {other.rpartition(".")[0] for other in needs}
        graph[name] = needs & MODULES.keys() - {name}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


@every("name", sorted(name for name in MODULES if part(name) in PURE))
def test_pure_packages_touch_nothing_outside(name: str) -> None:
    here = part(name)
    assert here is not None
    for other in imported(name, MODULES[name]):
        top = other.partition(".")[0]
        assert not any(other == world or other.startswith(f"{world}.") for world in WORLD), other
        assert top in sys.stdlib_module_names | {"omniroute"} | ALLOWED.get(here, set()), other


def test_few_modules_lie_loose() -> None:
    loose = {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 5, loose


def test_no_module_is_long() -> None:
    assert [name for name, path in MODULES.items() if path.read_text("utf-8").count("\n") > 400] == []


def test_the_walk_sees_something() -> None:
    assert "omniroute.errors" in MODULES
    assert "omniroute.errors.BadRequest" in set(imported("omniroute.routing.resolve", ROOT / "routing/resolve.py"))
    assert list(imported("omniroute.a.b", Path(__file__).with_name("test_layers.py")))[:2] == ["ast", "re"]
