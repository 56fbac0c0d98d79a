"""A loopback server that stands in for a provider or for the running gateway."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from click.testing import Result

type Ctl = Callable[..., Result]


@dataclass
class Web:
    """A loopback server: what it answers, and what it was asked."""

    url: str
    port: int
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """`METHOD /path` -> status and body."""
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def serve() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            line = f"{self.command} {self.path}"
            found.asked.append((line, {name.lower(): value for name, value in self.headers.items()}, body))
            status, said = found.answers.get(line, (404, "{}"))
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.encode())

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Web(f"http://127.0.0.1:{server.server_port}", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
