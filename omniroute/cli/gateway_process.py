"""What is known of a running gateway: the file that it keeps while it runs."""

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
"""Seconds to wait for a gateway to notice a change, which may have to load its management; between two looks."""
LONGEST = 16 * 1024 * 1024
"""Bytes of an answer of its."""
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
        """The host to ask from here, also where it listens on all."""
        return WILDCARDS.get(self.host, self.host)

    @property
    def url(self) -> str:
        return f"http://[{self.reach}]:{self.port}" if ":" in self.reach else f"http://{self.reach}:{self.port}"


def read_runtime(data_dir: Path) -> Running | None:
    """Read the file of the gateway that runs on `data_dir`; None when none does, or a dead one left it."""
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
        return True  # another user's
    return True


def answers(running: Running, timeout: float = 2.0) -> bool:
    """Ask for the sign of life that clients ask for."""
    # The standard library's client: loading httpx would take longer than all the rest of `status`.
    with closing(HTTPConnection(running.reach, running.port, timeout=timeout)) as connection:
        try:
            connection.request("HEAD", "/api/hello")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def manage(running: Running, path: str, token: str) -> Any:
    """Ask the management API of a running gateway for something; None where it does not say in time."""
    with closing(HTTPConnection(running.reach, running.port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return json.loads(response.read(LONGEST)) if response.status == 200 else None
        except (OSError, HTTPException, ValueError):
            return None


def wait_for(data_dir: Path, revision: int) -> None:
    """Wait until the gateway that runs on `data_dir`, if one does, goes by a revision of the configuration.

    Not for long: one that is busy, or is just starting, will go by it soon.
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
