"""Serves the faithful providers, each below its own path, from a thread of the test's own process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import ValidationError
from scripted import frames, replies

from faithful import chat, claude, gemini, model, responses
from faithful.model import Body, Refused

PROVIDERS: dict[str, Any] = {"openai": chat, "claude": claude, "responses": responses, "gemini": gemini}
PATHS = {"openai": "/openai/v1", "claude": "/claude/v1", "responses": "/responses/v1", "gemini": "/gemini/v1beta"}
MODELS = {
    "openai": "gpt-oss-120b",
    "claude": "claude-sonnet-4-5",
    "responses": "gpt-5.1",
    "gemini": "gemini-3-pro-preview",
}


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Body] = []
        """The bodies that came, oldest first."""
        self.broken: list[str] = []
        """What went wrong here, and not in what was asked."""

    def base(self, dialect: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{PATHS[dialect]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Provider"]:
        with cls() as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
        assert not server.broken, server.broken


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test says what is wrong."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        dialect = self.path.split("/")[1]
        provider = PROVIDERS[dialect]
        streams = ":stream" in self.path or body.get("stream") is True
        try:
            answer = model.play(_read(provider, body))
            if not streams and answer.breaks:
                raise Refused("broke off", 503)
        except Refused as refused:
            self._refuse(dialect, refused)
            return
        except Exception as error:
            self.server.broken.append(f"{error!r} with {body}")
            raise
        if streams:
            self._stream(dialect, provider.stream(body, answer))
        else:
            self._send(200, json.dumps(provider.whole(body, answer)).encode())

    def _refuse(self, dialect: str, refused: Refused) -> None:
        body = replies.error(dialect, refused.status, str(refused))
        if refused.code:
            body["error"]["details"] = {"error_code": refused.code}
        self._send(refused.status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", model.RETRY_AFTER)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, dialect: str, said: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for piece in said:
                self._chunk(piece)
        except Refused as broke:
            self._chunk(frames.fault(dialect, broke.status, str(broke)))
        self._chunk(b"")

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))


def _read(provider: Any, body: Body) -> model.Conversation:
    """Read a request; what its SDK's types do not take is refused, as it would be."""
    try:
        asked: model.Conversation = provider.read(body)
        return asked
    except (AssertionError, KeyError, TypeError, ValidationError, ValueError) as error:
        raise Refused(f"not as the SDK's types have it: {error!r}") from error
