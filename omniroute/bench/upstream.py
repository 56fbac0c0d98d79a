"""The scripted upstream: on a free port of loopback, it answers what it was told to, and keeps what it was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from omniroute.bench.registry import BENCH_DIALECTS
from omniroute.bench.vocabulary import Body, Script
from omniroute.catalog.provider import DialectName

HOST = "127.0.0.1"
RETRY_AFTER = "1"


@dataclass(slots=True)
class Scene:
    """What it plays for one request."""

    dialect: DialectName
    script: Script
    asked: list[Body] = field(default_factory=list)
    """The bodies that came, the oldest first."""


class Upstream:
    def __init__(self) -> None:
        self.scenes: dict[str, Scene] = {}
        app = Application([(r"/([\w-]+)/.+", _Stage, {"scenes": self.scenes})], log_function=lambda _: None)
        sockets = bind_sockets(0, HOST)
        self._port = int(sockets[0].getsockname()[1])
        self._server = HTTPServer(app, no_keep_alive=True)
        self._server.add_sockets(sockets)

    def base_url(self, name: str) -> str:
        """Give where a scene is played, whatever the dialect."""
        return f"http://{HOST}:{self._port}/{name}/v1"

    @contextmanager
    def play(self, name: str, scene: Scene) -> Iterator[Scene]:
        """Play a scene as long as somebody looks."""
        self.scenes[name] = scene
        try:
            yield scene
        finally:
            del self.scenes[name]

    async def close(self) -> None:
        """End it with all its connections."""
        self._server.stop()
        await self._server.close_all_connections()


class _Stage(RequestHandler):
    def initialize(self, scenes: dict[str, Scene]) -> None:
        self.scenes = scenes

    async def post(self, name: str) -> None:
        scene = self.scenes.get(name)
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if scene is None or not isinstance(body, dict):
            self.set_status(404 if scene is None else 400)
            return
        scene.asked.append(body)
        script, wire = scene.script, BENCH_DIALECTS[scene.dialect]
        if script.status != 200:
            self.set_status(script.status)
            if script.status == 429:
                self.set_header("Retry-After", RETRY_AFTER)
            self.write(wire.refusal(script.status, script.text))
        elif body.get("stream") is True or "streamGenerateContent" in self.request.path:
            self.set_header("Content-Type", "text/event-stream; charset=utf-8")
            for piece in wire.stream(script):
                self.write(piece)
                await self.flush()
        else:
            self.write(wire.whole(script))
