import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from panel_api import WORDS, Api, StartApi

from omniroute.env import read
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.management_relay import Relay
from omniroute.panel.app import PanelServer
from omniroute.store.state import password


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StartApi]:
    """Start a panel under an environment; its clock is this test's where one is given."""
    for name in ("INITIAL_PASSWORD", "JWT_SECRET", "API_KEY_SECRET", "STORAGE_ENCRYPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(password, "ROUNDS", 1)  # how slow a hash is has tests of its own
    monkeypatch.setattr(password, "MEMORY_KIB", 8)
    async with AsyncExitStack() as stack:

        async def started(wall: Callable[[], float] | None = None, **environ: str) -> Api:
            runtime = Runtime(wall=wall) if wall else Runtime()
            runtime.open(tmp_path / "data")
            stack.callback(runtime.close)
            assert runtime.store
            if wall:
                runtime.store.clock = wall
            password.put(runtime.store, WORDS)
            listening = socket.create_server(("127.0.0.1", 0))
            listening.setblocking(False)
            relay = Relay("127.0.0.1", listening.getsockname()[1], "known-to-the-relay")
            panel = PanelServer(runtime, read(environ), relay.secret)
            panel.start(listening)
            stack.callback(panel.stop)
            return Api(runtime, relay)

        yield started


@pytest.fixture
async def api(start: StartApi) -> Api:
    made: Api = await start()
    return made
