"""A gateway while it runs: what others change, what it writes down, what mitmweb shows, and how it ends."""

import json
import os
import signal
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies

from omniroute.catalog.pricing import cost
from omniroute.catalog.providers import find
from omniroute.dialects.ir import Usage
from omniroute.store.config import accounts, combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

TURN = [{"role": "user", "content": "hello"}]
"""Seconds in which a change must be seen on the busiest machine; 0.2 is what is meant."""


def setup(store: Store, upstream: Upstream) -> None:
    nodes.add(store, "up", "openai", f"{upstream.url}/v1")
    nodes.add(store, "cl", "claude", f"{upstream.url}/v1")
    accounts.add(store, "openai", api_key="sk-of-the-test", name="paid", base_url=f"{upstream.url}/v1")
    combos.add(store, "duo", ["up/503", "up/ok"])


@pytest.fixture(scope="module")
def running(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    upstream = _upstreams()
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway.start(folder, setup=lambda store: setup(store, upstream)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def web(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    upstream = _upstreams()
    folder = tmp_path_factory.mktemp("gateway")
    options = {"omniroute_keep_flows": "5"}
    with Gateway.start(folder, tool="mitmweb", options=options, setup=lambda s: setup(s, upstream)) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str, *, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"model": model, "messages": TURN, **more}
    return httpx.post(f"{gateway.url}{path}", json=body, headers=headers, timeout=PATIENCE, trust_env=False)


def logged(gateway: Gateway, reply: httpx.Response) -> usage.UsageRow:
    """Give the log row of an answer; the client may be served before the row is on disk."""
    id = reply.headers["x-omniroute-request-id"]
    return until(
        "the exchange is logged",
        lambda: next((row for row in usage.recent(gateway.store, 50) if row.id == id), None),
    )


def test_a_translated_request_asks_for_no_more_than_its_model_can_say(running: Gateway, upstream: Upstream) -> None:
    reply = ask(running, "openai/gpt-4o", path="/v1/messages", max_tokens=64_000)
    assert json.loads(upstream.asked()[-1].body)["max_tokens"] == 16_384
    assert reply.headers["x-omniroute-dropped"] == "max_tokens"


# ---- what another process changes


@pytest.fixture
def seen(running: Gateway) -> Callable[..., None]:
    """Wait until the gateway answers with a status."""

    def wait(status: int, model: str, **how: Any) -> None:
        until(f"{status} for {model}", lambda: ask(running, model, **how).status_code == status)

    return wait


def test_changes_by_another_process_act_at_once(
    running: Gateway, upstream: Upstream, seen: Callable[..., None]
) -> None:
    store = running.store
    assert ask(running, "late/ok").status_code == 400
    nodes.add(store, "late", "openai", f"{upstream.url}/v1")
    seen(200, "late/ok")
    combos.add(store, "late-combo", ["late/ok"])
    seen(200, "late-combo")
    account = accounts.add(store, "late", api_key="the-late-key-of-this-account")
    until(
        "the new account's key is sent",
        lambda: ask(running, "late/ok") and "the-late-key" in upstream.asked()[-1].headers.get("authorization", ""),
    )
    accounts.set_enabled(store, account.id, False)
    seen(503, "late/ok")
    accounts.set_enabled(store, account.id, True)
    seen(200, "late/ok")
    combos.remove(store, "late-combo")
    seen(400, "late-combo")
    nodes.remove(store, "late")
    seen(400, "late/ok")


def test_keys_act_and_end_at_once(running: Gateway, seen: Callable[..., None]) -> None:
    key, shown = keys.create(running.store, "short-lived")
    headers = {"authorization": f"Bearer {shown}"}
    seen(200, "up/ok", headers=headers)
    assert logged(running, ask(running, "up/ok", headers=headers)).key_name == "short-lived"
    keys.revoke(running.store, key.id)
    seen(401, "up/ok", headers=headers)


def test_a_request_in_flight_keeps_what_it_began_with(running: Gateway, upstream: Upstream) -> None:
    nodes.add(running.store, "going", "openai", f"{upstream.url}/v1")
    until("the node is there", lambda: ask(running, "going/ok").status_code == 200)
    upstream.clear()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(ask(running, "going/wait:3")))
    asking.start()
    until("it is asked", upstream.asked)
    nodes.remove(running.store, "going")
    until("the node is gone", lambda: ask(running, "going/ok").status_code == 400)
    asking.join()
    assert answers[0].status_code == 200


# ---- the log


def test_a_row_for_a_whole_reply(running: Gateway) -> None:
    before = time.time()
    row = logged(running, ask(running, "up/wait:0.1"))
    assert (row.status, row.error, row.streamed) == (200, None, False)
    assert (row.input, row.output, row.cache_read) == (replies.INPUT, replies.OUTPUT, replies.CACHED)
    assert (row.provider, row.account_name, row.model_asked, row.combo) == ("up", "no key", "up/wait:0.1", None)
    assert (row.client_dialect, row.upstream_dialect, row.path) == ("openai", "openai", "/v1/chat/completions")
    assert before - 0.01 <= row.at <= time.time()
    assert row.ttft_ms
    assert row.overhead_ms is not None
    assert 100 <= row.ttft_ms <= row.latency_ms
    assert 0 <= row.overhead_ms < row.ttft_ms
    (attempt,) = row.attempts
    assert (attempt.target, attempt.outcome, attempt.status) == ("up/wait:0.1", "ok", 200)
    assert 100 <= attempt.ms <= row.latency_ms


def test_a_row_for_a_stream(running: Gateway) -> None:
    row = logged(running, ask(running, "up/slow:0.02", stream=True))
    assert row.streamed
    assert (row.status, row.output) == (200, replies.OUTPUT)
    assert row.ttft_ms
    pause = 20 * len(replies.words(replies.text("slow:0.02")))
    assert row.latency_ms - row.ttft_ms >= pause * 0.8


def test_a_row_for_a_claude_client(running: Gateway) -> None:
    for stream in (False, True):
        row = logged(running, ask(running, "cl/ok", path="/v1/messages", max_tokens=5, stream=stream))
        assert (row.input, row.output, row.cache_read) == (replies.INPUT, replies.OUTPUT, replies.CACHED)
        assert (row.client_dialect, row.upstream_dialect) == ("claude", "claude")


def test_a_row_with_attempts(running: Gateway) -> None:
    row = logged(running, ask(running, "duo"))
    assert (row.status, row.combo, row.model_asked) == (200, "duo", "duo")
    first, second = row.attempts
    assert (first.target, first.outcome, first.status) == ("up/503", "503", 503)
    assert "told to answer 503" in first.detail
    assert (second.target, second.outcome, second.status, second.detail) == ("up/ok", "ok", 200, "")
    assert row.latency_ms >= first.ms + second.ms


def test_rows_for_what_failed(running: Gateway) -> None:
    row = logged(running, ask(running, "up/500"))
    assert row.status == 500
    assert row.error
    assert "up/500" in row.error
    assert (row.input, row.output, row.cost, row.ttft_ms) == (None, None, None, None)
    row = logged(running, ask(running, "nobody/m"))
    assert (row.status, row.provider, row.attempts) == (400, None, ())
    url = f"{running.url}/v1/chat/completions"
    row = logged(running, httpx.post(url, content=b"{", timeout=PATIENCE, trust_env=False))
    assert (row.status, row.model_asked, row.attempts) == (400, "", ())
    refused = ask(running, "up/ok", headers={"x-api-key": "nobody"})
    assert refused.status_code == 401
    assert logged(running, ask(running, "up/ok"))
    # Whoever is not let in cannot fill the log either.
    assert refused.headers["x-omniroute-request-id"] not in {row.id for row in usage.recent(running.store, 50)}


def test_a_row_for_a_client_that_left(running: Gateway) -> None:
    body = {"model": "up/hang-late", "messages": TURN, "stream": True}
    url = f"{running.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=PATIENCE, trust_env=False) as reply:
        next(reply.iter_raw())
    row = logged(running, reply)
    assert (row.status, row.error) == (499, "the client left")
    assert [attempt.outcome for attempt in row.attempts] == ["client_gone"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_cost_is_known_where_there_is_a_price(running: Gateway, upstream: Upstream, stream: bool) -> None:
    openai = find("openai", ())
    assert openai
    counted = Usage(replies.INPUT, replies.OUTPUT, replies.CACHED)
    price = cost(openai, "gpt-4o", counted, datetime.now(UTC))
    assert price
    for name in ("openai/gpt-4o", "gpt-4o"):
        row = logged(running, ask(running, name, stream=stream))
        assert row.cost == pytest.approx(price)
        assert (row.provider, row.account_name) == ("openai", "paid")
    assert upstream.asked()[-1].headers["authorization"] == "Bearer sk-of-the-test"
    for name in ("up/gpt-4o", "openai/a-model-of-tomorrow"):
        row = logged(running, ask(running, name, stream=stream))
        assert row.output == replies.OUTPUT
        assert row.cost is None, "an unknown price is unknown, not nothing"


# ---- mitmweb


@pytest.fixture
def window(web: Gateway) -> Iterator[httpx.Client]:
    """Look into mitmweb as its user, logged in by the address that the gateway gave."""
    with httpx.Client(base_url=web.web_url.partition("/?")[0], timeout=PATIENCE, trust_env=False) as client:
        assert client.get("/flows").status_code == 403
        assert client.get(web.web_url).status_code == 200
        yield client


def shown(window: httpx.Client, reply: httpx.Response) -> dict[str, Any]:
    """Give mitmweb's flow for an answer, found by the id that is in both."""
    id = reply.headers["x-omniroute-request-id"]

    def look() -> dict[str, Any] | None:
        for flow in window.get("/flows").json():
            response = flow.get("response") or {}
            if flow.get("comment") and ["x-omniroute-request-id", id] in response.get("headers", []):
                return dict(flow)
        return None

    return until("mitmweb shows the flow", look)


def test_a_flow_shows_the_upstreams_request(web: Gateway, window: httpx.Client, upstream: Upstream) -> None:
    flow = shown(window, ask(web, "up/m"))
    request = flow["request"]
    assert (request["host"], request["port"], request["path"]) == (
        "127.0.0.1",
        upstream.client.base_url.port,
        "/v1/chat/completions",
    )
    body = window.get(f"/flows/{flow['id']}/request/content.data").json()
    assert body == upstream.asked()[0].json
    assert body["model"] == "m"
    assert flow["comment"] == f"up/m → up/m (no key) · {replies.INPUT} in, {replies.OUTPUT} out · cost unknown"
    assert not flow["marked"]


def test_a_fallback_is_marked_and_told(web: Gateway, window: httpx.Client) -> None:
    flow = shown(window, ask(web, "duo", stream=True))
    assert flow["comment"].startswith("duo → up/503 (no key) ✗ 503 → up/ok (no key) · ")
    assert flow["marked"] == "↩"


def test_a_comment_says_the_cost(web: Gateway, window: httpx.Client) -> None:
    assert "out · $0.0" in shown(window, ask(web, "gpt-4o"))["comment"]


def test_a_refusal_is_told(web: Gateway, window: httpx.Client) -> None:
    assert "nobody" in shown(window, ask(web, "nobody/m"))["comment"]


def test_both_sides_beside_each_other(web: Gateway, window: httpx.Client) -> None:
    flow = shown(window, ask(web, "up/m", stream=True))
    view = window.get(f"/flows/{flow['id']}/request/content/omniroute").json()
    assert view["view_name"] == "omniroute"
    head, _, *lines = view["text"].splitlines()
    assert [part.strip() for part in head.split("│")] == ["client (openai)", "upstream (openai, up/m)"]
    (model,) = [line for line in lines if '"model"' in line]
    left, _, right = model.partition("┃")
    assert '"up/m"' in left
    assert '"m"' in right
    assert not [line for line in lines if "hello" in line and "┃" in line]
    assert [line for line in lines if "include_usage" in line and "┃" in line]
    view = window.get(f"/flows/{flow['id']}/response/content/omniroute").json()
    head, _, *lines = view["text"].splitlines()
    assert [part.strip() for part in head.split("│")] == ["client (openai)", "upstream"]
    assert [line for line in lines if "prompt_tokens" in line], "the usage that only the gateway asked for"


def test_old_flows_go(web: Gateway, window: httpx.Client) -> None:
    sent = [ask(web, "up/ok").headers["x-omniroute-request-id"] for _ in range(12)]

    def kept() -> list[str] | None:
        flows = window.get("/flows").json()
        ids = [dict(flow["response"]["headers"])["x-omniroute-request-id"] for flow in flows]
        return ids if len(ids) == 5 else None

    assert sorted(until("five flows are left", kept)) == sorted(sent[-5:])


# ---- the end


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_runtime_json_is_private_and_goes_with_the_gateway(
    gateway: Callable[..., Gateway], tmp_path: Path, sign: signal.Signals
) -> None:
    running = gateway()
    path = tmp_path / "data/runtime.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = json.loads(path.read_text(encoding="utf-8"))
    assert set(said) == {"pid", "host", "port", "web_url", "started_at", "version"}
    assert said["host"] == "127.0.0.1"
    for file in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    os.kill(running.process.pid, sign)
    assert running.process.wait(PATIENCE) == 0
    assert not path.exists()


def test_what_was_asked_is_logged_before_the_end(gateway: Callable[..., Gateway], upstream: Upstream) -> None:
    running = gateway(setup=lambda store: setup(store, upstream))
    body = {"model": "up/ok", "messages": TURN}
    with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as client:
        answers = [client.post("/v1/chat/completions", json=body) for _ in range(50)]
        sent = {answer.headers["x-omniroute-request-id"] for answer in answers}
        hangs = body | {"model": "up/hang-late", "stream": True}
        with client.stream("POST", "/v1/chat/completions", json=hangs) as cut:
            pieces = cut.iter_bytes()  # one that is let go hangs up
            next(pieces)
            data_dir = running.data_dir
            running.stop()
    with closing(Store(data_dir)) as store:
        rows = {row.id: row for row in usage.recent(store, 100)}
    stopped = rows.pop(cut.headers["x-omniroute-request-id"])
    assert set(rows) == sent
    assert (stopped.status, stopped.error) == (503, "the gateway was stopped")
    assert [attempt.detail for attempt in stopped.attempts] == ["the gateway was stopped"]


def test_a_power_cut_leaves_a_sound_database(
    gateway: Callable[..., Gateway], upstream: Upstream, tmp_path: Path
) -> None:
    running = gateway(setup=lambda store: setup(store, upstream))
    answered: list[str] = []
    over = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=running.url, timeout=PATIENCE, trust_env=False) as client:
            while not over.is_set():
                try:
                    reply = client.post("/v1/chat/completions", json={"model": "duo", "messages": TURN})
                except httpx.TransportError:
                    return
                answered.append(reply.headers["x-omniroute-request-id"])

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    until("there is something to lose", lambda: len(answered) > 100)
    early = set(answered)
    until("they are on the disk", lambda: early <= {row.id for row in usage.recent(running.store, 100_000)})
    running.kill()  # in the middle of writing others
    over.set()
    for thread in threads:
        thread.join()
    with closing(sqlite3.connect(running.data_dir / "storage.sqlite")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    with closing(Store(running.data_dir)) as store:
        kept = {row.id for row in usage.recent(store, 100_000)}
    assert early <= kept
    assert (running.data_dir / "runtime.json").exists()
    again = gateway()
    assert ask(again, "duo").status_code == 200
