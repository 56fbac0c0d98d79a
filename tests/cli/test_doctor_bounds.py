"""What `doctor` finds about the bounds `server.*`."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from cases import every
from stand_ins import Ctl

from omniroute.cli.doctor_bounds import available_memory, check_bounds
from omniroute.config.server_limits import ServerLimits

DEFAULT = ServerLimits()
GB = 1_000_000_000


def found(limits: ServerLimits, descriptors: int = 100_000, memory: int | None = 8 * GB) -> list[tuple[str, str]]:
    return [
        (check.verdict, f"{check.found} {check.advice or ''}") for check in check_bounds(limits, descriptors, memory)
    ]


def test_the_defaults_are_named_as_such() -> None:
    assert found(DEFAULT) == [("ok", "server.* as by default ")]
    assert found(DEFAULT, memory=None) == found(DEFAULT)


def test_changed_bounds_are_named_with_their_defaults() -> None:
    [(verdict, text)] = found(replace(DEFAULT, json_depth=100, idle_timeout=60.5))
    assert verdict == "ok"
    assert text == "changed: server.idle_timeout 60.5 (default 300), server.json_depth 100 (default 256) "


@every(
    ("limits", "descriptors", "memory", "text"),
    [
        (DEFAULT, 1024, 8 * GB, "server.connections is 4096, but 1024 descriptors (ulimit -Hn) are enough for 448"),
        (replace(DEFAULT, connections=2048), 100_000, 8 * GB, "one address may open all 2048 connections"),
        (replace(DEFAULT, body_total=16 * GB), 100_000, 8 * GB, "server.body_total is 16,000 MB, and 8,000 MB"),
        (replace(DEFAULT, header_bytes=GB), 100_000, 8 * GB, "request heads may take 4,096,000 MB"),
        (replace(DEFAULT, body_min_rate=0), 100_000, 8 * GB, "clients that send slowly"),
        (replace(DEFAULT, header_timeout=600.0), 100_000, 8 * GB, "server.header_timeout 600 s"),
    ],
)
def test_loose_bounds_are_warned_of(limits: ServerLimits, descriptors: int, memory: int, text: str) -> None:
    warnings = [line for verdict, line in found(limits, descriptors, memory) if verdict == "warn"]
    assert len(warnings) == 1
    assert text in warnings[0]


def test_memory_is_the_machines_or_the_containers(tmp_path: Path) -> None:
    machine, container = tmp_path / "meminfo", tmp_path / "memory.max"
    machine.write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n", "ascii")
    assert available_memory(machine, container) == 2048 * 1024
    container.write_text("max\n", "ascii")
    assert available_memory(machine, container) == 2048 * 1024
    container.write_text("1000\n", "ascii")
    assert available_memory(machine, container) == 1000
    machine.write_text("MemAvailable: much\n", "ascii")
    assert available_memory(machine, container) is None


def test_doctor_shows_them(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PORT", str(server.getsockname()[1]))
    ctl("settings", "set", "server.json_depth", "99")
    assert "server.json_depth 99 (default 256)" in ctl("doctor").output
