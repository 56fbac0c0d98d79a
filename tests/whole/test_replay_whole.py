"""The cache and requests that are sent twice, through a real gateway: the upstream counts who asks it."""

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from cases import every
from click.testing import CliRunner
from google import genai
from harness import PATIENCE, Gateway, Upstream, until

from omniroute.catalog.pricing import Price
from omniroute.cli import main
from omniroute.config.model import Limit
from omniroute.store.config import budgets, keys, limits, nodes, prices, rows, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage

PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "claude": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}
WAYS = ("ok", "wait:0.4", "slow:0.05", "500", "400", "hang")
everywhere = pytest.mark.parametrize("dialect", list(PATHS))


def setup(upstream: Upstream) -> Callable[[Store], None]:
    def fill(store: Store) -> None:
        for number, way in enumerate(WAYS):
            for dialect in PATHS:
                nodes.add(store, f"{dialect}{number}", dialect, f"{upstream.base(way)}/v1")
        nodes.add(store, "limited", "openai", f"{upstream.base('ok')}/v1")
        nodes.add(store, "em", "openai", f"{upstream.base('embed')}/v1")
        nodes.add(store, "late", "openai", f"{upstream.base('embed:30')}/v1")
        settings.put(store, "cooldowns", "off")

    return fill


@pytest.fixture(scope="module")
def upstream(_upstreams: Callable[..., Upstream]) -> Upstream:
    return _upstreams()


