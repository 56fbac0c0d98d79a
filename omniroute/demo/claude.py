"""The Claude-shaped provider. It always answers."""

from collections.abc import Iterator
from typing import Any

from tornado.web import RequestHandler

from omniroute.demo.answer import Answer, new_id
from omniroute.demo.provider import DemoHandler, sse

MODEL = "pretend-claude"


class ClaudeMessages(DemoHandler):
    model = MODEL

    def initialize(self, pause: float) -> None:
        self.pause = pause

    async def post(self) -> None:
        if not (body := self.body()):
            return
        if isinstance(body.get("max_tokens"), int):
            await self.reply(body)
        else:
            self.refuse(400, "max_tokens: Field required")

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.write({"type": "error", "error": {"type": "invalid_request_error", "message": message}})

    def whole(self, said: Answer) -> dict[str, Any]:
        return _message(said, [{"type": "text", "text": said.text}], "end_turn", said.said)

    def stream(self, said: Answer, body: dict[str, Any]) -> Iterator[bytes]:
        def event(kind: str, **rest: Any) -> bytes:
            return sse({"type": kind, **rest}, kind)

        yield event("message_start", message=_message(said, [], None, 1))
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in said.words:
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        yield event("content_block_stop", index=0)
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        yield event("message_delta", delta=delta, usage={"output_tokens": said.said})
        yield event("message_stop")


class ClaudeModels(RequestHandler):
    def get(self) -> None:
        model = {"type": "model", "id": MODEL, "display_name": "Pretend Claude", "created_at": "2026-01-01T00:00:00Z"}
        self.write({"data": [model], "has_more": False, "first_id": MODEL, "last_id": MODEL})


def _message(said: Answer, content: list[dict[str, Any]], stop: str | None, output: int) -> dict[str, Any]:
    return {
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": said.asked, "output_tokens": output},
    }
