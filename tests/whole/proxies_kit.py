"""Starts the process with the network proxies, and asks it what has happened."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harness import PATIENCE, REPO, end
from proxies import PASSWORD, USER

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}"


@dataclass(frozen=True)
class Proxies:
    ports: dict[str, int]
    ca: str

    def url(self, kind: str, login: str = "") -> str:
        """Give the URL of one; `login` goes before its host."""
        scheme = "socks5" if kind.startswith("socks") else "https" if kind.endswith("-tls") else "http"
        return f"{scheme}://{login}{'@' if login else ''}127.0.0.1:{self.ports[kind]}"

    def told(self) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.ports["log"]), timeout=PATIENCE) as sock:
            told: dict[str, Any] = json.loads(b"".join(iter(lambda: sock.recv(65536), b"")))
            return told

    def seen(self, kind: str) -> list[tuple[str, str]]:
        """Give what one was asked: target, and how."""
        return [(entry["target"], entry["how"]) for entry in self.told()["log"] if entry["kind"] == kind]

    @property
    def open(self) -> dict[str, int]:
        """What is still connected."""
        found: dict[str, int] = self.told()["open"]
        return found


@contextmanager
def start() -> Iterator[Proxies]:
    process = subprocess.Popen(
        [sys.executable, str(REPO / "tests/whole/proxies.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        with process.stdout:
            yield Proxies(**json.loads(process.stdout.readline()))
    finally:
        end(process)
