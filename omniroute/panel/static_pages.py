"""The panel's pages: static files, and one HTML page for all panel URLs, which selects its view in the browser.

They need no authentication, as the log-in form is part of them; the IP filter applies. They hold no secrets.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tornado.routing import URLSpec
from tornado.web import RedirectHandler

from omniroute.distribution.files import web_root
from omniroute.errors import GatewayError, NotFound
from omniroute.mitm.management_relay import PEER
from omniroute.panel.auth import AdminAuth
from omniroute.panel.http import BaseHandler

KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
MODULES = "<!-- modules -->"
"""Placeholder in the HTML for preload links to all scripts, so that the browser fetches them in parallel."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class File:
    """A static file in memory."""

    content: bytes
    kind: str
    tag: str
    """The ETag, derived from the content."""


def load(root: Path | None = None) -> dict[str, File]:
    """Read all static files into a map of relative path -> file. Only paths in this map are served."""
    root = root or web_root()
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    modules = "\n    ".join(
        f'<link rel="modulepreload" href="static/{name}">' for name in found if name.startswith("js/")
    )
    return {
        name: _file(path, path.read_bytes().replace(MODULES.encode(), modules.encode())) for name, path in found.items()
    }


def _file(path: Path, content: bytes) -> File:
    kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain; charset=utf-8"
    return File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')


class PageHandler(BaseHandler):
    """The handler of static files and of the HTML page."""

    def initialize(self, door: AdminAuth, files: Mapping[str, File]) -> None:  # type: ignore[override]
        super().initialize(door, {})
        self.files = files

    def get(self, name: str | None = None) -> None:
        try:
            self.door.check_address(
                self.request.headers, self.door.peer(self.request.headers.get(PEER), self.request.remote_ip or "")
            )
            file = self.files.get(name or "index.html")
            if file is None:
                raise NotFound(f"no such file here: {(name or 'index.html')[:200]}")
        except GatewayError as error:
            self.refuse(error)
            return
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Type", file.kind)
        self.set_header("Cache-Control", "no-cache")  # cached, but revalidated each time
        self.set_header("ETag", file.tag)
        if self.request.headers.get("If-None-Match") == file.tag:
            self.set_status(304)
            self.finish()
        else:
            self.finish(file.content)

    head = get


def page_rules(door: AdminAuth, files: Mapping[str, File]) -> list[URLSpec]:
    """Build the URL rules of the static files and of the panel's page URLs."""
    what = {"door": door, "files": files}
    return [
        URLSpec(r"/omniroute", RedirectHandler, {"url": "/omniroute/", "permanent": False}),
        URLSpec(r"/omniroute/static/(.+)", PageHandler, what),
        URLSpec(r"/omniroute/(?:[\w-]+(?:/[^/]+){0,3})?", PageHandler, what),
    ]