@pytest.fixture(scope="module")
def here(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway.start(
        tmp_path_factory.mktemp("replay"), options={"omniroute_keepalive": "0.1"}, setup=setup(upstream)
    ) as gateway:
        yield gateway


@pytest.fixture
def two_keys(here: Gateway) -> tuple[str, str]:
    made = [keys.create(here.store, f"k{uuid.uuid4().hex[:8]}") for _ in range(2)]
    texts = (made[0][1], made[1][1])
    for key in texts:
        until("the key is known", partial(_opens, here, key))
    return texts


def model(dialect: str, way: str) -> str:
    return f"{dialect}{WAYS.index(way)}/m"


def body(dialect: str, way: str, text: str, **more: Any) -> dict[str, Any]:
    if dialect == "gemini":
        made: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return made | {"generationConfig": {"temperature": more.pop("temperature", 0)}} | more
    made = {"model": model(dialect, way), "temperature": 0}
    if dialect == "responses":
        return made | {"input": text, "store": False} | more
    if dialect == "claude":
        made["max_tokens"] = 100
    return made | {"messages": [{"role": "user", "content": text}]} | more


def ask(
    gateway: Gateway, dialect: str, text: str, way: str = "ok", *, key: str = "", headers: Any = None, **more: Any
) -> httpx.Response:
    path = PATHS[dialect].format(model=model(dialect, way))
    if dialect == "gemini" and more.pop("stream", False):
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    said = dict(headers or {}) | ({"authorization": f"Bearer {key}"} if key else {})
    url = gateway.url + path
    return httpx.post(url, json=body(dialect, way, text, **more), headers=said, timeout=PATIENCE, trust_env=False)


def _opens(gateway: Gateway, key: str) -> bool:
    return ask(gateway, "openai", "x", key=key, temperature=1).status_code == 200


def in_force(gateway: Gateway) -> None:
    """Wait until the gateway goes by all that stands in its database."""
    wanted = gateway.store.revision()
    ready = gateway.url + "/readyz"
    until("it is in force", lambda: httpx.get(ready, trust_env=False).json().get("revision", 0) >= wanted)


def asked(upstream: Upstream, text: str) -> int:
    return sum(text.encode() in one.body for one in upstream.asked())


def fresh() -> str:
    return f"say {uuid.uuid4().hex}"


@everywhere
def test_the_second_answer_is_the_first_one_to_the_byte(here: Gateway, upstream: Upstream, dialect: str) -> None:
    text = fresh()
    first, second = ask(here, dialect, text), ask(here, dialect, text)
    assert (first.status_code, second.status_code) == (200, 200), first.text
    assert first.content == second.content
    assert (first.headers["x-omniroute-cache"], second.headers["x-omniroute-cache"]) == ("MISS", "HIT")
    assert second.headers["x-omniroute-attempts"] == "0"
    assert second.headers["x-omniroute-route"] == first.headers["x-omniroute-route"]
    assert int(second.headers["age"]) >= 0
    assert "age" not in first.headers
    assert second.headers["x-omniroute-request-id"] != first.headers["x-omniroute-request-id"]
    assert asked(upstream, text) == 1


def test_a_hit_costs_nothing_and_is_marked_in_the_log(here: Gateway) -> None:
    text = fresh()
    ask(here, "openai", text)
    name = ask(here, "openai", text).headers["x-omniroute-request-id"]
    row = until("the row", lambda: next((row for row in usage.recent(here.store, 20) if row.id == name), None))
    assert (row.replayed, row.cost, row.attempts) == ("cache", 0.0, ())
    assert row.input
    assert row.model_served == model("openai", "ok")


def test_a_hit_uses_up_neither_budgets_nor_limits(here: Gateway, upstream: Upstream) -> None:
    key, shown = keys.create(here.store, "thrifty")
    prices.put(here.store, "limited/m", Price(input=1000.0, output=1000.0))
    limits.put(here.store, limits.find(here.store, "limited").id, Limit(rpm=1))
    budgets.put(here.store, key.id, "daily", 10.0)
    in_force(here)
    text, how = fresh(), {"model": "limited/m", "key": shown}

    def spent() -> float:
        return float(ctl(here, "budget", "show", key.id)[0]["spent"])

    first = ask(here, "openai", text, **how)
    assert (first.status_code, first.headers.get("x-omniroute-cache")) == (200, "MISS"), first.text
    paid = until("it is written down", spent)
    budgets.put(here.store, key.id, "daily", paid)
    in_force(here)
    refused = ask(here, "openai", fresh(), **how)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    hits = [ask(here, "openai", text, **how) for _ in range(3)]
    assert {(hit.status_code, hit.headers["x-omniroute-cache"]) for hit in hits} == {(200, "HIT")}
    name = hits[-1].headers["x-omniroute-request-id"]
    until("the row", lambda: any(row.id == name for row in usage.recent(here.store, 20)))
    assert spent() == paid
    assert asked(upstream, text) == 1


@everywhere
@every("more", [{"temperature": 1}, {"temperature": None}, {"stream": True}], ids=str)
def test_what_is_not_kept(here: Gateway, upstream: Upstream, dialect: str, more: dict[str, Any]) -> None:
    text = fresh()
    replies = [ask(here, dialect, text, **more) for _ in range(2)]
    assert all("x-omniroute-cache" not in reply.headers for reply in replies)
    assert asked(upstream, text) == 2


@pytest.mark.parametrize("way", ["500", "400"])
def test_failures_are_not_kept(here: Gateway, upstream: Upstream, way: str) -> None:
    text = fresh()
    for _ in range(2):
        assert ask(here, "openai", text, way).status_code >= 400
    assert asked(upstream, text) == 2


@pytest.mark.parametrize(
    ("headers", "said", "after"),
    [
        ({"x-omniroute-no-cache": "true"}, "BYPASS", 2),
        ({"cache-control": "no-store"}, "BYPASS", 2),
        ({"cache-control": "max-age=0, no-cache"}, "BYPASS", 1),
    ],
    ids=str,
)
def test_a_client_may_do_without(
    here: Gateway, upstream: Upstream, headers: dict[str, str], said: str, after: int
) -> None:
    text = fresh()
    assert ask(here, "openai", text, headers=headers).headers["x-omniroute-cache"] == said
    assert ask(here, "openai", text).headers["x-omniroute-cache"] == ("MISS" if after == 2 else "HIT")
    assert asked(upstream, text) == after


def test_no_key_gets_what_another_was_told(here: Gateway, upstream: Upstream, two_keys: tuple[str, str]) -> None:
    text = fresh()
    one, other = two_keys
    got = [ask(here, "openai", text, key=key).headers["x-omniroute-cache"] for key in (one, other, "", one, other, "")]
    assert got == ["MISS", "MISS", "MISS", "HIT", "HIT", "HIT"]
    assert asked(upstream, text) == 3


@pytest.mark.parametrize("dialect", ["openai", "gemini"])
def test_a_hundred_at_once_ask_once(here: Gateway, upstream: Upstream, dialect: str) -> None:
    text = fresh()
    with ThreadPoolExecutor(100) as pool:
        replies = list(pool.map(lambda _: ask(here, dialect, text, "wait:0.4"), range(100)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.content for reply in replies}) == 1
    assert asked(upstream, text) == 1


def test_when_the_first_fails_the_next_one_asks(here: Gateway, upstream: Upstream) -> None:
    text = fresh()
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: ask(here, "openai", text, "500"), range(4)))
    assert all(reply.status_code >= 500 for reply in replies)
    assert asked(upstream, text) == 4


