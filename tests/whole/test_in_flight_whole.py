"""However an exchange ends, its account is busy with it no more."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from harness import PATIENCE, REPO, Gateway, Upstream, mitmproxy_command, until

from omniroute.config.model import Limit
from omniroute.routing.admission_queue import LimitUse
from omniroute.store.config import accounts, combos, limits, nodes, settings
from omniroute.store.db.database import Store

ENDINGS = ("ok", "wait:0.3", "slow:0.05", "500", "400", "429", "empty", "cut-first", "cut-late", "broken-json")
HANGS = ("hang", "hang-headers", "hang-byte", "hang-late", "slow:0.5")
OPTIONS = {"omniroute_keepalive": "0.2"}
LONG = {"first_content": 20, "first_byte": 20}


def node(behaviour: str) -> str:
    return behaviour.replace(":", "-")


def fill(store: Store, upstream: Upstream) -> None:
    for behaviour in (*ENDINGS, *HANGS):
        nodes.add(store, node(behaviour), "openai", f"{upstream.base(behaviour)}/v1")
        combos.add(store, f"via-{node(behaviour)}", [f"{node(behaviour)}/m", "ok/last"])
    nodes.add(store, "alone", "openai", f"{upstream.base('hang')}/v1")
    limits.put(store, "node:alone", Limit(concurrency=1))
    for strategy in ("p2c", "least-used", "round-robin"):
        nodes.add(store, strategy, "openai", f"{upstream.base('wait:0.5')}/v1")
        for name in "abcd":
            accounts.add(store, strategy, api_key=f"key-of-{name}", name=name)
        settings.put(store, f"strategy.{strategy}", strategy)


@pytest.fixture(scope="module")
def there(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    upstream, folder = _upstreams(), tmp_path_factory.mktemp("busy")
    command = [*mitmproxy_command("mitmdump", folder, OPTIONS), "-s", str(REPO / "tests/whole/spy.py")]
    environ = {"SPY": str(folder / "spy.json")}
    with Gateway.start(
        folder, command=command, environ=environ, setup=lambda store: fill(store, upstream), deadlines=LONG
    ) as gateway:
        yield gateway


def busy(gateway: Gateway) -> dict[str, int]:
    """Ask what each account is busy with now."""
    path = Path(gateway.data_dir.parent / "spy.json")
    path.unlink(missing_ok=True)
    gateway.process.send_signal(signal.SIGUSR1)
    found: dict[str, int] = json.loads(until("the spy writes", lambda: path.exists() and path.read_text("utf-8")))
    return found


def ask(gateway: Gateway, model: str, *, stream: bool = False, headers: dict[str, str] | None = None) -> int:
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    url = f"{gateway.url}/v1/chat/completions"
    try:
        return httpx.post(url, json=body, headers=headers, timeout=PATIENCE, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def begin(gateway: Gateway, model: str, *, stream: bool) -> socket.socket:
    """Ask, and leave the answer to itself."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
    raw = json.dumps(body).encode()
    sock = socket.create_connection(("127.0.0.1", gateway.runtime["port"]))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}"
    )
    sock.sendall(head.encode() + b"\r\n\r\n" + raw)
    return sock


def nobody_is_busy(gateway: Gateway) -> bool:
    return until("nobody is busy", lambda: not busy(gateway))


def test_every_ending_is_noticed(there: Gateway) -> None:
    asked = [
        (f"{way}{node(behaviour)}{'' if way else '/m'}", stream)
        for behaviour in ENDINGS
        for way in ("", "via-")
        for stream in (False, True)
    ]
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda how: ask(there, how[0], stream=how[1]), asked))
    assert told.count(200) > len(asked) // 3
    assert nobody_is_busy(there)


@pytest.mark.parametrize("stream", [False, True])
def test_who_hangs_up_leaves_nobody_busy(there: Gateway, stream: bool) -> None:
    socks = [begin(there, f"{node(behaviour)}/m", stream=stream) for behaviour in HANGS]
    until("all are busy", lambda: len(busy(there)) == len(HANGS))
    for sock in socks:
        sock.close()
    assert nobody_is_busy(there)


def test_a_hook_that_fails_leaves_nobody_busy(there: Gateway) -> None:
    assert ask(there, "ok/m", headers={"x-fail": "1"}) == 200
    assert nobody_is_busy(there)


@pytest.mark.parametrize("stream", [False, True])
def test_a_flow_that_a_person_ends_leaves_nobody_busy(there: Gateway, stream: bool) -> None:
    socks = [begin(there, f"{node(behaviour)}/m", stream=stream) for behaviour in ("wait:0.3", "slow:0.05")]
    until("both are busy", lambda: len(busy(there)) == 2)
    there.process.send_signal(signal.SIGUSR2)
    assert nobody_is_busy(there)
    for sock in socks:
        sock.close()


def test_who_is_killed_waits_for_nothing_any_more(there: Gateway) -> None:
    def held() -> tuple[int, int]:
        use, _ = limits.seen(there.store).in_use.get("node:alone", (LimitUse(0, 0, 0), 0.0))
        return use.in_flight, use.waiting

    socks = [begin(there, "alone/m", stream=stream) for stream in (False, True, False)]
    until("one hangs and two wait", lambda: held() == (1, 2))
    there.process.send_signal(signal.SIGUSR2)
    until("all are gone", lambda: held() == (0, 0))
    for sock in socks:
        assert not sock.recv(1), "its connection is closed"
        sock.close()


@pytest.mark.parametrize(("strategy", "most"), [("round-robin", 10), ("least-used", 8), ("p2c", 16)])
def test_32_at_once_are_spread(there: Gateway, upstream: Upstream, strategy: str, most: int) -> None:
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: ask(there, f"{strategy}/m"), range(32))) == {200}
    keys = [asked.headers["authorization"] for asked in upstream.asked()]
    assert len(keys) == 32
    assert len(set(keys)) == 4
    assert max(keys.count(key) for key in keys) <= most
    assert nobody_is_busy(there)
