"""What clients should not send, and what a gateway should not be started with: one clear answer each, nothing lost."""

import gzip
import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from harness import PATIENCE, Gateway, Upstream, clean_environ, mitmproxy_command

from omniroute.store.config import combos, keys, nodes, settings
from omniroute.store.db.database import Store

LIMIT = 64 * 1024
TURN = [{"role": "user", "content": "hello"}]
ASK: dict[str, dict[str, Any]] = {
    "openai": {"model": "o/ok", "messages": TURN},
    "responses": {"model": "r/ok", "input": "hello"},
    "claude": {"model": "c/ok", "messages": TURN, "max_tokens": 9},
    "gemini": {"contents": [{"parts": [{"text": "hello"}]}]},
}
PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "claude": "/v1/messages",
    "gemini": "/v1beta/models/g/ok:generateContent",
}
ANSWER = re.compile(rb"HTTP/1.1 [^\r]*\r\n(?:content-length: (\d+)\r\n|[^\r]+\r\n)*\r\n(.*)", re.DOTALL)
GEMINI = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
CLAUDE = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large"}

everywhere = every("dialect", list(PATHS))
in_a_body = every("dialect", ["openai", "responses", "claude"])


class Client:
    """Asks one gateway; `refused` reads an error as a client of the dialect does."""

    def __init__(self, gateway: Gateway, keys: dict[str, str]) -> None:
        self.gateway, self.keys = gateway, keys
        self.http = httpx.Client(base_url=gateway.url, timeout=PATIENCE, trust_env=False)

    def ask(self, dialect: str, body: Any = None, **how: Any) -> httpx.Response:
        if not isinstance(body, bytes):
            body = json.dumps(ASK[dialect] if body is None else body).encode()
        return self.http.post(how.pop("path", PATHS[dialect]), content=body, **how)

    def raw(self, head: bytes, body: bytes = b"") -> bytes:
        """Send bytes as they are, and give the answer's bytes; the connection stays open until then."""
        with socket.create_connection(("127.0.0.1", self.gateway.runtime["port"]), PATIENCE) as sock:
            sock.sendall(head + body)
            answer = b""
            while not (whole := ANSWER.match(answer)) or len(whole[2]) < int(whole[1] or 0):
                piece = sock.recv(65536)
                assert piece, answer
                answer += piece
            return answer