def begin(gateway: Gateway, dialect: str, text: str, way: str, head: str = "", **more: Any) -> socket.socket:
    """Ask, and leave the answer to itself."""
    raw = json.dumps(body(dialect, way, text, **more)).encode()
    sock = socket.create_connection(("127.0.0.1", gateway.runtime["port"]))
    path = PATHS[dialect].format(model=model(dialect, way))
    sock.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(raw)}\r\n".encode())
    sock.sendall(b"content-type: application/json\r\n\r\n" + raw)
    return sock


def test_who_leaves_takes_nothing_from_who_waits(here: Gateway, upstream: Upstream) -> None:
    text = fresh()
    first = begin(here, "openai", text, "wait:0.4")
    until("the upstream is asked", lambda: asked(upstream, text) == 1)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(ask, here, "openai", text, "wait:0.4")
        first.close()
        assert second.result().status_code == 200
    assert asked(upstream, text) == 2, "the first call is cancelled, and whoever waits asks anew"


def test_who_waits_may_leave(here: Gateway, upstream: Upstream) -> None:
    text = fresh()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, here, "openai", text, "wait:0.4")
        until("the upstream is asked", lambda: asked(upstream, text) == 1)
        begin(here, "openai", text, "wait:0.4").close()
        assert first.result().status_code == 200
    assert ask(here, "openai", text, "wait:0.4").headers["x-omniroute-cache"] == "HIT"
    assert asked(upstream, text) == 1


@every("header", ["Idempotency-Key", "X-Request-Id"])
@every(
    ("dialect", "stream"),
    [(dialect, stream) for dialect in PATHS for stream in (False, True)],
)
def test_what_is_sent_twice_is_asked_once(
    here: Gateway, upstream: Upstream, dialect: str, stream: bool, header: str
) -> None:
    text = fresh()
    how = {"temperature": 1, "headers": {header: uuid.uuid4().hex}} | ({"stream": stream} if stream else {})
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: ask(here, dialect, text, "slow:0.05", **how), range(20)))
    replies.append(ask(here, dialect, text, "slow:0.05", **how))
    assert {reply.status_code for reply in replies} == {200}
    told = {b"\n\n".join(f for f in r.content.split(b"\n\n") if f[:1] != b":" and b"ping" not in f) for r in replies}
    assert len(told) == 1, "keep-alives apart, all are told the same"
    assert b"".join(told).strip()
    kinds = {reply.headers["content-type"].split(";")[0] for reply in replies}
    assert kinds == {"text/event-stream" if stream else "application/json"}
    marked = sum(reply.headers.get("x-omniroute-idempotent") == "true" for reply in replies)
    assert 1 <= marked <= 20 if stream else marked == 20, "a stream that has begun early has no place to say it"
    assert asked(upstream, text) == 1


