"""A client and an upstream of one dialect: all but the model's name and the credential arrives as it was sent."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from cases import every
from harness import PATIENCE, REPO, Gateway, Upstream
from scripted import replies
from scripted.good import LOUD
from shared_gateway import SharedGateway

from omniroute.store.config import accounts, keys, nodes
from omniroute.store.db.database import Store

WIRE = REPO.parent / "shared/wire"
CAPTURES = sorted(WIRE.glob("*/*.json"))
FORMATS = {"chat": "openai", "responses": "responses", "anthropic": "claude", "gemini": "gemini"}
ENDPOINTS = ("/chat/completions", "/responses", "/messages", ":generateContent", ":streamGenerateContent")
SECRET = "upstream-secret-of-the-account"
OPENS = {"openai": "authorization", "responses": "authorization", "claude": "x-api-key", "gemini": "x-goog-api-key"}
PATHS = {"openai": "/v1/chat/completions", "responses": "/v1/responses", "claude": "/v1/messages"}

KEPT_BACK = {
    "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length",
    "content-encoding", "accept-encoding", "authorization", "x-api-key", "x-goog-api-key", "proxy-authorization",
    "api-key", "cookie", "origin", "referer", "via", "forwarded",
}  # fmt: skip
"""What ends at each hop, opens something, or speaks of the client's own address; `sec-` and `x-forwarded-` do too."""
ADDED = {"host", "content-length", "accept-encoding", "content-type", "anthropic-version"}
USAGE = b'"stream_options":{"include_usage":true}'


