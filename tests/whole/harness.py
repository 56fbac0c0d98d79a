"""Starts the processes that the whole tests are about: the gateway and the upstream behind it.

A process that is started here is ended here, by its own id, however the test ends.
"""

import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from omniroute.store.config import settings
from omniroute.store.db.database import Store

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PATIENCE = 120.0
"""Seconds for anything to happen; far more than it takes, so that a busy machine fails no test."""

ALARMS = (
    "Traceback (most recent call last)",
    "mitmproxy has crashed",
    "Task exception was never retrieved",
    "Task was destroyed but it is pending",
    "was never awaited",
)
"""What a healthy process never logs."""
CANCELLED_CLIENT = re.compile(
    r"Exception in callback StreamReaderProtocol\.connection_made\.<locals>\.callback\(.*\n"
    r"handle: .*\n"
    r"Traceback \(most recent call last\):\n"
    r"  File \".*/asyncio/events\.py\", line \d+, in _run\n"
    r".*\n"
    r"  File \".*/asyncio/streams\.py\", line \d+, in callback\n"
    r"    exc = task\.exception\(\)\n"
    r"(?: .*\n)*"
    r"asyncio\.exceptions\.CancelledError(?:\n|$)"
)
"""What asyncio of Python 3.12.1 logs for each client that is still connected at the stop: it asks a cancelled task for
its exception. Later versions look first whether it was cancelled."""


def until[T](what: str, look: Callable[[], T | None], *, within: float = PATIENCE) -> T:
    """Look again and again, and give the first thing seen; fail with `what` when nothing ever is."""
    end = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.01)
    return seen


def alarms(log: str) -> list[str]:
    """Give the alarms in the log of a process."""
    log = CANCELLED_CLIENT.sub("", log)
    return [alarm for alarm in ALARMS if alarm in log]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def end(process: subprocess.Popen[Any]) -> None:
    """Ask the process to stop; kill it, and say so, when it does not."""
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{process.args!r} did not stop when it was asked to") from None


def leave(url: str, path: str, body: object, *, when: Callable[[], object]) -> None:
    """Send a request and hang up without an answer, as soon as `when` is true: an event, and not a time."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(content)}\r\n\r\n"
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), PATIENCE) as connection:
        connection.sendall(head.encode() + content)
        until("the moment to hang up", when)


# ---- the upstream


@dataclass(frozen=True)
class Asked:
    """A request as the upstream got it."""

    method: str
    path: str
    headers: httpx.Headers
    body: bytes
    http: str
    connection: int
    cancelled: bool
    at: float
    """On the machine's own clock."""
    at_once: int
    """How many were being answered at the same base URL, this one included."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Upstream:
    """The scripted provider in a process of its own; `upstream.py` says what it can do."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any], log: Path) -> None:
        self.process, self.log = process, log
        self.url: str = ready["url"]
        self.ca: str | None = ready.get("ca")
        self.ports: dict[str, int] = {name: ready[name] for name in ("refused", "full", "prose", "silent")}
        self.connects = {
            "verify": ssl.create_default_context(cafile=self.ca),
            "http2": ready["http"] == "h2",
            "trust_env": False,
        }
        """How an httpx client of any kind is to be made to reach it."""
        self.client = httpx.Client(base_url=self.url, **self.connects)
        """Asks the upstream itself, without the gateway."""

    @classmethod
    @contextmanager
    def start(cls, folder: Path, *arguments: str) -> Iterator[Self]:
        log = folder / f"upstream{''.join(arguments)}.log"
        command = [sys.executable, str(REPO / "tests/whole/upstream.py"), *arguments]
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
            )
        assert process.stdout
        try:
            with process.stdout:
                ready = process.stdout.readline()
                assert ready, log.read_text(encoding="utf-8")
                upstream = cls(process, json.loads(ready), log)
                with upstream.client:
                    yield upstream
        finally:
            end(process)
        assert not (said := log.read_text(encoding="utf-8")), said

    def base(self, behaviour: str) -> str:
        """Give a base URL below which every request is answered in this way."""
        return f"{self.url}/b/{behaviour}"

    def asked(self) -> list[Asked]:
        """Give the requests that came, oldest first."""
        names = ("method", "path", "http", "connection", "cancelled", "at", "at_once")
        return [
            Asked(
                headers=httpx.Headers([(n.encode("latin-1"), v.encode("latin-1")) for n, v in entry["headers"]]),
                body=base64.b64decode(entry["body"]),
                **{name: entry[name] for name in names},
            )
            for entry in self.client.get("/log").json()
        ]

    def stats(self) -> dict[str, int]:
        stats: dict[str, int] = self.client.get("/stats").json()
        return stats

    def clear(self) -> None:
        self.client.delete("/log").raise_for_status()


