import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stand_ins import Ctl, Web, serve

from omniroute.cli import main

VARIABLES = (
    "OMNIROUTE_API_KEY", "OMNIROUTE_DEBUG", "BASE_URL", "REQUIRE_API_KEY", "OMNIROUTE_REQUIRE_LOGIN",
    "PORT", "HOSTNAME", "INITIAL_PASSWORD", "JWT_SECRET", "API_KEY_SECRET",
    "STORAGE_ENCRYPTION_KEY",
)  # fmt: skip


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "data"
    monkeypatch.setenv("DATA_DIR", str(path))
    return path


@pytest.fixture
def ctl(data_dir: Path) -> Ctl:
    """Run one command line; it must end with `code`, and an error must be one line on stderr."""

    def run(*words: str, code: int = 0, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, words, input=input)
        assert result.exit_code == code, f"exit {result.exit_code}: {result.output} {result.exception!r}"
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def refused(ctl: Ctl) -> Callable[..., str]:
    """Run a command line that must be refused, and give its one line."""

    def run(*words: str, code: int = 1, input: str | None = None) -> str:
        result = ctl(*words, code=code, input=input)
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    return run


@pytest.fixture
def as_json(ctl: Ctl) -> Callable[..., Any]:
    """Run a command line with `--json` and read what it prints."""
    return lambda *words, **kwargs: json.loads(ctl(*words, "--json", **kwargs).stdout)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as started:
        yield started


@pytest.fixture
def home(ctl: Ctl) -> None:
    ctl("node", "add", "home", "--dialect", "openai", "--base-url", "http://127.0.0.1:9/v1", "--name", "Home")
