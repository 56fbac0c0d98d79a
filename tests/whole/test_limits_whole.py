"""Limits of accounts, through a real gateway: the upstream counts, clients wait, leave, are refused."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from harness import PATIENCE, Asked, Gateway, Upstream, until

from omniroute.cli import main
from omniroute.config.model import Limit
from omniroute.store.config import combos, limits, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage

CLIENTS, AT_ONCE, QUEUE = 32, 4, 40
WAYS: dict[str, tuple[str, Limit]] = {
    "crowd": ("slow:0.01", Limit(concurrency=AT_ONCE)),
    "whole": ("wait:0.05", Limit(concurrency=AT_ONCE)),
    "gap": ("ok", Limit(gap=0.1)),
    "minute": ("ok", Limit(rpm=3)),
    "stuck": ("hang", Limit(concurrency=1)),
    "full": ("hang-headers", Limit(concurrency=1)),
    "late": ("hang-byte", Limit(concurrency=1)),
    "steady": ("wait:1", Limit(concurrency=1)),
    "broken": ("500", Limit(concurrency=1)),
    "edited": ("hang-late", Limit(concurrency=1)),
    "free": ("ok", Limit()),
    "spent": ("spent:2", Limit()),
}


@pytest.fixture(scope="module")
def here(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        for name, (behaviour, limit) in WAYS.items():
            nodes.add(store, name, "openai", f"{upstream.base(behaviour)}/{name}/v1")
            limits.put(store, f"node:{name}", limit)
        combos.add(store, "either", ["stuck/m", "free/m"])
        settings.put(store, "queue.size", str(QUEUE))
        settings.put(store, "cooldowns", "off")

    with Gateway.start(
        tmp_path_factory.mktemp("limits"), options={"omniroute_keepalive": "0.2"}, setup=setup
    ) as gateway:
        yield gateway


def body(model: str, *, stream: bool = False, text: str = "hello") -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def ask(gateway: Gateway, model: str, **how: Any) -> httpx.Response:
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json=body(model, **how), timeout=PATIENCE, trust_env=False)


def begin(gateway: Gateway, model: str, **how: Any) -> socket.socket:
    """Ask, and leave the answer to itself."""
    raw = json.dumps(body(model, **how)).encode()
    sock = socket.create_connection(("127.0.0.1", gateway.runtime["port"]))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n"
    sock.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + raw)
    return sock


def asked(upstream: Upstream, name: str) -> list[Asked]:
    return [one for one in upstream.asked() if f"/{name}/v1" in one.path]


def shown(gateway: Gateway, name: str) -> dict[str, Any]:
    """Give what `limits show` says of a node in another process."""
    result = CliRunner().invoke(main, ["limits", "show", name, "--json", "--data-dir", str(gateway.data_dir)])
    assert result.exit_code == 0, result.output
    [row] = json.loads(result.stdout)
    found: dict[str, Any] = row
    return found


def until_shown(gateway: Gateway, name: str, **wanted: int) -> None:
    def look() -> bool:
        row = shown(gateway, name)
        return all(row[what] == number for what, number in wanted.items())

    until(f"{name} has {wanted}", look)


def refusal(response: httpx.Response) -> tuple[int, str, int]:
    return response.status_code, response.json()["error"]["code"], int(response.headers["retry-after"])


@pytest.mark.parametrize(("name", "stream"), [("crowd", True), ("whole", False)])
def test_no_more_at_once_than_are_allowed_streams_included(
    here: Gateway, upstream: Upstream, name: str, stream: bool
) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = list(pool.map(lambda _: ask(here, f"{name}/m", stream=stream), range(CLIENTS)))
    assert {reply.status_code for reply in replies} == {200}
    assert all("[DONE]" in reply.text for reply in replies if stream)
    found = asked(upstream, name)
    assert len(found) == CLIENTS
    assert max(one.at_once for one in found) == AT_ONCE
    until_shown(here, name, in_flight=0, waiting=0)


def test_two_requests_keep_their_distance(here: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert {reply.status_code for reply in pool.map(lambda _: ask(here, "gap/m"), range(6))} == {200}
    at = [one.at for one in asked(upstream, "gap")]
    assert at[-1] - at[0] > 0.3


def test_when_the_minute_is_used_up_nobody_waits_in_vain(here: Gateway, upstream: Upstream) -> None:
    assert [ask(here, "minute/m").status_code for _ in range(3)] == [200] * 3
    status, code, wait = refusal(ask(here, "minute/m"))
    assert (status, code) == (429, "limit_reached")
    assert 30 < wait <= 60, "longer than the queue's deadline"
    assert len(asked(upstream, "minute")) == 3
    until_shown(here, "minute", last_minute=3)
    explained = CliRunner().invoke(main, ["route", "explain", "minute/m", "--json", "--data-dir", str(here.data_dir)])
    assert json.loads(explained.stdout)["targets"][0]["limited"] == "3 of 3 requests a minute"


def test_who_leaves_the_queue_is_never_sent(here: Gateway, upstream: Upstream) -> None:
    first = begin(here, "stuck/m", text="first")
    until_shown(here, "stuck", in_flight=1, waiting=0)
    second = begin(here, "stuck/m", text="second", stream=True)
    until_shown(here, "stuck", waiting=1)
    third = begin(here, "stuck/m", text="third")
    until_shown(here, "stuck", waiting=2)
    second.close()
    until_shown(here, "stuck", in_flight=1, waiting=1)
    first.close()
    until("the third is sent", lambda: len(asked(upstream, "stuck")) == 2)
    assert [one.json["messages"][0]["content"] for one in asked(upstream, "stuck")] == ["first", "third"]
    third.close()
    until_shown(here, "stuck", in_flight=0, waiting=0)


def test_who_is_at_its_limit_is_passed_over_while_another_can_be_asked(here: Gateway) -> None:
    with begin(here, "stuck/m"):
        until_shown(here, "stuck", in_flight=1)
        reply = ask(here, "either")
        assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "free/m")
        assert reply.headers["x-omniroute-attempts"] == "1"
    row = until("its row", lambda: next((r for r in usage.recent(here.store, 9) if r.model_asked == "either"), None))
    assert [(one.target, one.outcome) for one in row.attempts] == [("stuck/m", "limited"), ("free/m", "ok")]
    assert row.attempts[0].detail == "it is at its limit of 1 at once"
    until_shown(here, "stuck", in_flight=0)


def test_beyond_the_queue_nobody_waits(here: Gateway, upstream: Upstream) -> None:
    with ExitStack() as stack:
        for _ in range(QUEUE + 1):
            stack.enter_context(begin(here, "full/m"))
        until_shown(here, "full", in_flight=1, waiting=QUEUE)
        assert refusal(ask(here, "full/m")) == (429, "queue_full", 5)
    until_shown(here, "full", in_flight=0, waiting=0)


def test_who_waits_in_the_queue_is_kept(here: Gateway) -> None:
    with begin(here, "steady/m"):
        until_shown(here, "steady", in_flight=1)
        reply = ask(here, "steady/m", stream=True)
    assert reply.status_code == 200
    still, _, rest = reply.text.partition("data:")
    assert still.count(": keep-alive") >= 2
    assert "[DONE]" in rest


def test_a_failure_frees_its_place(here: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: ask(here, "broken/m", stream=bool(n % 2)), range(8)))
    for reply in replies:  # a stream that had to wait has begun before
        assert reply.status_code == 500 or "error" in json.loads(reply.text.partition("data: ")[2].partition("\n")[0])
    assert {one.at_once for one in asked(upstream, "broken")} == {1}


def test_limits_and_deadlines_that_are_edited_act_at_once(here: Gateway) -> None:
    with begin(here, "edited/m", stream=True) as _, begin(here, "edited/m", stream=True) as _:
        until_shown(here, "edited", in_flight=1, waiting=1)
        settings.put(here.store, "deadlines.queue", "0.3")
        in_force = f"configuration revision {here.store.revision()} is in force"
        until("the deadline is in force", lambda: in_force in here.log())
        status, code, _ = refusal(ask(here, "edited/m"))
        assert (status, code) == (429, "queue_timeout")
        limits.put(here.store, "node:edited", Limit(concurrency=2))
        until_shown(here, "edited", in_flight=2, waiting=0)
        settings.unset(here.store, "deadlines.queue")
    until_shown(here, "edited", in_flight=0)


def test_a_provider_that_says_no_request_is_left_is_left_alone(here: Gateway, upstream: Upstream) -> None:
    assert ask(here, "spent/m").status_code == 200
    until("it is learned", lambda: shown(here, "spent")["shut"])
    assert ask(here, "spent/m").status_code == 200
    first, second = (one.at for one in asked(upstream, "spent"))
    assert second - first > 1.5


def test_a_gateway_that_is_killed_and_started_anew_still_counts_the_minute(
    gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    def setup(store: Store) -> None:
        nodes.add(store, "few", "openai", f"{upstream.base('ok')}/few/v1")
        limits.put(store, "node:few", Limit(rpm=3))

    before = gateway(setup=setup)
    assert [ask(before, "few/m").status_code for _ in range(3)] == [200] * 3
    until_shown(before, "few", last_minute=3)
    before.kill()
    assert refusal(ask(gateway(), "few/m"))[:2] == (429, "limit_reached")


@pytest.mark.parametrize("most", [0, 10], ids=["no room in the queue", "in the queue"])
def test_who_waits_in_the_queue_goes_to_another_that_may_be_asked_sooner(
    lent: Callable[..., Gateway], upstream: Upstream, most: int
) -> None:
    def setup(store: Store) -> None:
        nodes.add(store, "stuck", "openai", f"{upstream.base('hang')}/sooner{most}/v1")
        nodes.add(store, "told", "openai", f"{upstream.base('429:1,ok')}/sooner{most}/v1")
        limits.put(store, "node:stuck", Limit(concurrency=1))
        combos.add(store, "either", ["stuck/m", "told/m"])
        settings.put(store, "queue.size", str(most))

    later = 2 * PATIENCE  # than this test's clients wait: nothing comes by the queue's own deadline
    running = lent(setup=setup, deadlines={"queue": later, "total": 2 * later})
    with begin(running, "stuck/m"):
        until_shown(running, "stuck", in_flight=1)
        assert ask(running, "told/m").status_code == 429
        reply = ask(running, "either")
    assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "told/m")
