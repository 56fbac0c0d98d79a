"""One request and the reply to it, whatever the HTTP version; and the book in which all of them are kept."""

import base64
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    http: str
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def json(self) -> dict[str, Any]:
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def dialect(self) -> str:
        if "/messages" in self.path:
            return "claude"
        if ":" in self.path.rsplit("/", 1)[-1]:
            return "gemini"
        if self.path.endswith("/responses"):
            return "responses"
        if self.path.endswith("/models") and any(name.lower() == "anthropic-version" for name, _ in self.headers):
            return "claude"
        return "openai"

    @property
    def model(self) -> str:
        if self.dialect == "gemini":
            return self.path.rsplit("/", 1)[-1].split(":")[0]
        return str(self.json.get("model", ""))

    @property
    def stream(self) -> bool:
        return ":stream" in self.path or self.json.get("stream") is True

    @property
    def stream_usage(self) -> bool:
        options = self.json.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True


@dataclass
class Book:
    """Everything that was asked, and how many connections and replies are open."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    """How often a scripted sequence has been asked."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """One for each connection, never used again."""

    def stats(self) -> dict[str, int]:
        names = ("connections", "accepted", "requests", "in_flight", "cancelled")
        return {name: self.counts[name] for name in names}

    def note(self, request: Request, behaviour: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "n": self.counts["requests"],
            "http": request.http,
            "connection": request.connection,
            "method": request.method,
            "path": request.target,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
            "behaviour": behaviour,
            "cancelled": False,
        }
        self.counts["requests"] += 1
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        self.entries.clear()
        self.turns.clear()
        for name in ("accepted", "requests", "cancelled"):
            self.counts[name] = 0


class Talk(ABC):
    """The reply in the making. `over` is true when nothing more will be said."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.over = False

    @abstractmethod
    async def start(self, status: int, headers: Mapping[str, str], length: int | None = None) -> None:
        """Send the head; without `length` the body ends where it ends (chunked in HTTP/1)."""

    @abstractmethod
    async def send(self, piece: bytes) -> None: ...

    @abstractmethod
    async def end(self) -> None: ...

    @abstractmethod
    def cut(self) -> None:
        """Break off without an end: a reset connection in HTTP/1, a reset stream in HTTP/2."""

    async def raw(self, piece: bytes) -> None:
        """Send what is not HTTP; only a byte stream can."""
        raise NotImplementedError(f"{self.request.http} has no raw bytes")

    async def whole(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        await self.start(status, {"content-type": content_type, **(headers or {})}, len(body))
        await self.send(body)
        await self.end()
