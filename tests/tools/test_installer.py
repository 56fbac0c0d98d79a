"""The installer with a real pip and a real environment, without a package index: wheels of two lines, made here."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import installer
import pytest
from constraints import Problem

REPO = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROJECT = """
[project]
name = "omniroute"
version = "1"
dependencies = ["tiny>=1,<3"]
[build-system]
requires = ["builder>=1"]
build-backend = "builder"
"""
BUILDER = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "omniroute-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        info = "omniroute-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: omniroute\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def wheel(folder: Path, name: str, version: str, source: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{name}.py", source)
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for version in ("1.0", "2.0", "2.5"):
        wheel(folder, "tiny", version, f"version = {version!r}\n")
    wheel(folder, "builder", "1.0", BUILDER)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a check out"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT, "utf-8")
    (root / "constraints.txt").write_text(f"# Python: {PYTHON}\ntiny==2.0\nbuilder==1.0\n", "utf-8")
    return root


def run(checkout: Path, kind: str = "tested", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the installer as scripts/install does, with an index that nothing listens at unless `environ` has one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    base = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "OMNIROUTE_NO_UV": "1"}
    script = REPO / "scripts/tools/installer.py"
    return subprocess.run(
        [sys.executable, str(script), str(checkout), str(checkout / ".venv"), kind],
        capture_output=True, text=True, check=False, timeout=300, env=clean | base | environ,
    )  # fmt: skip


def version_in(checkout: Path) -> str:
    command = [str(checkout / ".venv/bin/python"), "-c", "import tiny; print(tiny.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_tested_oldest_and_newest_versions_in_turn(checkout: Path, index: Path) -> None:
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    done = run(checkout, **local)
    assert done.returncode == 0, done.stderr
    assert f"Making .venv with {sys.executable}" in done.stderr
    assert f"Installed OmniRoute with tested versions (pip, Python {PYTHON})." in done.stderr
    assert version_in(checkout) == "2.0"
    assert run(checkout, "oldest", **local).returncode == 0
    assert version_in(checkout) == "1.0"
    listed = [str(checkout / ".venv/bin/python"), "-m", "pip", "--version"]
    had = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()[1]
    wheel(index, "pip", had, "")  # `newest` brings an old pip up to date first: this one counts as that
    (checkout / ".venv/bin/tiny-left-alone").touch()
    assert run(checkout, "newest", **local).returncode == 0
    assert version_in(checkout) == "2.5"
    assert (checkout / ".venv/bin/tiny-left-alone").exists(), "an environment that works is not made anew"


def test_no_network_is_one_reason_and_what_came_before_stays(checkout: Path) -> None:
    done = run(checkout)
    assert done.returncode == 1
    assert "The install failed: the package index cannot be reached" in done.stderr
    assert done.stderr.rstrip().endswith("Run the same command again to go on.")
    assert "Traceback" not in done.stderr
    assert (checkout / ".venv/pyvenv.cfg").exists()


def test_a_folder_that_cannot_be_written_is_one_reason(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/bin").write_text("in the way", "utf-8")  # works for root too, which may write everywhere
    done = run(checkout)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1].startswith("The install failed")
    assert "Traceback" not in done.stderr


def test_a_python_without_tested_versions_is_one_reason(checkout: Path) -> None:
    (checkout / "constraints.txt").write_text("# Python: 3.11\n", "utf-8")
    done = run(checkout)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"tested versions for Python 3.11, not for Python {PYTHON}" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk is full (",
        ),
        ("OSError: [Errno 30] Read-only file system: '/x'", "the file system is read-only"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied",
            "cannot be written: make ",
        ),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "is not trusted: set SSL_CERT_FILE"),
        ("NameResolutionError: Temporary failure in name resolution", "index cannot be reached: check the network"),
        ("ERROR: Could not find a version that satisfies x (from versions: none)", "index cannot be reached"),
        ("error: Request failed after 3 retries\n  Caused by: tcp connect error: refused", "index cannot be reached"),
    ],
)
def test_reasons_are_named_and_the_own_words_follow(tmp_path: Path, output: str, reason: str) -> None:
    text = installer.explain(output.splitlines(), tmp_path / ".venv")
    assert reason in text
    assert output.splitlines()[-1].strip() in text


def test_an_unknown_failure_shows_the_last_lines(tmp_path: Path) -> None:
    text = installer.explain([f"line {n}" for n in range(20)], tmp_path)
    assert text.startswith("The install failed.\n  line 15\n")


class Terminal:
    def __init__(self, *, live: bool) -> None:
        self.text, self.live = "", live

    def isatty(self) -> bool:
        return self.live

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


LINES = ["Collecting tiny==2.0 (from -r x)", "  Downloading tiny.whl (2 kB)", "Installing collected packages: a, b, c"]


def test_a_terminal_has_one_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(live=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = installer.Progress(10)
    for line in LINES:
        progress.line(line.strip())
    progress.end("Done.")
    shown = [part for part in terminal.text.split("\r\033[2K") if part]
    steps = ["Collecting tiny==2.0", "Downloading tiny.whl (2 kB)", "Installing 3 packages"]
    assert shown == [*(f"[1/10] {step}" for step in steps), "Done.\n"]


def test_a_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, now = Terminal(live=False), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = installer.Progress(0, clock=lambda: now[0])
    for line in LINES:
        progress.line(line)
        now[0] += installer.QUIET / 2 + 1
    assert terminal.text == "Installing 3 packages\n"


def test_uv_is_used_where_it_starts(checkout: Path, tmp_path: Path) -> None:
    log, tools = tmp_path / "log", tmp_path / "tools"
    tools.mkdir()
    uv = tools / "uv"
    uv.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit "${{UV_BREAKS:-0}}"\necho "$*" >>{log}\n', "utf-8")
    uv.chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    done = run(checkout, OMNIROUTE_NO_UV="", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "(uv, " in done.stderr
    commands = log.read_text("utf-8").splitlines()
    assert all(command.startswith(f"pip install --python {checkout}/.venv/bin/python") for command in commands)
    assert commands[-1].endswith(f"--no-deps --no-build-isolation --editable {checkout}")
    assert not list((checkout / ".venv/lib").glob("*/site-packages/pip"))
    done = run(checkout, OMNIROUTE_NO_UV="", PATH=path, UV_BREAKS="1")
    assert done.returncode == 1, "pip is put in where uv does not start, and finds no index"
    assert "the package index cannot be reached" in done.stderr
    assert list((checkout / ".venv/lib").glob("*/site-packages/pip"))


def test_a_problem_is_an_exception_with_its_text() -> None:
    with pytest.raises(Problem, match="no lowest version"):
        raise Problem("no lowest version")