def test_a_stream_that_is_an_array_is_given_again_too(here: Gateway, upstream: Upstream) -> None:
    text, head = fresh(), {"idempotency-key": uuid.uuid4().hex}
    url = f"{here.url}/v1beta/models/{model('openai', 'slow:0.05')}:streamGenerateContent"
    said = body("gemini", "ok", text)
    replies = [httpx.post(url, json=said, headers=head, timeout=PATIENCE, trust_env=False) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert len(replies[0].json()) > 2
    assert replies[1].headers["content-type"] == replies[0].headers["content-type"]
    assert [reply.headers.get("x-omniroute-idempotent") for reply in replies] == [None, "true"]
    assert asked(upstream, text) == 1


@pytest.mark.parametrize("dialect", ["openai", "responses", "claude", "gemini"])
def test_the_same_key_with_another_body_is_refused(here: Gateway, dialect: str) -> None:
    how = {"temperature": 1, "headers": {"idempotency-key": uuid.uuid4().hex}}
    assert ask(here, dialect, fresh(), **how).status_code == 200
    refused = ask(here, dialect, fresh(), **how)
    assert refused.status_code == 422
    assert "Idempotency-Key" in refused.json()["error"]["message"]


def test_one_request_id_may_name_several_requests(here: Gateway, upstream: Upstream) -> None:
    texts = [fresh(), fresh()]
    how = {"temperature": 1, "headers": {"x-request-id": uuid.uuid4().hex}}
    assert [ask(here, "openai", text, **how).status_code for text in texts] == [200, 200]
    assert [asked(upstream, text) for text in texts] == [1, 1]


def test_no_key_sees_what_another_has_sent_twice(here: Gateway, upstream: Upstream, two_keys: tuple[str, str]) -> None:
    text = fresh()
    how = {"temperature": 1, "headers": {"idempotency-key": "the same"}}
    replies = [ask(here, "openai", text, key=key, **how) for key in two_keys]
    assert all("x-omniroute-idempotent" not in reply.headers for reply in replies)
    assert asked(upstream, text) == 2
    assert ask(here, "openai", fresh(), key=two_keys[0], **how).status_code == 422


def test_failures_are_not_told_again(here: Gateway, upstream: Upstream) -> None:
    text = fresh()
    how = {"temperature": 1, "headers": {"idempotency-key": uuid.uuid4().hex}}
    for _ in range(2):
        assert ask(here, "openai", text, "500", **how).status_code >= 500
    assert asked(upstream, text) == 2


def test_clearing_acts_at_once(here: Gateway, upstream: Upstream) -> None:
    text = fresh()
    ask(here, "openai", text)
    kept = until("it is on the disk", lambda: ctl(here, "cache", "stats")["entries"])
    assert ctl(here, "cache", "clear")["forgotten"] >= kept
    until("it is forgotten", lambda: ask(here, "openai", text).headers["x-omniroute-cache"] == "MISS")
    assert ctl(here, "cache", "stats")["hits"] >= 0


def test_another_database_takes_the_answers_with_it(here: Gateway, tmp_path: Path) -> None:
    text, file = fresh(), str(tmp_path / "copy.sqlite")
    ctl(here, "db", "export", file)
    assert [ask(here, "openai", text).headers["x-omniroute-cache"] for _ in range(2)] == ["MISS", "HIT"]
    ctl(here, "db", "import", file)
    until("it is forgotten", lambda: ask(here, "openai", text).headers["x-omniroute-cache"] == "MISS")


def ctl(gateway: Gateway, *words: str) -> Any:
    done = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(gateway.data_dir)])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.fixture
def similar(here: Gateway) -> Iterator[Callable[[str], None]]:
    """Look for similar requests by a model, until the test is over."""

    def by(model: str, **how: str) -> None:
        for name, value in ({"cache.similar": model, "cache.similarity": "0.8"} | how).items():
            settings.put(here.store, name, value)
        in_force(here)

    yield by
    for name in ("cache.similar", "cache.similarity", "cache.similar_timeout"):
        if name in rows.settings(here.store):
            settings.unset(here.store, name)
    in_force(here)


def embedded(upstream: Upstream, text: str) -> int:
    return sum(one.path.endswith("/embeddings") and text.encode() in one.body for one in upstream.asked())


