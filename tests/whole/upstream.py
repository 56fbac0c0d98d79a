"""A scripted provider, run as a process of its own: it does what the request says it should.

    python tests/whole/upstream.py [--port 0] [--tls | --h2]

It prints one line of JSON: `port`, `url`, the ports `refused`, `full` (a connect gets no answer),
`prose` (no TLS), `silent` (says nothing), and with --tls or --h2 `ca`, the certificate to trust.

How it behaves is chosen by the path, `http://127.0.0.1:PORT/b/BEHAVIOUR/v1/...`, or else by a model
name that is a behaviour's; any other request is answered well. `scripted/behaviours.py` lists them.
A sequence, `/b/500,429,ok/v1`, goes one step a request and stays at its last.

GET /log gives every request that came (body in base64), DELETE /log forgets them, GET /stats counts
open connections, replies in flight and requests whose client left before its reply was whole.
It ends with its standard input, so that it does not outlive the test that started it.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from scripted import certificate, ports
from scripted.behaviours import behave, known
from scripted.http1 import Http1, Http1Talk
from scripted.http2 import Http2, Http2Talk
from scripted.talk import Book, Request, Talk

PREFIX = re.compile(r"/b/([^/]+)(/.*)")


class Upstream:
    """Chooses what to do with each request."""

    def __init__(self) -> None:
        self.book = Book()
        self.busy: dict[str, set[Talk]] = {}

    async def answer(self, talk: Talk) -> None:
        if talk.request.path in {"/log", "/stats"}:
            await self._control(talk)
            return
        step = self._step(talk.request)
        entry = self.book.note(talk.request, step)
        self.book.counts["in_flight"] += 1
        busy = self.busy.setdefault(entry["path"].rpartition("/v1")[0], set())
        busy.add(talk)
        entry |= {"at": time.monotonic(), "at_once": len(busy)}
        try:
            await behave(talk, step)
        except asyncio.CancelledError:
            if not talk.over:
                self.book.counts["cancelled"] += 1
                entry["cancelled"] = True
            raise
        except Exception:
            traceback.print_exc()  # whoever started us reads this as a broken test
            talk.cut()
        finally:
            busy.discard(talk)
            self.book.counts["in_flight"] -= 1
        if isinstance(talk, Http1Talk):
            talk.connection.stale = step == "stale"

    def _step(self, request: Request) -> str:
        found = PREFIX.fullmatch(request.path)
        script = found[1] if found else request.model if known(request.model) else "ok"
        steps = script.split(",")
        turn = self.book.turns[script]
        self.book.turns[script] += 1
        return steps[min(turn, len(steps) - 1)]

    async def _control(self, talk: Talk) -> None:
        if isinstance(talk, Http1Talk | Http2Talk):
            talk.connection.be_control()
        if talk.request.method == "DELETE":
            self.book.clear()
        shown = self.book.stats() if talk.request.path == "/stats" else self.book.entries
        await talk.whole(200, json.dumps(shown).encode(), "application/json")


async def serve(port: int, protocol: str | None) -> None:
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        context: ssl.SSLContext | None = None
        ready: dict[str, str | int] = {}
        if protocol:
            cert, key = certificate.make(folder)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(cert, key)
            context.set_alpn_protocols([protocol])
            ready["ca"] = str(cert)
        factory = Http2 if protocol == "h2" else Http1
        server = await loop.create_server(
            lambda: factory(upstream.book, upstream.answer), "127.0.0.1", port, ssl=context
        )
        for name, odd in (("prose", await ports.prose()), ("silent", await ports.silent())):
            ready[name] = odd.sockets[0].getsockname()[1]
        ready |= {"refused": ports.refused(stack), "full": ports.full(stack)}
        port = server.sockets[0].getsockname()[1]
        ready |= {
            "port": port,
            "http": protocol or "http/1.1",
            "url": f"{'https' if protocol else 'http'}://127.0.0.1:{port}",
        }
        print(json.dumps(ready), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted provider for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", dest="protocol", action="store_const", const="http/1.1")
    parser.add_argument("--h2", dest="protocol", action="store_const", const="h2")
    args = parser.parse_args()
    asyncio.run(serve(args.port, args.protocol))


if __name__ == "__main__":
    main()