@pytest.fixture(scope="module")
def key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway, key: list[str]) -> Iterator[Gateway]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        for dialect in OPENS:
            nodes.add(store, dialect[0], dialect, upstream.url + ("/v1beta" if dialect == "gemini" else "/v1"))
            accounts.add(store, dialect[0], api_key=SECRET)
        key.append(keys.create(store, "client")[1])

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(running: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as client:
        client.headers.clear()
        yield client


# ---- bytes


ODD = [
    b'{"model": "X", "messages": [{"role": "user", "content": "hi"}]}',
    b' \r\n\t{ "messages" : [ ] ,\n\n  "model"\t:\r\n "X" , "temperature" : 1.0 }\n\n ',
    b'{"z":1,"a":2,"model":"X","m":3,"messages":[]}',
    b'{"model":"X","seed":123456789012345678901234567890,"top_p":1.000000000000000000001,"x":1E+2,"y":-0.0}',
    b'{"model":"X","messages":[{"content":"\\u00e9\\ud83d\\ude00\\/\\u0041 \xc3\xa9\xf0\x9f\x98\x80"}]}',
    b'{"model":"X","a":1,"a":2,"messages":[],"messages":[1]}',
    b'{"model":"first","b":{"model":"X"},"model":"X"}',
    b'{"messages":[{"model":"X","content":"\\"model\\":\\"X\\""}],"model":"X"}',
    b'{"mod\\u0065l":"X","messages":[]}',
    b'{"model":"X","empty":{},"none":null,"yes":true,"list":[[],[[]]],"":""}',
]
"""Bodies that a JSON library would not write so again; the last top-level `X` stands for the model."""
ODD_NAMES = ["plain", "spaces", "order", "numbers", "escapes", "twice", "two-models", "decoy", "escaped-key", "empty"]


def named(body: bytes, model: str) -> bytes:
    """Put a name in the place of the last X."""
    head, _, tail = body.rpartition(b'"X"')
    return head + b'"%b"' % model.encode() + tail


@every("dialect", list(PATHS))
@every("body", ODD, ids=ODD_NAMES)
def test_every_other_byte_is_the_clients(client: httpx.Client, upstream: Upstream, dialect: str, body: bytes) -> None:
    upstream.clear()
    assert client.post(PATHS[dialect], content=named(body, f"{dialect[0]}/m/é")).status_code == 200
    assert upstream.asked()[0].body == named(body, "m/é")


@every("verb", ["generateContent", "streamGenerateContent?alt=sse"])
@every("body", ODD, ids=ODD_NAMES)
def test_gemini_bodies_are_the_clients_to_the_last_byte(
    client: httpx.Client, upstream: Upstream, verb: str, body: bytes
) -> None:
    """The model is in the path."""
    upstream.clear()
    body = body.replace(b'"model"', b'"labels"').replace(b'"mod\\u0065l"', b'"label\\u0073"')
    assert client.post(f"/v1beta/models/g/m:{verb}", content=body).status_code == 200
    asked = upstream.asked()[0]
    assert asked.body == body
    assert asked.path == f"/v1beta/models/m:{verb}"


@every(
    ("said", "sent"),
    [
        (b'{"model":"X","stream":true}', b'{"model":"X","stream":true,%b}' % USAGE),
        (b'{"stream":true,"model":"X" }\n', b'{"stream":true,"model":"X" ,%b}\n' % USAGE),
        (b'{"model":"X","stream":true,"stream_options":null}', b'{"model":"X","stream":true,%b}' % USAGE),
        (
            b'{"stream_options": {"include_usage" : false, "x":1},"model":"X","stream":true}',
            b'{"stream_options": {"include_usage":true,"x":1},"model":"X","stream":true}',
        ),
        (b'{"model":"X","stream":true,"stream_options":{"include_usage": true}}', None),
        (b'{"model":"X","stream":true,"stream_options":"odd"}', None),
        (b'{"model":"X","stream":false}', None),
        (b'{"model":"X","stream":null}', None),
        (b'{"model":"X"}', None),
    ],
)
def test_usage_is_asked_for_in_openai_streams_alone(
    client: httpx.Client, upstream: Upstream, said: bytes, sent: bytes | None
) -> None:
    upstream.clear()

    def ask(dialect: str) -> bytes:
        body = said.replace(b'"X"', b'"%b/m"' % dialect[0].encode())
        assert client.post(PATHS[dialect], content=body).status_code == 200
        return upstream.asked()[-1].body

    assert ask("openai") == (sent or said).replace(b'"X"', b'"m"')
    for dialect in ("claude", "responses"):
        assert ask(dialect) == said.replace(b'"X"', b'"m"')


@pytest.mark.parametrize("dialect", list(PATHS))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_replies_are_the_upstreams(client: httpx.Client, upstream: Upstream, dialect: str, stream: bool) -> None:
    body = {"messages": [], "stream": stream, "stream_options": {"include_usage": True}}
    through = client.post(PATHS[dialect], json={"model": f"{dialect[0]}/m", **body})
    direct = upstream.client.post(PATHS[dialect], json={"model": "m", **body})
    assert replies.text("m").split()[0] in through.text
    assert through.content == direct.content
    assert through.headers["content-type"].partition(";")[0] == direct.headers["content-type"].partition(";")[0]


# ---- headers


def test_headers_about_the_client_arrive_and_others_do_not(
    client: httpx.Client, upstream: Upstream, key: list[str]
) -> None:
    about = [
        ("user-agent", "claude-cli/2.1 (external, cli)"),
        ("anthropic-beta", "one-2025-01-01,two"),
        ("Anthropic-Beta", "three"),
        ("anthropic-version", "2026-10-21"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("x-stainless-lang", "js"),
        ("X-Stainless-Retry-Count", "0"),
        ("x-app", "cli"),
        ("originator", "codex_cli_rs"),
        ("session_id", "0198-abc"),
        ("x-claude-code-session-id", "77"),
        ("x-codex-turn-metadata", '{"a": 1}'),
        ("openai-beta", "responses=experimental"),
        ("x-client-request-id", "5"),
        ("idempotency-key", "k-1"),
        ("accept", "text/event-stream"),
        ("accept-language", "de, en;q=0.5"),
        ("x-odd-bytes", b"caf\xe9"),
    ]
    ours = [
        ("Connection", "keep-alive, X-Just-This-Hop"),
        ("X-Just-This-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("Cookie", "session=1"),
        ("Accept-Encoding", "br, zstd"),
        ("Authorization", f"Bearer {key[0]}"),
        ("x-goog-api-key", key[0]),
        ("api-key", "1"),
        ("Origin", "http://localhost:3000"),
        ("Referer", "http://localhost:3000/page"),
        ("Via", "1.1 somewhere"),
        ("Forwarded", "for=10.0.0.7"),
        ("X-Forwarded-For", "10.0.0.7"),
        ("X-Real-IP", "10.0.0.7"),
        ("Sec-Fetch-Site", "same-site"),
        ("X-OmniRoute-No-Cache", "true"),
    ]
    body = {"model": "c/m", "messages": [], "max_tokens": 5}
    both = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in [*ours, *about]]
    assert client.post("/v1/messages", json=body, headers=both).status_code == 200
    got = upstream.asked()[0].headers
    arrived = [(name.lower(), value) for name, value in got.raw]
    for name, value in both[len(ours) :]:
        assert arrived.count((name.lower(), value)) == 1, name
    assert [value for name, value in arrived if name == b"anthropic-beta"] == [b"one-2025-01-01,two", b"three"]
    names = {name.decode() for name, _ in arrived}
    assert names == {name.lower() for name, _ in about} | ADDED | {"x-api-key"}
    assert got["x-api-key"] == SECRET
    assert got["accept-encoding"] == "identity"
    assert got["host"] == upstream.client.base_url.netloc.decode()
    assert key[0] not in repr(got.raw)


def test_what_a_provider_needs_is_added_where_the_client_says_nothing(client: httpx.Client, upstream: Upstream) -> None:
    assert client.post("/v1/messages", content=b'{"model":"c/m"}').status_code == 200
    assert upstream.asked()[0].headers["anthropic-version"] == "2023-06-01"
    assert upstream.asked()[0].headers["content-type"] == "application/json"


@every("dialect", list(PATHS))
@every("stream", [False, True], ids=["whole", "stream"])
def test_only_listed_headers_of_an_upstream_reach_the_client(client: httpx.Client, dialect: str, stream: bool) -> None:
    reply = client.post(PATHS[dialect], json={"model": f"{dialect[0]}/loud", "messages": [], "stream": stream})
    assert reply.status_code == 200
    assert not {*LOUD} & {name.lower() for name in reply.headers}
    passed = {name: reply.headers[name] for name in ("x-ratelimit-remaining-requests", "openai-version", "cf-ray")}
    assert passed == {"x-ratelimit-remaining-requests": "7", "openai-version": "2020-10-01", "cf-ray": "r-1"}
    assert reply.headers["content-type"].startswith("text/event-stream" if stream else "application/json")


# ---- what real clients send


def replayable(path: Path) -> bool:
    captured = json.loads(path.read_bytes())
    return captured["method"] == "POST" and captured["path"].endswith(ENDPOINTS) and "body" in captured


REPLAYED = [path for path in CAPTURES if replayable(path)]


@pytest.mark.skipif(not REPLAYED, reason=f"NO CAPTURES OF REAL CLIENTS: {WIRE} is not here, so nothing is replayed")
def test_there_are_captures_of_every_dialect() -> None:
    formats = [json.loads(path.read_bytes())["format"] for path in REPLAYED]
    assert set(formats) == set(FORMATS)
    assert len(REPLAYED) > 100


@pytest.mark.skipif(not REPLAYED, reason=f"NO CAPTURES OF REAL CLIENTS: {WIRE} is not here, so nothing is replayed")
@every("path", REPLAYED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_real_clients_send(client: httpx.Client, upstream: Upstream, key: list[str], path: Path) -> None:
    upstream.clear()
    captured = json.loads(path.read_bytes())
    dialect, where, body = FORMATS[captured["format"]], captured["path"], captured["body"]
    if dialect == "gemini":
        begin, _, model = where.rpartition("/")
        where, raw = (
            f"{begin}/{quote(f'g/{model.partition(":")[0]}', safe='')}:{model.partition(':')[2]}",
            written(body),
        )
        expected = raw
    else:
        raw = written({**body, "model": f"{dialect[0]}/{body['model']}"})
        expected = written(body)
        if dialect == "openai" and body.get("stream") and not (body.get("stream_options") or {}).get("include_usage"):
            assert "stream_options" not in body
            expected = expected[:-1] + b"," + USAGE + b"}"
    if captured["query"]:
        where += f"?{captured['query']}"
    headers = [(name, value.replace("REDACTED", key[0])) for name, value in captured["headers"]]
    headers = [pair for pair in headers if pair[0].lower() not in {"host", "content-length", "transfer-encoding"}]
    reply = client.post(where, content=raw, headers=headers)
    assert reply.status_code == 200, reply.text
    assert replies.text("").split()[0] in reply.text
    (asked,) = upstream.asked()
    assert asked.body == expected
    assert asked.path.partition("?")[2] == captured["query"]
    arrived = [(name.decode().lower(), value.decode("latin-1")) for name, value in asked.headers.raw]
    for name, value in headers:
        if not stays_here(name.lower()):
            assert (name.lower(), value) in arrived
    assert {name for name, _ in arrived} - {name.lower() for name, _ in headers} <= ADDED | {OPENS[dialect]}
    assert SECRET in asked.headers[OPENS[dialect]]
    assert key[0] not in repr(asked.headers.raw)


def written(body: Any) -> bytes:
    """Write JSON as JavaScript does, which most clients are made of."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def stays_here(name: str) -> bool:
    return name in KEPT_BACK or name.startswith(("sec-", "x-forwarded-"))
