"""Make a virtual environment and install the project into it: progress, reasons in one sentence, nothing half done.

    python installer.py ROOT VENV tested|newest|oldest [EXTRA]

Standard library only. It is run by `scripts/install`, which keeps two of them apart.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import constraints
from constraints import Problem

NEEDED = 400_000_000
"""Bytes on the disk that the tests' environment takes at most."""
QUIET = 15.0
"""Seconds after which a program that is no terminal reads one line of progress more."""
AGAIN = "Run the same command again to go on."
REASONS: tuple[tuple[str, str], ...] = (
    (r"No space left on device|Errno 28|disk quota exceeded", "the disk is full"),
    (r"Read-only file system|Errno 30", "the file system is read-only"),
    (r"Permission denied|Errno 13|Operation not permitted|Access is denied", "a file or folder cannot be written"),
    (r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|SSLCertVerificationError",
     "the certificate of the package index is not trusted: set SSL_CERT_FILE or PIP_CERT to your company's CA"),
    (r"NewConnectionError|Failed to establish a new connection|Temporary failure in name resolution|Connection refused"
     r"|Name or service not known|Network is unreachable|ConnectTimeoutError|Read timed out|ReadTimeoutError|ProxyError"
     r"|Cannot connect to proxy|error sending request|dns error|tcp connect error|from versions: none",
     "the package index cannot be reached: check the network, and HTTPS_PROXY where a proxy is needed"),
)  # fmt: skip
"""What an installer writes -> the reason in words; the first match counts."""


def main() -> None:
    root, venv, kind, *extra = sys.argv[1:]
    try:
        install(Path(root), Path(venv), kind, extra[0] if extra else "")
    except Problem as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)


def install(root: Path, venv: Path, kind: str, extra: str) -> None:
    """Bring an environment up to date. Raises Problem with the reason in one sentence."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    requirements = constraints.declared(root, extra)
    match kind:
        case "tested":
            pins = constraints.check(root, requirements, python)
        case "oldest":
            pins = constraints.oldest(requirements, python)
        case _:
            pins = []
    uv = find_uv()
    if not (venv / "pyvenv.cfg").exists():
        make(venv, pip=uv is None)
    elif uv is None and not _runs(str(venv / "bin/python"), "-m", "pip", "--version"):
        run([str(venv / "bin/python"), "-m", "ensurepip"], Progress(0), venv)
    with tempfile.TemporaryDirectory() as folder:
        wanted, pinned = Path(folder, "requirements.txt"), Path(folder, "constraints.txt")
        wanted.write_text("\n".join(requirements) + "\n", "utf-8")
        pinned.write_text(constraints.write(pins), "utf-8")
        tool = [uv, "pip"] if uv else [str(venv / "bin/python"), "-m", "pip"]
        if not pins and not uv:  # an old pip tries versions against each other for many minutes
            run(command(tool, venv, "pip>=24.2"), Progress(0), venv)
        progress = Progress(len(pins) if kind == "tested" else 0)
        update = [] if pins else ["--upgrade", *(("--upgrade-strategy", "eager") if not uv else ())]
        run(command(tool, venv, *update, "-r", str(wanted), "-c", str(pinned)), progress, venv)
        run(command(tool, venv, "--no-deps", "--no-build-isolation", "--editable", str(root)), progress, venv)
    progress.end(f"Installed OmniRoute with {kind} versions ({'uv' if uv else 'pip'}, Python {python}).")


def command(tool: list[str], venv: Path, *arguments: str) -> list[str]:
    """Give the command line of pip or uv for one install."""
    if tool[-2:] == ["-m", "pip"]:
        common = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"]
        return [*tool, "install", *common, *arguments]
    return [*tool, "install", "--python", str(venv / "bin/python"), *arguments]


def find_uv() -> str | None:
    """Give the path of uv where there is one that starts; OMNIROUTE_NO_UV=1 passes it over."""
    path = None if os.environ.get("OMNIROUTE_NO_UV") else shutil.which("uv")
    return path if path and _runs(path, "--version") else None


def make(venv: Path, *, pip: bool) -> None:
    """Make an empty environment, in place of whatever stands there."""
    progress = Progress(0)
    progress.say(f"Making {venv.name} with {sys.executable} ...")
    arguments = [] if pip else ["--without-pip"]
    advice = " (on Debian and Ubuntu: apt install python3-venv)"
    run([sys.executable, "-m", "venv", "--clear", *arguments, str(venv)], progress, venv, advice=advice)


def run(arguments: Sequence[str], progress: "Progress", venv: Path, *, advice: str = "") -> None:
    """Run an installer and show what it does. Raises Problem with its own reason when it fails."""
    last: deque[str] = deque(maxlen=200)
    with started(arguments) as process:
        assert process.stdout
        for line in process.stdout:
            last.append(line.rstrip())
            progress.line(line.strip())
        code = process.wait()
    if code:
        progress.clear()
        raise Problem(explain(list(last), venv) + advice)


@contextmanager
def started(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a program; end it when we are interrupted, so that nothing goes on writing."""
    environ = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start would compile everything anew
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env=environ,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stdout:
            process.stdout.close()


def explain(lines: list[str], venv: Path) -> str:
    """Name the reason of a failed install, and repeat the installer's own words."""
    text = "\n".join(lines)
    reason = next((words for pattern, words in REASONS if re.search(pattern, text, re.IGNORECASE)), None)
    own = [line for line in lines if re.match(r"\s*(ERROR|error|Error|×|  ╰─▶|Caused by)", line)] or lines[-5:]
    shown = "\n".join(f"  {line.strip()}" for line in own[-5:] if line.strip())
    if reason == "the disk is full":
        free = shutil.disk_usage(venv if venv.exists() else venv.parent).free
        reason += f" ({free / 1e6:,.0f} MB are free at {venv.parent}, up to {NEEDED / 1e6:,.0f} MB are needed)"
    elif reason == "a file or folder cannot be written":
        reason += f": make {venv.parent} writable for this user"
    return f"The install failed{f': {reason}' if reason else ''}.\n{shown}\n{AGAIN}"


class Progress:
    """Show what is being done: a live line on a terminal, else a line now and then. Everything goes to stderr."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = total, clock
        self._live = sys.stderr.isatty()
        self._seen = 0
        self._shown_at = clock()

    def line(self, line: str) -> None:
        """Take one line of pip's or uv's output."""
        if found := re.match(
            r"(Collecting|Downloading|Building|Installing collected packages|Resolved|Prepared|Installed)\b(.*)", line
        ):
            what, rest = found[1], found[2].strip(" :")
            if what == "Collecting":
                self._seen += 1
            elif what == "Installing collected packages":
                what, rest = "Installing", f"{rest.count(',') + 1} packages"
            self._show(f"{what} {rest.split(' (from')[0]}")

    def _show(self, text: str) -> None:
        if self._total and self._seen:
            text = f"[{min(self._seen, self._total)}/{self._total}] {text}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\033[2K{text[:width]}")
            sys.stderr.flush()
        elif self._clock() - self._shown_at > QUIET:
            self.say(text)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
        self._shown_at = self._clock()

    def clear(self) -> None:
        """Take the live line away."""
        if self._live:
            sys.stderr.write("\r\033[2K")
            sys.stderr.flush()

    end = say


def _runs(*arguments: str) -> bool:
    try:
        return subprocess.run(arguments, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()
