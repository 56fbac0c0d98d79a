"""The management is there to be asked from the start, and loaded when it is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.test import taddons

from omniroute.addons import panel
from omniroute.addons.panel import Panel
from omniroute.gateway.runtime import Runtime
from omniroute.store.state import password


@pytest.fixture
async def addon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Panel]:
    for name in ("INITIAL_PASSWORD", "OMNIROUTE_REQUIRE_LOGIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(password, "ROUNDS", 1)
    monkeypatch.setattr(password, "MEMORY_KIB", 8)
    monkeypatch.setattr(panel.gc, "freeze", lambda: None)
    runtime = Runtime()
    runtime.open(tmp_path / "data")
    made = Panel(runtime)
    with taddons.context(made):
        made.configure(set())
        made.running()
        yield made
        await made.done()
        runtime.close()


async def ask(addon: Panel) -> int:
    relay = addon.runtime.relay
    assert relay
    async with httpx.AsyncClient(trust_env=False, timeout=120) as client:
        return (await client.get(f"http://127.0.0.1:{relay.port}/healthz")).status_code


async def test_it_is_loaded_for_the_first_who_asks(addon: Panel) -> None:
    assert addon._app is None
    assert await asyncio.gather(*(ask(addon) for _ in range(5))) == [200] * 5
    assert addon._app is not None
    assert await ask(addon) == 200


async def test_nobody_has_asked_until_the_end(addon: Panel) -> None:
    relay = addon.runtime.relay
    assert relay
    await addon.done()
    assert addon._app is addon.runtime.relay is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", relay.port))


async def test_who_waits_for_what_cannot_be_loaded_is_told(
    addon: Panel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> Any:
        raise ImportError(f"{name} is half a file")

    monkeypatch.setattr(panel, "import_module", broken)
    with pytest.raises(httpx.TransportError):
        await ask(addon)
    assert addon.runtime.relay is None, "it is said to be starting"
    assert "is half a file" in caplog.text
