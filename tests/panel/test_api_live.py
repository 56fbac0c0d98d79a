"""The live monitor's socket: who may watch, what is told, and that a slow reader holds nobody up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mitmproxy.test import tflow
from panel_api import WORDS, Api
from pydantic.alias_generators import to_camel
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from omniroute.config.model import Config
from omniroute.gateway.exchange import Exchange
from omniroute.panel import live_socket
from omniroute.panel.api.live_exchanges import Passing
from omniroute.panel.http import cookie_name
from omniroute.routing.endpoints import Claim
from omniroute.store.state import sessions


@asynccontextmanager
async def watching(
    api: Api, origin: str | None = None, *, name: str = "127.0.0.1", **headers: str
) -> AsyncIterator[ClientConnection]:
    port = api.relay.port
    how: dict[str, Any] = {"origin": origin, "additional_headers": headers, "proxy": None}
    async with connect(f"ws://{name}:{port}/api/translator/live", host="127.0.0.1", port=port, **how) as socket:
        yield socket


def passes(api: Api, id: str, *, ended: bool = True, error: str | None = None, text: str = "hello") -> None:
    """Let an exchange pass, as the addon would."""
    exchange = Exchange(id=id, at=1.0, started=0.0, dialect="openai", path="/v1/chat/completions", query="",
                        headers=((b"user-agent", b"<script>"),), config=Config())  # fmt: skip
    exchange.model, exchange.claimed, exchange.error = "m", Claim("chat", "openai"), error
    exchange.raw_body = text.encode()
    flow = tflow.tflow(resp=ended)
    flow.id = f"flow-{id}"
    api.runtime.watching.attempt_started(flow, exchange)
    if ended:
        api.runtime.watching.ended(flow, exchange, 200)


async def hear(socket: ClientConnection) -> dict[str, Any]:
    heard: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 120))
    return heard


async def refused(api: Api, origin: str | None = None, **how: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with watching(api, origin, **how):
            raise AssertionError("it was let in")
    return caught.value.response.status_code


def token(api: Api) -> dict[str, str]:
    return {"authorization": f"Bearer {api.token}"}


def session(api: Api) -> dict[str, str]:
    return {"cookie": f"{cookie_name(api.store)}={sessions.begin(api.store)}"}


async def test_who_may_watch(api: Api) -> None:
    assert await refused(api) == 401
    assert await refused(api, authorization="Bearer wrong") == 401
    assert await refused(api, "http://evil.example", **session(api)) == 403
    assert await refused(api, "null", **session(api)) == 403
    assert await refused(api, **session(api), **{"sec-fetch-site": "cross-site"}) == 403
    rebound = f"http://evil.example:{api.relay.port}"
    assert await refused(api, rebound, **session(api), name="evil.example") == 403
    for origin, headers in ((None, token(api)), (api.url, session(api))):
        async with watching(api, origin, **headers):
            assert api.runtime.watching.active
    async with api.client(token=True) as client:
        assert (await client.get("/api/translator/live")).status_code == 426
        assert (await client.post("/api/translator/live")).status_code in (405, 426)


async def test_each_exchange_is_told_as_it_passes(api: Api) -> None:
    async with watching(api, **token(api)) as socket:
        passes(api, "1", ended=False, error="x" * 5000)
        (said,) = (await hear(socket))["exchanges"]
        assert (said["id"], said["state"], said["status"], said["flow"]) == ("1", "waiting", None, "flow-1")
        assert len(said["error"]) == live_socket.LONGEST
        for number in range(2, 30):
            passes(api, str(number))
        heard = await hear(socket)
        assert [each["id"] for each in heard["exchanges"]] == [str(number) for number in range(2, 30)]
        assert heard["missed"] == 0
        assert set(said) == {to_camel(name) for name in Passing.model_fields}
        Passing.model_validate_json(json.dumps(said))
        async with watching(api, **token(api)) as late:
            assert len((await hear(late))["exchanges"]) == 29
        async with api.client(token=True) as client:
            found = (await client.get("/api/translator/exchanges/2")).json()
            assert found["clientRequest"]["text"] == "hello"
            assert found["clientRequest"]["headers"] == [["user-agent", "<script>"]]
            assert found["clientReply"]["start"] == "200 OK"
            assert (await client.get("/api/translator/exchanges/nobody")).status_code == 404


async def test_nobody_watches_when_all_have_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    left: asyncio.Queue[None] = asyncio.Queue()
    leave = live_socket.Broadcast.leave
    monkeypatch.setattr(live_socket.Broadcast, "leave", lambda *who: (leave(*who), left.put_nowait(None)))
    async with watching(api, **token(api)), watching(api, **token(api)):
        assert api.runtime.watching.active
    for _ in range(2):
        await asyncio.wait_for(left.get(), 120)
    assert not api.runtime.watching.active


async def test_who_reads_too_slowly_misses_the_oldest(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MOST_WAITING", 5)
    held, offered = asyncio.Event(), asyncio.Queue[None]()
    offer = live_socket.LiveSocket.offer
    monkeypatch.setattr(live_socket.LiveSocket, "offer", lambda *what: (offer(*what), offered.put_nowait(None)))
    write = live_socket.LiveSocket.write_message

    async def slow(self: live_socket.LiveSocket, *said: Any) -> None:
        await held.wait()
        await write(self, *said)

    async with watching(api, **token(api)) as socket:
        monkeypatch.setattr(live_socket.LiveSocket, "write_message", slow)
        passes(api, "first")
        for _ in range(2):  # what was there at first, and this
            await asyncio.wait_for(offered.get(), 120)
        for number in range(9):
            passes(api, str(number))
        await asyncio.wait_for(offered.get(), 120)
        held.set()
        assert [each["id"] for each in (await hear(socket))["exchanges"]] == ["first"]
        heard = await hear(socket)
        assert [each["id"] for each in heard["exchanges"]] == ["4", "5", "6", "7", "8"]
        assert heard["missed"] == 4


async def test_not_more_than_some_watch(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "MOST_WATCHERS", 1)
    async with watching(api, **token(api)):
        assert await refused(api, **token(api)) == 503


async def test_it_ends_with_the_log_in(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_socket, "LOOK_AGAIN", 0.02)
    async with api.client() as client:
        (await client.post("/api/auth/login", json={"password": WORDS})).raise_for_status()
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        async with watching(api, cookie=cookie) as socket:
            await client.post("/api/auth/logout")
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(socket.recv(), 120)
            assert caught.value.rcvd
            assert caught.value.rcvd.code == live_socket.ENDED


async def test_credentials_in_what_an_upstream_says_are_not_shown(api: Api) -> None:
    async with watching(api, **token(api)) as socket:
        passes(api, "1", text='{"said": "sk-proj-abcdefghijklmnop1234567890"}')
        await hear(socket)
        async with api.client(token=True) as client:
            found: httpx.Response = await client.get("/api/translator/exchanges/1")
    assert "abcdefghij" not in found.text
    assert "[hidden" in found.text