@everywhere
def test_who_says_nearly_the_same_gets_the_same_answer(
    here: Gateway, upstream: Upstream, similar: Callable[..., None], dialect: str
) -> None:
    similar("em/words")
    text = f"{fresh()} or whatever else comes to your mind in this"
    first = ask(here, dialect, f"{text} moment")
    near = ask(here, dialect, f"{text} hour")
    assert (first.headers["x-omniroute-cache"], near.headers["x-omniroute-cache"]) == ("MISS", "HIT"), near.headers
    assert 0.9 <= float(near.headers["x-omniroute-similarity"]) < 1
    assert "x-omniroute-similarity" not in first.headers
    assert near.content == first.content
    assert near.headers["x-omniroute-attempts"] == "0"
    assert ask(here, dialect, "something else altogether, and no less").headers["x-omniroute-cache"] == "MISS"
    assert ask(here, dialect, f"{text} hour", temperature=1).headers.get("x-omniroute-cache") is None
    assert asked(upstream, text) - embedded(upstream, text) == 2
    name = near.headers["x-omniroute-request-id"]
    hit = until("the row", lambda: next((row for row in usage.recent(here.store, 20) if row.id == name), None))
    assert (hit.replayed, hit.cost) == ("similar", 0.0)
    paid = next(row for row in usage.recent(here.store, 20) if row.path == "/v1/embeddings")
    assert (paid.model_served, paid.input, paid.status) == ("em/words", 4, 200)
    until("it is on the disk", lambda: ctl(here, "cache", "stats")["similar"]["entries"])
    assert ctl(here, "cache", "stats")["similar"]["hits"] >= 1


def test_a_model_that_is_late_or_away_costs_no_answer(
    here: Gateway, upstream: Upstream, similar: Callable[..., None]
) -> None:
    for model in ("late/words", "groq/words"):  # nobody has an account there
        similar(model, **{"cache.similar_timeout": "0.1"})
        text = fresh()
        assert [ask(here, "openai", text).headers["x-omniroute-cache"] for _ in range(2)] == ["MISS", "HIT"]
        assert asked(upstream, text) - embedded(upstream, text) == 1


def test_answers_outlive_a_restart_and_are_sealed(
    upstream: Upstream, tmp_path: Path, gateway: Callable[..., Gateway]
) -> None:
    text = fresh()
    running = gateway(setup=setup(upstream))
    first = ask(running, "claude", text)
    until("it is on the disk", lambda: ctl(running, "cache", "stats")["entries"] == 1)
    running.stop()
    told = first.json()["content"][0]["text"].encode()
    assert not any(told in path.read_bytes() for path in (tmp_path / "data").glob("storage.sqlite*"))
    again = gateway()
    hit = until("it is read", lambda: (r := ask(again, "claude", text)).headers["x-omniroute-cache"] == "HIT" and r)
    assert hit.content == first.content


def test_the_official_clients_read_hits(here: Gateway, upstream: Upstream, two_keys: tuple[str, str]) -> None:
    text, key = fresh(), two_keys[0]
    with openai.OpenAI(base_url=here.url + "/v1", api_key=key, max_retries=0) as client:
        turns: Any = [{"role": "user", "content": text}]
        chat = partial(client.chat.completions.create, model=model("openai", "ok"), temperature=0, messages=turns)
        assert chat() == chat()
        answer = partial(client.responses.create, model=model("responses", "ok"), temperature=0, input=text)
        assert answer() == answer()
    with anthropic.Anthropic(base_url=here.url, api_key=key, max_retries=0) as claude:
        cold: Any = {"temperature": 0}  # its newest SDK has no argument for that
        say = partial(claude.messages.create, model=model("claude", "ok"), max_tokens=9, messages=turns)
        assert say(extra_body=cold) == say(extra_body=cold)
    with genai.Client(api_key=key, http_options={"base_url": here.url}) as google:
        config: Any = {"temperature": 0}
        tell = partial(google.models.generate_content, model=model("gemini", "ok"), contents=text, config=config)
        assert tell().text == tell().text
    assert asked(upstream, text) == 4
