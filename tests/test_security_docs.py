"""The tables of bounds in the docs hold every setting and the constants as they are."""

import re
from pathlib import Path

from omniroute.access import lockouts
from omniroute.config import settings_registry
from omniroute.config.server_limits import ServerLimits
from omniroute.config.settings_registry import SETTINGS
from omniroute.gateway.metrics import MAX_OUTCOMES, MAX_PROVIDERS
from omniroute.gateway.runtime import Limits
from omniroute.mitm import client_connections, client_tls, http1_syntax, ports, upload_pace, upstream_reply
from omniroute.panel import app, live_socket, routes, web_limits
from omniroute.panel.api import translator
from omniroute.store.config import validation
from omniroute.store.transfer import import_, read_archive, untrusted

DOCS = Path(__file__).resolve().parents[1] / "docs"
SECURITY = (DOCS / "security.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in SECURITY.splitlines() if line.startswith("| ")
]


def test_every_server_setting_is_in_the_table_with_its_default() -> None:
    listed = {row[1].strip("`"): row[2] for row in ROWS if len(row) == 4 and row[1].startswith("`server.")}
    assert listed == {
        name: f"{getattr(ServerLimits(), name.removeprefix('server.')):.10g}"
        for name in SETTINGS
        if name.startswith("server.")
    }


def row(begin: str) -> str:
    [found] = [" | ".join(cells) for cells in ROWS if cells[0].startswith(begin)]
    return found


def test_constants_in_the_tables_are_the_real_ones() -> None:
    kb, mb = 1024, 1024 * 1024
    for begin, shown, value in (
        ("bytes of a chunk header", 4096, http1_syntax.MAX_CHUNK_LINE),
        ("bytes of a refused body", 64, upload_pace.MAX_DRAINED / mb),
        ("bytes of a TLS ClientHello", 64, client_tls.MAX_CLIENT_HELLO / kb),
        ("client connections in all", 64, client_connections.SPARE),
        ("characters of a model name", 512, settings_registry.MAX_NAME_LENGTH),
        ("body of a management request", 1, routes.LARGEST / mb),
        ("body of a management request", 4, translator.LARGEST / mb),
        ("body of a management request", 100, untrusted.MOST_BYTES / mb),
        ("body of a request to mitmweb", 64, web_limits.MAX_ANONYMOUS_BODY / kb),
        ("connections of the management server", 1024, app.MOST_CONNECTIONS),
        ("WebSocket watchers", 16, live_socket.MOST_WATCHERS),
        ("WebSocket watchers", 1000, live_socket.MOST_WAITING),
        ("archive or database", 100, read_archive.MOST_MEMBERS),
        ("archive or database", 100_000, import_.MOST_ROWS),
        ("names of accounts", 100, validation.MAX_NAME),
        ("sources that wrong keys", 10_000, lockouts.MAX_IDENTIFIERS),
        ("providers with series", 200, MAX_PROVIDERS),
        ("outcomes of attempts", 100, MAX_OUTCOMES),
    ):
        assert shown == value, begin
        assert re.search(rf"\b{shown}\b|\b{shown:,}\b", row(begin)), (begin, shown)
    assert str(Limits().max_body) in row("bytes of one body")
    assert 64 * mb == ports.MAX_REPLY
    assert 256 * kb == upstream_reply.MAX_ERROR_BODY


def test_links_lead_to_files_and_headings() -> None:
    for target, anchor in re.findall(r"\]\(([\w.-]+\.md)(?:#([\w-]+))?\)", SECURITY):
        text = (DOCS / target).read_text("utf-8")
        titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        headings = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}
        assert not anchor or anchor in headings, (target, anchor)