# ---- the gateway


def set_deadlines(store: Store, node: str, deadlines: Mapping[str, float]) -> None:
    """Set deadlines of one node by phase: short ones where it hangs, so that good ones have time on a busy machine."""
    for phase, seconds in deadlines.items():
        settings.put(store, f"deadlines.{node}.{phase}", str(seconds))


@dataclass
class Gateway:
    """A running gateway: a real mitmdump or mitmweb, on a port and a data directory of its own."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    log_file: Path
    started: float
    """The time just before it was started."""
    runtime: dict[str, Any] = field(default_factory=dict)
    _store: Store | None = None

    @property
    def url(self) -> str:
        host = self.runtime["host"]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.runtime['port']}"

    @property
    def web_url(self) -> str:
        return str(self.runtime["web_url"])

    @property
    def store(self) -> Store:
        """Open the gateway's own database, as `omniroute-ctl` does in another process."""
        if self._store is None:
            self._store = Store(self.data_dir)
        return self._store

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @classmethod
    @contextmanager
    def start(
        cls,
        folder: Path,
        *,
        tool: str = "mitmdump",
        options: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        setup: Callable[[Store], object] | None = None,
        deadlines: Mapping[str, float] | None = None,
        command: Sequence[str] | None = None,
    ) -> Iterator[Self]:
        """Start it, wait until it answers, stop it, and fail when it logged an alarm.

        `options` become `--set name=value`; `setup` fills the store before the start, and `deadlines` are those
        of all requests by phase; `command` stands for the whole command line where `tool` is not enough.
        """
        data_dir = folder / "data"
        if setup or deadlines:
            store = Store(data_dir)
            try:
                for phase, seconds in (deadlines or {}).items():
                    settings.put(store, f"deadlines.{phase}", str(seconds))
                if setup:
                    setup(store)
            finally:
                store.close()
        command = command or mitmproxy_command(tool, folder, options or {})
        log_file = folder / "gateway.log"
        started = time.time()
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=clean_environ(data_dir, environ or {}),
            )
        gateway = cls(process, data_dir, log_file, started)
        try:
            until(f"the gateway answers; its log:\n{gateway.log()}", gateway._answers)
            yield gateway
        finally:
            gateway.stop()
        gateway.check_log()

    def stop(self) -> None:
        """Stop it as a user would; may be called twice."""
        if self._store:
            self._store.close()
            self._store = None
        end(self.process)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def check_log(self) -> None:
        log = self.log()
        assert not (seen := alarms(log)), f"the gateway logged {seen}:\n{log}"

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.log()}")
        try:
            self.runtime = json.loads((self.data_dir / "runtime.json").read_text(encoding="utf-8"))
            if self.runtime["started_at"] < self.started:
                return False  # an earlier gateway, which was killed, left this behind
            return httpx.head(f"{self.url}/api/hello", timeout=PATIENCE, trust_env=False).status_code == 200
        except (FileNotFoundError, ValueError, httpx.TransportError):
            return False


def mitmproxy_command(tool: str, folder: Path, options: Mapping[str, str]) -> list[str]:
    given = {"confdir": str(folder / "mitmproxy"), "omniroute_data_dir": str(folder / "data")}
    if tool == "mitmweb":
        given |= {"web_port": str(free_port()), "web_open_browser": "false"}
    command = [
        str(BIN / tool),
        "-s",
        str(REPO / "addons/omniroute.py"),
        "--mode",
        "reverse:http://127.0.0.1:9@127.0.0.1:0",
    ]
    for name, value in (given | dict(options)).items():
        command += ["--set", f"{name}={value}"]
    return command


def clean_environ(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Give an environment in which nothing of the person's own set-up can leak into a test."""
    leave = ("PORT", "HOSTNAME", "REQUIRE_API_KEY", "STORAGE_ENCRYPTION_KEY", "OMNIROUTE_WEB_PORT", "INITIAL_PASSWORD")
    leave += ("JWT_SECRET", "API_KEY_SECRET", "AUTH_COOKIE_SECURE", "OMNIROUTE_REQUIRE_LOGIN", "BASE_URL")
    kept = {name: value for name, value in os.environ.items() if name not in leave and "PROXY" not in name.upper()}
    return kept | {"DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"} | dict(more)