def refused(reply: httpx.Response, status: int, dialect: str) -> str:
    """Give the message of an error that has the shape of its dialect."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-omniroute-request-id"]
    body = reply.json()
    error = body["error"]
    match dialect:
        case "claude":
            assert body["type"] == "error"
            assert error["type"] == CLAUDE.get(status, "invalid_request_error")
        case "gemini":
            assert error["code"] == status
            assert error["status"] == GEMINI.get(status, "INVALID_ARGUMENT")
        case _:
            assert {"message", "type", "code", "param"} == set(error)
    message = error["message"]
    assert isinstance(message, str)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def setup(store: Store, upstream: Upstream, made: dict[str, str]) -> None:
    for prefix, dialect in (("o", "openai"), ("r", "responses"), ("c", "claude"), ("g", "gemini")):
        nodes.add(store, prefix, dialect, upstream.url + ("/v1beta" if dialect == "gemini" else "/v1"))
    combos.add(store, "good-combo", ["o/ok", "r/ok", "c/ok", "g/ok"])
    made["any"] = keys.create(store, "any")[1]
    made["narrow"] = keys.create(store, "narrow", ["good-*"])[1]
    made["revoked"] = keys.create(store, "revoked")[1]
    keys.revoke(store, "revoked")
    for setting in ("lockout.key_slow_after", "lockout.key_lock_after"):  # more wrong keys come here than anywhere
        settings.put(store, setting, "0")


@pytest.fixture(scope="module")
def start(
    _upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, str]], Any]:
    def starting(options: dict[str, str]) -> Any:
        made: dict[str, str] = {}
        upstream = _upstreams()
        running = Gateway.start(
            tmp_path_factory.mktemp("gateway"), options=options, setup=lambda store: setup(store, upstream, made)
        )
        return running, made

    return starting


@pytest.fixture(scope="module")
def client(start: Callable[[dict[str, str]], Any]) -> Iterator[Client]:
    starting, made = start({"omniroute_max_body": str(LIMIT)})
    with starting as gateway, closing((client := Client(gateway, made)).http):
        yield client


@pytest.fixture(scope="module")
def strict(start: Callable[[dict[str, str]], Any]) -> Iterator[Client]:
    starting, made = start({"omniroute_require_api_key": "true"})
    with starting as gateway, closing((client := Client(gateway, made)).http):
        yield client


# ---- bodies


@everywhere
@every(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b'{"model":"o/ok",}', "not JSON"),
        (b"model=o/ok", "not JSON"),
        (b'{"model":"o/ok","messages":[{"role":"user","content":"\xff"}]}', "not JSON"),
        (b'{"model":"o/ok","messages":[{"role":"user","content":"\\ud800"}]}', "not JSON"),
        (b'{"model":"o/ok","n":NaN}', "not JSON"),
        (b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "server.json_depth"),
        (b"", "empty"),
        (b"[]", "not a JSON object"),
        (b'"o/ok"', "not a JSON object"),
        (b"null", "not a JSON object"),
    ],
    ids=["cut", "comma", "form", "utf-8", "surrogate", "nan", "deep", "empty", "list", "text", "null"],
)
def test_bodies_that_are_none(client: Client, upstream: Upstream, dialect: str, body: bytes, words: str) -> None:
    upstream.clear()
    assert words in refused(client.ask(dialect, body), 400, dialect)
    assert not upstream.asked()


@in_a_body
@every("model", [None, "", 5, ["o/ok"], {"a": 1}, True])
def test_models_that_are_none(client: Client, dialect: str, model: object) -> None:
    body = {**ASK[dialect], "model": model}
    reply = client.ask(dialect, body)
    assert "model" in refused(reply, 400, dialect)
    if dialect != "claude":
        assert reply.json()["error"]["param"] == "model"
    del body["model"]
    assert "model is missing" in refused(client.ask(dialect, body), 400, dialect)


@in_a_body
@every("stream", ["true", 1, [], {}])
def test_stream_is_true_or_false(client: Client, upstream: Upstream, dialect: str, stream: object) -> None:
    upstream.clear()
    assert "stream" in refused(client.ask(dialect, {**ASK[dialect], "stream": stream}), 400, dialect)
    assert not upstream.asked()


@everywhere
@every("name", ["god-combo", "nobody/m", "x" * 600, "o/", "/", "a\u0007b", "\u00e9\u4f60", "o\u0000/m"])
def test_unknown_models(client: Client, upstream: Upstream, dialect: str, name: str) -> None:
    upstream.clear()
    if dialect == "gemini":
        quoted = httpx.QueryParams({"m": name}).__str__()[2:].replace("+", "%20")
        reply = client.ask(dialect, path=f"/v1beta/models/{quoted}:generateContent")
    else:
        reply = client.ask(dialect, {**ASK[dialect], "model": name})
    said = refused(reply, 400, dialect)
    assert len(said) < 1000
    if name == "god-combo":
        assert "good-combo" in said
    assert not upstream.asked()


@everywhere
def test_deep_json_that_can_be_read_passes(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    deep = json.loads("[" * 200 + "]" * 200)
    body = {**ASK[dialect], "metadata": {"deep": deep}}
    assert client.ask(dialect, body).status_code == 200
    assert upstream.asked()[0].json["metadata"] == {"deep": deep}


@everywhere
def test_compressed_bodies(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    plain = json.dumps(ASK[dialect]).encode()
    squeezed = {"content-encoding": "gzip"}
    assert client.ask(dialect, gzip.compress(plain), headers=squeezed).status_code == 200
    (asked,) = upstream.asked()
    assert asked.json.keys() == ASK[dialect].keys()
    assert "content-encoding" not in asked.headers
    refused(client.ask(dialect, plain, headers=squeezed), 400, dialect)
    assert "'lzw'" in refused(client.ask(dialect, plain, headers={"content-encoding": "lzw"}), 400, dialect)
    bomb = gzip.compress(b" " * (LIMIT * 50) + plain)
    assert len(bomb) < LIMIT
    assert str(LIMIT) in refused(client.ask(dialect, bomb, headers=squeezed), 413, dialect)
    assert len(upstream.asked()) == 1


# ---- too large


def padded(dialect: str, size: int) -> bytes:
    body = json.dumps(ASK[dialect]).encode()
    return body + b" " * (size - len(body))


@everywhere
def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(
    client: Client, upstream: Upstream, dialect: str
) -> None:
    upstream.clear()
    assert client.ask(dialect, padded(dialect, LIMIT)).status_code == 200
    upstream.clear()
    for size in (LIMIT + 1, 20 * LIMIT):
        said = refused(client.ask(dialect, padded(dialect, size)), 413, dialect)
        assert str(LIMIT) in said
        assert "omniroute_max_body" in said
    assert not upstream.asked()
    assert client.ask(dialect).status_code == 200


@everywhere
def test_a_chunked_body_is_counted_as_it_comes(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()

    def pieces(size: int) -> Iterator[bytes]:
        body = padded(dialect, size)
        for at in range(0, size, 5000):
            yield body[at : at + 5000]

    assert client.http.post(PATHS[dialect], content=pieces(LIMIT)).status_code == 200
    upstream.clear()
    refused(client.http.post(PATHS[dialect], content=pieces(LIMIT + 1)), 413, dialect)
    refused(client.http.post(PATHS[dialect], content=pieces(20 * LIMIT)), 413, dialect)
    assert not upstream.asked()
    assert client.ask(dialect).status_code == 200


def test_an_upload_without_end_is_answered_while_it_runs(client: Client) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (LIMIT + 1, b" " * (LIMIT + 1))
    answer = client.raw(head, chunk)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"request_too_large" in answer


def test_who_asks_before_sending_is_told_before_sending(client: Client) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    assert client.raw(head % (LIMIT + 1)).startswith(b"HTTP/1.1 413 ")
    assert client.raw(head % 10).startswith(b"HTTP/1.1 100 ")


# ---- keys


@everywhere
def test_wrong_keys(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    wrong = [{"authorization": "Bearer nobody"}, {"x-api-key": "nobody"}, {"x-goog-api-key": "nobody"}]
    wrong += [{"authorization": "nobody"}, {"authorization": "Basic bm9ib2R5"}]
    wrong += [{"authorization": f"Bearer {client.keys['revoked']}"}]
    for headers in wrong:
        said = refused(client.ask(dialect, headers=headers), 401, dialect)
        assert "key" in said
        assert "nobody" not in said
    refused(client.ask(dialect, params={"key": "nobody"}), 401, dialect)
    refused(client.ask(dialect, b"{", headers=wrong[0]), 401, dialect)
    assert not upstream.asked()


@everywhere
@every("name", ["authorization", "x-api-key", "x-goog-api-key"])
def test_keys_of_odd_bytes(client: Client, dialect: str, name: str) -> None:
    for odd in (b"\xff\xfe\x80", "sk-\u4f60\u597d".encode(), b"\xed\xa0\x80", b"x" * 20_000):
        headers = [(name.encode(), b"Bearer " + odd if name == "authorization" else odd)]
        refused(client.ask(dialect, headers=headers), 401, dialect)
    refused(client.ask(dialect, path=f"{PATHS[dialect]}?key=%FF%00"), 401, dialect)


@everywhere
def test_where_keys_are_needed(strict: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    assert "omniroute-ctl key create" in refused(strict.ask(dialect), 401, dialect)
    refused(strict.ask(dialect, b"{"), 401, dialect)
    assert not upstream.asked()
    for headers in (
        {"authorization": f"Bearer {strict.keys['any']}"},
        {"authorization": f"bearer  {strict.keys['any']}"},
        {"x-api-key": strict.keys["any"]},
        {"x-goog-api-key": strict.keys["any"]},
    ):
        assert strict.ask(dialect, headers=headers).status_code == 200
    assert strict.ask(dialect, params={"key": strict.keys["any"]}).status_code == 200
    assert strict.http.get("/v1/models").status_code == 401
    assert strict.http.head("/api/hello").status_code == 200


@everywhere
def test_a_key_that_may_not(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    headers = {"x-api-key": client.keys["narrow"]}
    said = refused(client.ask(dialect, headers=headers), 403, dialect)
    assert "narrow" in said
    assert "good-*" in said
    assert not upstream.asked()
    if dialect == "gemini":
        allowed = client.ask(dialect, path="/v1beta/models/good-combo:generateContent", headers=headers)
    else:
        allowed = client.ask(dialect, {**ASK[dialect], "model": "good-combo"}, headers=headers)
    assert allowed.status_code == 200
    listed = client.http.get("/v1/models", headers={"authorization": f"Bearer {client.keys['narrow']}"}).json()["data"]
    assert [model["id"] for model in listed] == ["good-combo"]


@everywhere
def test_pages_of_other_sites(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://[::1", "file://"):
        refused(client.ask(dialect, headers={"origin": origin}), 403, dialect)
    assert not upstream.asked()
    for origin in ("http://localhost:3000", "http://127.0.0.1:8081", "http://[::1]:5173"):
        assert client.ask(dialect, headers={"origin": origin}).status_code == 200, origin
    key = {"authorization": f"Bearer {client.keys['any']}", "origin": "https://friend.example"}
    assert client.ask(dialect, headers=key).status_code == 200
    assert all("origin" not in asked.headers for asked in upstream.asked())


# ---- paths


@every(
    ("path", "dialect"),
    [
        ("/", "openai"),
        ("/v1/nothing", "openai"),
        ("/v1/chat/completions/more", "openai"),
        ("/v1/responses/resp_1/nothing", "responses"),
        ("/v1/messages/batches", "claude"),
        ("/v1beta/cachedContents", "gemini"),
        ("/v1beta/models/g/ok:tuneModel", "gemini"),
        ("/../etc/passwd", "openai"),
        ("//v1/messages//", "claude"),
        ("/%ff%00", "openai"),
    ],
)
def test_unknown_paths(client: Client, upstream: Upstream, path: str, dialect: str) -> None:
    upstream.clear()
    for method in ("GET", "POST", "DELETE"):
        reply = client.http.request(method, path)
        assert "no such path" in refused(reply, 404, dialect)
    assert not upstream.asked()


@everywhere
@every("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_wrong_methods(client: Client, upstream: Upstream, dialect: str, method: str) -> None:
    upstream.clear()
    said = refused(client.http.request(method, PATHS[dialect]), 405, dialect)
    assert "POST" in said
    assert client.http.head(PATHS[dialect]).status_code == 405
    assert not upstream.asked()


def test_model_lists_are_only_read(client: Client) -> None:
    refused(client.http.post("/v1/models"), 405, "openai")
    refused(client.http.delete("/v1beta/models"), 405, "gemini")
    assert client.http.head("/v1/models").status_code == 200


@pytest.mark.parametrize("path", ["/v1/responses", "/responses"])
def test_no_websocket(client: Client, path: str) -> None:
    """Codex goes over to POST at once when it reads exactly this status."""
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "authorization": f"Bearer {client.keys['any']}",
    }
    assert "POST" in refused(client.http.get(path, headers=headers), 426, "responses")


def test_hello(client: Client) -> None:
    """Claude Code asks before it begins, and shows a key or none."""
    for headers in ({}, {"authorization": "Bearer nobody"}, {"origin": "https://evil.example"}):
        reply = client.http.head("/api/hello", headers=headers)
        assert (reply.status_code, reply.content) == (200, b"")
    assert client.http.get("/api/hello").status_code == 200


@everywhere
def test_a_doubled_prefix_and_slashes_are_tolerated(client: Client, upstream: Upstream, dialect: str) -> None:
    upstream.clear()
    path = PATHS[dialect]
    variants = [f"{path}/"] if dialect == "gemini" else [f"/v1{path}", f"{path}/", path.removeprefix("/v1")]
    if dialect == "claude":
        variants.pop()  # no client of this dialect has a base URL with the version in it
    for variant in variants:
        assert client.ask(dialect, path=variant).status_code == 200, variant
    assert len(upstream.asked()) == len(variants)


def test_the_query_reaches_the_upstream(client: Client, upstream: Upstream) -> None:
    for query in ("beta=true", "beta=true&x=%20y&x=2", "a"):
        assert client.ask("claude", path=f"/v1/messages?{query}").status_code == 200
    assert client.ask("claude", path=f"/v1/messages?beta=true&key={client.keys['any']}").status_code == 200
    paths = [asked.path for asked in upstream.asked()]
    assert paths == [f"/v1/messages?{query}" for query in ("beta=true", "beta=true&x=%20y&x=2", "a", "beta=true")]


def test_bytes_that_are_no_text(client: Client, upstream: Upstream) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\nContent-Length: %d\r\n\r\n"
    body = json.dumps(ASK["gemini"]).encode()
    path = b"/v1beta/models/g/\xff\xfe:generateContent"
    answer = client.raw(head % (path, len(body)), body)
    assert answer.split()[1] in (b"200", b"400"), answer
    answer = client.raw(head % (b"/v1beta/models/nobody/\xff\xfe:generateContent", len(body)), body)
    assert answer.split()[1] == b"400", answer
    answer = client.raw(head % (b"/v1/messages", len(body)), json.dumps(ASK["claude"]).encode()[: len(body)])
    assert answer.split()[1] == b"400", answer
    assert client.ask("claude", headers=[(b"x-odd", b"\xff\xfe")]).status_code == 200
    assert upstream.asked()[-1].headers.raw.count((b"x-odd", b"\xff\xfe")) == 1


# ---- starts that cannot be


def fails_to_start(folder: Path, command: list[str]) -> str:
    """Run a gateway that must end by itself; give what it said."""
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        cwd=folder,
        env=clean_environ(folder / "data", {}),
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode not in (0, None), said
    assert "Traceback" not in said, said
    assert not (folder / "data" / "runtime.json").exists()
    return said


def lines_with(said: str, words: str) -> list[str]:
    return [line for line in said.splitlines() if words in line]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = mitmproxy_command("mitmdump", tmp_path, {})
        command[command.index("--mode") + 1] = f"reverse:http://127.0.0.1:9@127.0.0.1:{port}"
        said = fails_to_start(tmp_path, command)
    assert len(lines_with(said, str(port))) == 1, said
    assert "in use" in said


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A file stands in its place, which stops an administrator too."""
    (tmp_path / "data").write_text("not a directory", encoding="utf-8")
    said = fails_to_start(tmp_path, mitmproxy_command("mitmdump", tmp_path, {}))
    assert len(lines_with(said, "cannot be written")) == 1, said
    assert str(tmp_path / "data") in said
    assert "DATA_DIR" in said
    assert (tmp_path / "data").read_text(encoding="utf-8") == "not a directory"


def test_a_database_of_a_newer_program(tmp_path: Path) -> None:
    Store(tmp_path / "data").close()
    path = tmp_path / "data/storage.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma user_version = 9999")
        database.commit()
        database.execute("pragma wal_checkpoint(truncate)")
    before = path.read_bytes()
    said = fails_to_start(tmp_path, mitmproxy_command("mitmdump", tmp_path, {}))
    assert len(lines_with(said, "newer OmniRoute")) == 1, said
    assert path.read_bytes() == before


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
def test_a_database_that_is_none(tmp_path: Path, tool: str) -> None:
    path = tmp_path / "data/storage.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"my diary, which happens to have this name\n" * 200)
    before = path.read_bytes()
    said = fails_to_start(tmp_path, mitmproxy_command(tool, tmp_path, {}))
    assert len(lines_with(said, "it was left as it is")) == 1, said
    assert path.read_bytes() == before
