"""A real gateway asks a second target beside one that is late: who is answered by whom, and what stays of the other."""

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from harness import PATIENCE, Gateway, Upstream, leave, until
from scripted import replies
from shared_gateway import SharedGateway

from omniroute.config.model import Limit
from omniroute.config.settings import RetrySettings
from omniroute.routing.hedging import ENOUGH
from omniroute.store.config import combos, keys, limits, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage

SAY: Any = [{"role": "user", "content": "hello"}]
KEYS: list[str] = []
TEXT = replies.text("m")
LATE = {"late": "hang", "slow": "wait:0.6"}
"""What becomes of those who have answered at once, as often as has to be known before anything is late."""


@pytest.fixture(scope="module")
def here(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway) -> Iterator[Gateway]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        KEYS.append(keys.create(store, "sdk")[1])
        settings.put(store, "cooldowns", "off")
        settings.put(store, "hedge.least", "0.2")
        settings.put(store, "hedge.share", "1")
        for name, dialect, behaviour in (
            ("late", "openai", "ok"),
            ("slow", "openai", "ok"),
            ("other", "claude", "ok"),
            ("hang", "openai", "hang"),
            ("bad", "openai", "400"),
        ):
            nodes.add(store, name, dialect, f"{upstream.base(behaviour)}/v1")
            limits.put(store, f"node:{name}", Limit(concurrency=1))  # what is not let go of is missed by the next
        hedged = RetrySettings(hedge=True, deadlines={"first_content": 1.5})
        combos.add(store, "second", ["late/m", "other/m"], tries=hedged)
        combos.add(store, "first", ["slow/m", "hang/m"], tries=hedged)
        combos.add(store, "alone", ["slow/m", "bad/m"], tries=hedged)
        combos.add(store, "stopped", ["late/m", "bad/m", "other/m"], tries=hedged)
        combos.add(store, "both", ["late/m", "hang/m"], tries=RetrySettings(hedge=True))
        combos.add(store, "plain", ["late/m", "other/m"], tries=RetrySettings(deadlines={"first_content": 2}))

    with shared_gateway.lend(setup=setup) as gateway:
        with httpx.Client(trust_env=False) as client:
            for name in LATE:
                for n in range(2 * ENOUGH):
                    body = {"model": f"{name}/m", "messages": SAY, "stream": n % 2 == 0}
                    assert client.post(f"{gateway.url}/v1/chat/completions", json=body).status_code == 200
        for name, behaviour in LATE.items():
            nodes.edit(gateway.store, name, base_url=f"{upstream.base(behaviour)}/v1")
        in_force = f"configuration revision {gateway.store.revision()} is in force"
        until("it is in force", lambda: in_force in gateway.log())
        yield gateway


def ask(gateway: Gateway, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": SAY, **more}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=PATIENCE, trust_env=False)


def outcomes(gateway: Gateway, reply: httpx.Response) -> list[str]:
    """Give what became of the attempts of an exchange, once it is in the log."""
    return [one.outcome for one in row_of(gateway, reply).attempts]


def row_of(gateway: Gateway, reply: httpx.Response) -> usage.UsageRow:
    name = reply.headers["x-omniroute-request-id"]
    return until("its row", lambda: next((row for row in usage.recent(gateway.store, 3) if row.id == name), None))


@pytest.fixture(autouse=True)
def ended(here: Gateway, upstream: Upstream) -> Iterator[None]:
    """Leave no upstream with anything to do."""
    yield
    until("the upstreams are left alone", lambda: upstream.stats()["in_flight"] == 0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_second_answers_where_the_first_is_late(here: Gateway, upstream: Upstream, stream: bool) -> None:
    reply = ask(here, "second", stream=stream)
    assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "other/m")
    assert (reply.headers["x-omniroute-hedged"], reply.headers["x-omniroute-attempts"]) == ("true", "2")
    assert outcomes(here, reply) == ["hedged", "ok"]
    row = row_of(here, reply)
    assert row.attempts[1].detail.startswith("asked beside another that was late, after 0.")
    assert (row.model_served, row.status) == ("other/m", 200)
    until("it is cancelled", lambda: [asked.cancelled for asked in upstream.asked()[-2:]] == [True, False])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_first_answers_where_it_is_the_first_to_say_something(here: Gateway, stream: bool) -> None:
    reply = ask(here, "first", stream=stream)
    assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "slow/m")
    assert reply.headers["x-omniroute-hedged"] == "true"
    assert outcomes(here, reply) == ["ok", "hedged"]


def test_the_first_goes_on_alone_where_the_second_refuses(here: Gateway) -> None:
    reply = ask(here, "alone")
    assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "slow/m")
    assert outcomes(here, reply) == ["ok", "400"]


def test_a_refusal_that_all_would_give_is_told_when_the_other_has_failed_too(here: Gateway) -> None:
    reply = ask(here, "stopped")
    assert reply.status_code == 400
    assert reply.headers["x-omniroute-route"] == "bad/m"
    assert outcomes(here, reply) == ["deadline first content", "400"]


def test_what_the_second_has_said_is_kept_for_whoever_asks_the_same(here: Gateway) -> None:
    asked = [ask(here, "second", temperature=0) for _ in range(2)]
    assert [reply.headers["x-omniroute-cache"] for reply in asked] == ["MISS", "HIT"]
    assert [reply.headers["x-omniroute-route"] for reply in asked] == ["other/m"] * 2
    assert asked[0].content == asked[1].content
    assert "x-omniroute-hedged" not in asked[1].headers


def test_it_is_off_unless_somebody_wants_it(here: Gateway) -> None:
    reply = ask(here, "plain")
    assert reply.headers["x-omniroute-route"] == "other/m"
    assert "x-omniroute-hedged" not in reply.headers
    assert outcomes(here, reply) == ["deadline first content", "ok"]


def test_a_client_that_leaves_has_both_cancelled(here: Gateway, upstream: Upstream) -> None:
    upstream.clear()
    body = {"model": "both", "messages": SAY}
    leave(here.url, "/v1/chat/completions", body, when=lambda: len(upstream.asked()) == 2)
    row = until("its row", lambda: next((r for r in usage.recent(here.store, 1) if r.model_asked == "both"), None))
    assert [one.outcome for one in row.attempts] == ["client_gone"] * 2
    until("both are cancelled", lambda: [asked.cancelled for asked in upstream.asked()] == [True, True])


def test_the_sdks_notice_nothing(here: Gateway, no_proxies: None) -> None:
    with openai.OpenAI(base_url=f"{here.url}/v1", api_key=KEYS[0], max_retries=0) as chat:
        chunks = chat.chat.completions.create(model="second", messages=SAY, stream=True)
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert said == TEXT
        assert chat.responses.create(model="second", input="hello").output_text == TEXT
    with (
        anthropic.Anthropic(base_url=here.url, api_key=KEYS[0], max_retries=0) as claude,
        claude.messages.stream(model="second", max_tokens=50, messages=SAY) as stream,
    ):
        assert stream.get_final_text() == TEXT
    options = genai.types.HttpOptions(base_url=here.url)
    with genai.Client(api_key=KEYS[0], http_options=options) as google:
        pieces = google.models.generate_content_stream(model="second", contents="hello")
        assert "".join(piece.text or "" for piece in pieces) == TEXT
