"""What both pretend providers share: reading a request, and streaming at the pace of a person who reads."""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from omniroute.demo.answer import Answer, answer, validation_error


class DemoHandler(RequestHandler):
    """One inference endpoint; a dialect says what whole and streamed replies look like."""

    model = ""
    pause = 0.0
    """Seconds between two events."""

    def body(self) -> dict[str, Any] | None:
        """Read the request, or answer it with an error and give None."""
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if wrong := validation_error(body):
            self.refuse(400, wrong)
            return None
        assert isinstance(body, dict)
        return body

    @abstractmethod
    def refuse(self, status: int, message: str) -> None:
        """Answer with an error in the dialect."""

    async def reply(self, body: dict[str, Any]) -> None:
        said = answer(self.model, body)
        try:
            if body.get("stream") is not True:
                await asyncio.sleep(self.pause)
                self.write(self.whole(said))
                return
            self.set_header("Content-Type", "text/event-stream; charset=utf-8")
            async for event in self._paced(self.stream(said, body)):
                self.write(event)
                await self.flush()
        except (StreamClosedError, asyncio.CancelledError):
            return  # the client has left, or the gateway ends: nobody is there to be told

    async def _paced(self, events: Iterable[bytes]) -> AsyncIterator[bytes]:
        for event in events:
            await asyncio.sleep(self.pause)
            yield event

    @abstractmethod
    def whole(self, said: Answer) -> dict[str, Any]:
        """Say the answer at once."""

    @abstractmethod
    def stream(self, said: Answer, body: dict[str, Any]) -> Iterable[bytes]:
        """Say it event by event."""


def sse(data: dict[str, Any], event: str | None = None) -> bytes:
    line = f"event: {event}\n" if event else ""
    return f"{line}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
