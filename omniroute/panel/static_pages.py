"""The pages: files that are read once, and one page for every address, which finds out itself what to show.

They are for everybody who may come in: nobody can log in without them, and there is nothing secret in them.
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
"""Where the page names all of its scripts: asked for at once, and not each when another has named it."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class File:
    """What is served as it is."""

    content: bytes
    kind: str
    tag: str
    """Tells one version of it from another."""


def load(root: Path | None = None) -> dict[str, File]:
    """Read all files of the pages: path -> file. What is not in here is not served, whatever a path looks like."""
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
    """One file, or the page itself."""

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
        self.set_header("Cache-Control", "no-cache")  # kept, and asked about each time: a new version shows at once
        self.set_header("ETag", file.tag)
        if self.request.headers.get("If-None-Match") == file.tag:
            self.set_status(304)
            self.finish()
        else:
            self.finish(file.content)

    head = get


def page_rules(door: AdminAuth, files: Mapping[str, File]) -> list[URLSpec]:
    """Make the rules of the pages: the files, and any other address that is one of a page."""
    what = {"door": door, "files": files}
    return [
        URLSpec(r"/omniroute", RedirectHandler, {"url": "/omniroute/", "permanent": False}),
        URLSpec(r"/omniroute/static/(.+)", PageHandler, what),
        URLSpec(r"/omniroute/(?:[\w-]+(?:/[^/]+){0,3})?", PageHandler, what),
    ]
