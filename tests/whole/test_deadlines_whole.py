"""Deadlines that are set while the gateway runs: whose counts, and what the client is told."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from click.testing import CliRunner
from harness import PATIENCE, Gateway, Upstream, until
from shared_gateway import SharedGateway

from omniroute.cli import main
from omniroute.config.model import Limit
from omniroute.config.settings import RetrySettings
from omniroute.store.config import combos, keys, limits, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage

PATHS = {"openai": "/v1/chat/completions", "claude": "/v1/messages"}
KEYS: list[str] = []
SAY: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def here(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway) -> Iterator[Gateway]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        KEYS.append(keys.create(store, "sdk")[1])
        settings.put(store, "cooldowns", "off")
        for name, behaviour in (
            *(("hang", "hang"), ("late", "hang-late"), ("own", "hang"), ("ok", "ok"), ("slow", "slow:0.1")),
            *(("edited", "hang"), ("o3", "hang"), ("busy", "hang")),
        ):
            nodes.add(store, name, "openai", f"{upstream.base(behaviour)}/v1")
        limits.put(store, "node:busy", Limit(concurrency=1))
        settings.put(store, "deadlines.own.first_content", "0.2")
        settings.put(store, "deadlines.own.first_byte", "0.2")
        settings.put(store, "deadlines.busy.queue", "0.3")
        for name, model in (("late", "late/m"), ("slow", "slow/m"), ("hang", "hang/m")):
            combos.add(store, f"quick-{name}", [model, "hang/again"], tries=RetrySettings(deadlines={"total": 0.5}))
        combos.add(store, "brave", ["own/m", "ok/m"])

    with shared_gateway.lend(setup=setup, deadlines={"connect": 5}) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str, *, dialect: str = "openai", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": SAY, "max_tokens": 50, **more}
    return httpx.post(f"{gateway.url}{PATHS[dialect]}", json=body, timeout=PATIENCE, trust_env=False)


def explained(gateway: Gateway, model: str, *more: str) -> list[dict[str, Any]]:
    command = ["route", "explain", model, "--json", "--data-dir", str(gateway.data_dir), *more]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["targets"]
    return found


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_when_the_time_for_all_attempts_is_over_it_is_504(here: Gateway, dialect: str, stream: bool) -> None:
    reply = ask(here, "quick-hang", dialect=dialect, stream=stream)
    assert reply.status_code == 504, reply.text
    assert "the deadline for the whole request of 0.5 s has passed" in reply.json()["error"]["message"]
    id = reply.headers["x-omniroute-request-id"]
    row = until("its row", lambda: next((row for row in usage.recent(here.store, 9) if row.id == id), None))
    assert [one.outcome for one in row.attempts] == ["deadline total"], "nobody else is asked"


@pytest.mark.parametrize("name", ["late", "slow"])
def test_in_the_middle_of_a_stream_the_sdks_raise_it(
    here: Gateway, upstream: Upstream, no_proxies: None, name: str
) -> None:
    with openai.OpenAI(base_url=f"{here.url}/v1", api_key=KEYS[0], max_retries=0) as client:
        chunks = client.chat.completions.create(model=f"quick-{name}", messages=SAY, stream=True)
        with pytest.raises(openai.APIError, match="whole request"):
            for _ in chunks:
                pass
    reply = ask(here, f"quick-{name}", dialect="claude", stream=True)
    assert reply.status_code == 200
    assert reply.text.rpartition("event: ")[2].startswith("error\n")
    until("the upstream is cancelled", lambda: upstream.stats()["in_flight"] == 0)


def test_a_providers_own_goes_before_the_one_for_all(here: Gateway) -> None:
    assert ask(here, "own/m").status_code == 504
    reply = ask(here, "brave", stream=True)
    assert (reply.status_code, reply.headers["x-omniroute-route"]) == (200, "ok/m")


def test_one_that_is_edited_holds_for_the_next_request(here: Gateway) -> None:
    settings.put(here.store, "deadlines.edited.first_content", "0.2")
    in_force = f"configuration revision {here.store.revision()} is in force"
    until("it is in force", lambda: in_force in here.log())
    assert ask(here, "edited/m").status_code == 504


def test_models_that_think_are_waited_for_longer(here: Gateway) -> None:
    [plain], [thinking] = explained(here, "own/m"), explained(here, "own/o3-mini")
    assert plain["deadlines"]["first_content"] == {"seconds": 0.2, "by": "own", "thinking": False}
    assert thinking["deadlines"]["first_content"]["seconds"] == pytest.approx(0.6)
    assert plain["deadlines"]["connect"] == thinking["deadlines"]["connect"] | {"seconds": 5}


def test_the_queue_has_one_by_provider_too(here: Gateway) -> None:
    body = json.dumps({"model": "busy/m", "messages": SAY}).encode()
    with socket.create_connection(("127.0.0.1", here.runtime["port"])) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        until("it is asked", lambda: limits.seen(here.store).in_use.get("node:busy"))
        reply = ask(here, "busy/m")
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "queue_timeout")
    assert "it has waited 0.3 s in the queue" in reply.json()["error"]["message"]
