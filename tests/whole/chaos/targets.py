"""Targets in the test's own process, that can be told at any moment how to behave."""

import asyncio
import json
import re
import socket
from contextlib import closing
from hashlib import sha256
from random import Random

from scripted import frames, said
from scripted.behaviours import behave
from scripted.http1 import Answer, Http1
from scripted.said import JSON, SSE
from scripted.talk import Book, Talk

from chaos.schedule import HEALTHY, LATE_CUT, LATE_ERROR, REFUSES, STREAM, WHOLE

NONCE = re.compile(rb"nonce-(\d+)")
WORDS = ["alpha", "beta", "gamma", "delta", "épsilon", "zêta", "ñu", "漢字", "😀", "omega"]


def text_for(nonce: int) -> str:
    """Make the one right answer to a request: every target gives it, and its end vouches for the rest."""
    dice = Random(nonce)
    text = " ".join(dice.choice(WORDS) for _ in range(dice.randrange(3, 60)))
    return f"{text} {sha256(text.encode()).hexdigest()[:16]}"


class _Connection(Http1):
    """One that can be told from those that are busy with an answer."""

    def __init__(self, book: Book, open_ones: set[Http1], busy: set[Http1], answer: Answer) -> None:
        async def answered(talk: Talk) -> None:
            busy.add(self)
            try:
                await answer(talk)
            finally:
                busy.discard(self)

        super().__init__(book, answered)
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.discard(self)
        super().connection_lost(exc)


class Target:
    """One upstream, on a port that it keeps while it refuses."""

    def __init__(self, name: str, dialect: str, seed: int) -> None:
        self.name, self.dialect, self.mode = name, dialect, HEALTHY
        self.book = Book()
        self.asked = 0
        self._dice = Random(seed)
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._connections: set[Http1] = set()
        self._busy: set[Http1] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{'v1beta' if self.dialect == 'gemini' else 'v1'}"

    async def be(self, mode: str) -> None:
        """Behave like this from now on; what is being answered is answered to its end."""
        self.mode = mode
        if mode == REFUSES and self._server:
            self._server.close()
            self._server = None
            for idle in self._connections - self._busy:
                idle.transport.abort()
        elif mode != REFUSES and self._server is None:
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", self.port))
            self._server = await asyncio.get_running_loop().create_server(self._connection, sock=listening)

    def close(self) -> None:
        with closing(self._holder):
            if self._server:
                self._server.close()
            for connection in {*self._connections}:
                connection.transport.abort()

    @property
    def open(self) -> int:
        """Count the connections that are open."""
        return self.book.counts["connections"]

    def _connection(self) -> Http1:
        return _Connection(self.book, self._connections, self._busy, self._answer)

    async def _answer(self, talk: Talk) -> None:
        self.asked += 1
        mode = self.mode
        if mode == "flaky":
            mode = self._dice.choice((HEALTHY, "broken", "cut", "garbage", "limited"))
        if mode in (HEALTHY, REFUSES):
            await self._well(talk)
            return
        step = self._dice.choice((STREAM if talk.request.stream else WHOLE)[mode])
        if step == "hangup-early":
            talk.cut()
        elif step in (LATE_CUT, LATE_ERROR):
            await self._half(talk, fault=step == LATE_ERROR)
        else:
            await behave(talk, step)

    async def _well(self, talk: Talk) -> None:
        found = NONCE.search(talk.request.body)
        assert found, talk.request.body
        text = text_for(int(found[1]))
        if not talk.request.stream:
            await talk.whole(200, said.whole(talk, text), JSON)
            return
        await talk.start(200, {"content-type": SSE})
        for part in said.frames(talk, _pieces(text[self._from(talk, text) :])):
            await said.say(talk, part)
        await talk.end()

    async def _half(self, talk: Talk, *, fault: bool) -> None:
        """Break off in the answer: after less than three words, or with nothing left to say, nobody could go on."""
        found = NONCE.search(talk.request.body)
        assert found
        text = text_for(int(found[1]))
        begin, content, _ = said.frames(talk, _pieces(text[self._from(talk, text) :]))
        if (most := len(content) - 1) < 1:
            await self._well(talk)
            return
        await talk.start(200, {"content-type": SSE})
        await said.say(talk, [*begin, *content[: self._dice.randint(min(3, most), most)]])
        if fault:
            await talk.send(frames.fault(talk.request.dialect, 503, "it is over"))
            await talk.end()
        else:
            talk.cut()

    def _from(self, talk: Talk, text: str) -> int:
        """Choose where to go on in an answer that somebody else has begun: there, a little before, or all anew."""
        if b"Continue it exactly where it stopped" not in talk.request.body:
            return 0
        asked = json.dumps(json.loads(talk.request.body), ensure_ascii=False)
        begun = next(n for n in range(len(text), -1, -1) if text[:n] in asked)
        return self._dice.choice((begun, max(0, begun - 30), 0))


def _pieces(text: str) -> list[str]:
    return [piece for piece in re.split(r"(?<= )", text) if piece]
