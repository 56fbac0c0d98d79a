"""What a command has changed is in force in a running gateway when the command ends."""

import json
import os
from pathlib import Path

import pytest
from stand_ins import Ctl, Web

from omniroute.cli import gateway_process


@pytest.fixture
def looks(data_dir: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let a pretended gateway come to a revision one further at each look."""
    data_dir.mkdir(parents=True, exist_ok=True)
    said = {"pid": os.getpid(), "host": "127.0.0.1", "port": web.port}
    (data_dir / gateway_process.FILE).write_text(json.dumps(said), "utf-8")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        at(web, len(waits))

    monkeypatch.setattr(gateway_process.time, "sleep", wait)
    at(web, 0)
    return waits


def at(web: Web, revision: int) -> None:
    web.answers["GET /readyz"] = (200, json.dumps({"status": "ok", "revision": revision}))


def asked(web: Web) -> int:
    return sum(line == "GET /readyz" for line, _, _ in web.asked)


def test_a_change_is_waited_for(ctl: Ctl, web: Web, looks: list[float]) -> None:
    ctl("key", "create", "laptop")
    assert asked(web) == len(looks) + 1 >= 2


def test_reading_waits_for_nothing(ctl: Ctl, web: Web, looks: list[float]) -> None:
    ctl("key", "list")
    assert asked(web) == 0


@pytest.mark.parametrize("said", [(503, "{}"), (200, "nonsense"), (200, "[]"), (200, '{"revision": null}')])
def test_a_gateway_that_cannot_say_is_not_waited_for(ctl: Ctl, web: Web, looks: list[float], said) -> None:
    web.answers["GET /readyz"] = said
    ctl("key", "create", "laptop")
    assert looks == []


def test_no_gateway_is_waited_for_for_ever(ctl: Ctl, web: Web, looks: list[float], monkeypatch) -> None:
    times = iter(range(100))
    monkeypatch.setattr(gateway_process.time, "monotonic", lambda: next(times) / 4)
    monkeypatch.setattr(gateway_process.time, "sleep", looks.append)
    ctl("key", "create", "laptop")
    assert 1 <= len(looks) <= 4 * gateway_process.PATIENCE
