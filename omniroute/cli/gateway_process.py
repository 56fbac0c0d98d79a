"""Access to a running gateway from the command line: its runtime file, probes and management API."""

import json
import os
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from omniroute.gateway.runtime_file import FILE

PATIENCE, PAUSE = 3.0, 0.02
"""Seconds to wait for a gateway to apply a change, which may have to load its panel; seconds between two polls."""
LONGEST = 16 * 1024 * 1024
"""Bytes read of a response of the management API."""
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    host: str
    port: int
    web_url: str | None
    started_at: float | None
    version: str | None

    @property
    def reach(self) -> str:
        """The host to connect to: the loopback address if the gateway listens on all addresses."""
        return WILDCARDS.get(self.host, self.host)

    @property
    def url(self) -> str:
        return f"http://[{self.reach}]:{self.port}" if ":" in self.reach else f"http://{self.reach}:{self.port}"


def read_runtime(data_dir: Path) -> Running | None:
    """Read the runtime file of the gateway on `data_dir`; None if there is none or its process is dead."""
    try:
        read = json.loads((data_dir / FILE).read_bytes())
        running = Running(
            int(read["pid"]),
            str(read["host"]),
            int(read["port"]),
            read.get("web_url"),
            read.get("started_at"),
            read.get("version"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if is_alive(running.pid) else None


def is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it belongs to another user
    return True


def answers(running: Running, timeout: float = 2.0) -> bool:
    """Return whether the gateway responds to HEAD /api/hello within `timeout` seconds."""
    # The standard library's client, as importing httpx would take longer than all the rest of `status`.
    with closing(HTTPConnection(running.reach, running.port, timeout=timeout)) as connection:
        try:
            connection.request("HEAD", "/api/hello")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def manage(running: Running, path: str, token: str) -> Any:
    """GET a path of the management API and return its JSON; None for any failure, error status or timeout."""
    with closing(HTTPConnection(running.reach, running.port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return json.loads(response.read(LONGEST)) if response.status == 200 else None
        except (OSError, HTTPException, ValueError):
            return None


def wait_for(data_dir: Path, revision: int) -> None:
    """Wait until a gateway running on `data_dir` has applied a revision of the configuration.

    Return after PATIENCE seconds in any case: a gateway that is busy or starting will apply it soon.
    """
    end = time.monotonic() + PATIENCE
    while (running := read_runtime(data_dir)) and time.monotonic() < end:
        if (seen := _revision(running)) is None or seen >= revision:
            return
        time.sleep(PAUSE)


def _revision(running: Running) -> int | None:
    with closing(HTTPConnection(running.reach, running.port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/readyz")
            return int(json.loads(connection.getresponse().read(10_000))["revision"])
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            return None
