"""The chat tester's route: send a request through the gateway like a client and stream the whole exchange."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, model_validator

from omniroute.bench.client import RawRequest, recorded_exchange, sent
from omniroute.bench.registry import BENCH_DIALECTS
from omniroute.bench.vocabulary import BenchRequest, Turn
from omniroute.errors import BadRequest, GatewayError
from omniroute.gateway.runtime import Runtime
from omniroute.gateway.self_requests import InternalRequest
from omniroute.panel.api.live_exchanges import Detail, detail
from omniroute.panel.api.translator import Dialect
from omniroute.panel.auth import AdminAuth
from omniroute.panel.routes import Body, Call, Lines, post
from omniroute.redaction import redact

LARGEST = 4 * 1024 * 1024
"""Bytes of a request, and characters of a response shown while it is streamed."""
LONGEST = 900


class Given(Body):
    dialect: Dialect = "openai"
    model: str = Field("", max_length=300, description="May be left out where a body names it.")
    text: str = Field("", max_length=1024 * 1024, description="What the user says.")
    system: str = Field("", max_length=1024 * 1024)
    body: str | None = Field(None, description="In place of all these: the request's body, sent to the byte.")
    stream: bool = Field(True, description="Of a body, only Gemini's goes by this: the others say it themselves.")
    max_tokens: int = Field(1024, ge=1, le=1_000_000)
    key: str | None = Field(None, max_length=100, description="The id of the key to ask as; null asks as none.")
    seconds: float = Field(300, ge=1, le=LONGEST, description="After these it is given up.")

    @model_validator(mode="after")
    def _says_something(self) -> "Given":
        if self.body is None and not (self.model and self.text):
            raise ValueError("say a model and a text, or a body")
        return self


class Event(Body):
    """One line of the streamed response, with only the fields that are new."""

    exchange: Annotated[str | None, Field(description="Its id, as soon as it is one.")] = None
    status: Annotated[int | None, Field(description="The head of the answer has come.")] = None
    headers: tuple[tuple[str, str], ...] = ()
    text: Annotated[str | None, Field(description="The next piece of the answer's body.")] = None
    cut: Annotated[bool, Field(description="It is too long to be shown whole, and was hung up on.")] = False
    error: Annotated[str | None, Field(description="Why there is no whole answer.")] = None
    detail: Annotated[Detail | None, Field(description="The whole exchange, at the end.")] = None


@post("/api/translator/send", "Send a request through the gateway, and tell what is said as it comes.", largest=LARGEST)
async def send(call: Call, body: Given) -> Lines[Event]:
    """Start the request; it is cancelled, also at the upstream, when the client disconnects.

    Raises BadRequest for an unknown key, GatewayError 503 while the gateway does not listen or is at its limit.
    """
    runtime = call.runtime
    if not runtime.address:
        raise GatewayError("the gateway does not answer yet", status=503, retry_after=1)
    if body.key and all(key.id != body.key for key in runtime.config.keys):
        raise BadRequest("there is no such key", param="key")
    if call.door.sends.locked():
        raise GatewayError("as many requests as may be are being tried out", status=503, retry_after=10)
    visit = InternalRequest(call.visitor.client, key=body.key)
    return Lines(_told(call.door, visit, _letter(body), body.seconds))


def _letter(given: Given) -> RawRequest:
    if given.body is None:
        turns = (Turn("user", given.text),)
        asked = BenchRequest(turns, system=given.system, stream=given.stream, limit=given.max_tokens)
        path, body = BENCH_DIALECTS[given.dialect].ask(
            asked, quote(given.model, safe="/") if _by_path(given) else given.model
        )
        return RawRequest(path, json.dumps(body, ensure_ascii=False).encode())
    if _by_path(given) and not given.model:
        raise BadRequest("Gemini names the model in the path: say which", param="model")
    path, _ = BENCH_DIALECTS[given.dialect].ask(BenchRequest((), stream=given.stream), quote(given.model, safe="/"))
    return RawRequest(path, given.body.encode())


def _by_path(given: Given) -> bool:
    return given.dialect == "gemini"


async def _told(door: AdminAuth, visit: InternalRequest, letter: RawRequest, seconds: float) -> AsyncGenerator[Event]:
    runtime, lines = door.runtime, asyncio.Queue[Event | None](maxsize=64)

    async def begun() -> None:
        await visit.begun.wait()
        await lines.put(Event(exchange=visit.exchange))

    async def work() -> None:
        telling = asyncio.get_running_loop().create_task(begun())
        try:
            async with asyncio.timeout(seconds), aclosing(_heard(runtime, visit, letter)) as heard:
                async for event in heard:
                    await lines.put(event)
        except TimeoutError:
            await lines.put(Event(error=f"no whole answer within {seconds:g} s"))
        except (OSError, GatewayError) as error:
            await lines.put(Event(error=str(error)))
        finally:
            telling.cancel()
        await lines.put(None)

    async with door.sends:
        runtime.watching.add()
        working = asyncio.get_running_loop().create_task(work())
        try:
            while event := await lines.get():
                yield event
            if found := await recorded_exchange(runtime, visit.exchange):
                yield Event(detail=await asyncio.to_thread(detail, *found, runtime.web_url))
        finally:
            working.cancel()
            await asyncio.wait([working])
            runtime.watching.discard()


async def _heard(runtime: Runtime, visit: InternalRequest, letter: RawRequest) -> AsyncGenerator[Event]:
    """Yield the response's head, then its body as text, decoded across chunk boundaries and cut after LARGEST."""
    left = LARGEST
    async with sent(runtime, visit, letter) as answer:
        headers = [(name, redact(value)) for name, value in answer.headers.items()]
        yield Event(status=answer.status_code, headers=tuple(headers))
        async for piece in answer.aiter_text():
            if piece:
                yield Event(text=piece[:left])
            left -= len(piece)
            if left < 0:
                yield Event(cut=True)
                return
