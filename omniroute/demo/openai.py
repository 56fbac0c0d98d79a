"""The OpenAI-shaped provider. It refuses every second request, so that falling back can be watched."""

import time
from collections.abc import Iterator
from typing import Any

from tornado.web import RequestHandler

from omniroute.demo.answer import Answer, new_id
from omniroute.demo.provider import DemoHandler, sse

MODEL = "pretend-gpt"
RETRY_AFTER = 1


class AlternatingFailure:
    """Counts requests; the first is refused, the second served, and so on."""

    def __init__(self) -> None:
        self._refuses = False

    def refuses(self) -> bool:
        self._refuses = not self._refuses
        return self._refuses


class ChatCompletions(DemoHandler):
    model = MODEL

    def initialize(self, pause: float, turns: AlternatingFailure) -> None:
        self.pause, self.turns = pause, turns

    async def post(self) -> None:
        if body := self.body():
            if self.turns.refuses():
                self.set_header("Retry-After", str(RETRY_AFTER))
                self.refuse(429, f"Rate limit reached for {MODEL}: this pretend provider refuses every second request.")
            else:
                await self.reply(body)

    def refuse(self, status: int, message: str) -> None:
        kind, code = ("requests", "rate_limit_exceeded") if status == 429 else ("invalid_request_error", None)
        self.set_status(status)
        self.write({"error": {"message": message, "type": kind, "param": None, "code": code}})

    def whole(self, said: Answer) -> dict[str, Any]:
        message = {"role": "assistant", "content": said.text, "refusal": None}
        return {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": _usage(said),
        }

    def stream(self, said: Answer, body: dict[str, Any]) -> Iterator[bytes]:
        base = {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": MODEL,
        }

        def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
            return sse({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]})

        yield chunk({"role": "assistant", "content": ""})
        for word in said.words:
            yield chunk({"content": word})
        yield chunk({}, "stop")
        options = body.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            yield sse({**base, "choices": [], "usage": _usage(said)})
        yield b"data: [DONE]\n\n"


class OpenAIModels(RequestHandler):
    def get(self) -> None:
        self.write({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "demo"}]})


def _usage(said: Answer) -> dict[str, int]:
    return {"prompt_tokens": said.asked, "completion_tokens": said.said, "total_tokens": said.asked + said.said}
