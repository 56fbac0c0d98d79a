"""A flood of connections: all is bounded, and health is answered meanwhile."""

import asyncio
import re
import resource
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from harness import BIN, Gateway, mitmproxy_command

from omniroute.store.state import sessions

DESCRIPTORS = 1024
FLOOD = 2500
REQUESTS = 600


@pytest.fixture(scope="module", params=["mitmdump", "headless"])
def flooded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FLOOD + 500:
        pytest.skip("this machine allows too few descriptors for the test itself")
    folder = tmp_path_factory.mktemp("flooded")
    command = [str(BIN / "omniroute-ctl"), "--data-dir", str(folder / "data"), "serve", "--headless", "--port", "0"]
    if request.param == "mitmdump":
        command = mitmproxy_command("mitmdump", folder, {})
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FLOOD + 500), hard))
    try:
        shell = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", *command]
        with Gateway.start(folder, command=shell) as gateway:
            yield gateway
            assert "Unhandled error" not in gateway.log()
            assert "Too many open files" not in gateway.log()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def metrics(gateway: Gateway) -> dict[str, float]:
    headers = {"authorization": f"Bearer {sessions.token(gateway.store)}"}
    text = httpx.get(f"{gateway.url}/metrics", headers=headers, trust_env=False, timeout=30).text
    return {name: float(value) for name, value in re.findall(r"^(omniroute_\S+) (\S+)$", text, re.MULTILINE)}


async def exchange(host: str, port: int, request: bytes) -> int:
    """Return the status of one request on a connection of its own; 0 where it was closed."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        head = await reader.readline()
        return int(head.split()[1]) if head else 0
    except OSError:
        return 0
    finally:
        writer.close()


async def flood(host: str, port: int) -> tuple[Counter[int], Counter[int]]:
    probe = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    body = b'{"model": "nothing/here", "messages": [{"role": "user", "content": "hello"}]}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    ask = head % len(body) + body
    writers: list[asyncio.StreamWriter] = []
    health: Counter[int] = Counter()
    for _ in range(FLOOD // 100):
        opened = await asyncio.gather(
            *(asyncio.open_connection(host, port) for _ in range(100)), return_exceptions=True
        )
        writers += [each[1] for each in opened if isinstance(each, tuple)]
        health[await exchange(host, port, probe)] += 1
        await asyncio.sleep(0.12)  # the gateway makes room with what has been silent for 0.1 s
    statuses = Counter(await asyncio.gather(*(exchange(host, port, ask) for _ in range(REQUESTS))))
    health[await exchange(host, port, probe)] += 1
    for writer in writers:
        writer.close()
    return statuses, health


def test_a_flood_is_bounded(flooded: Gateway) -> None:
    statuses, health = asyncio.run(flood(flooded.runtime["host"], flooded.runtime["port"]))
    found = metrics(flooded)
    assert set(health) == {200}
    assert statuses[400] + statuses[404] >= REQUESTS // 4, statuses
    assert set(statuses) <= {400, 404, 503, 0}
    assert found["omniroute_client_connections_limit"] < DESCRIPTORS / 2
    assert found["omniroute_client_connections"] <= found["omniroute_client_connections_limit"] + 64
    assert found['omniroute_client_connections_closed_total{reason="room"}'] > FLOOD / 4
    assert found["omniroute_loop_lag_seconds_count"] > 0
    assert found["omniroute_requests_in_flight"] == 0
    late = found["omniroute_loop_lag_seconds_count"] - found['omniroute_loop_lag_seconds_bucket{le="0.5"}']
    assert late <= 0.2 * found["omniroute_loop_lag_seconds_count"] + 2, found


def test_it_serves_as_before_afterwards(flooded: Gateway) -> None:
    with httpx.Client(base_url=flooded.url, trust_env=False, timeout=30) as client:
        for _ in range(3):
            assert client.get("/readyz").json()["status"] == "ok"
            assert client.get("/v1/models").status_code == 200
            assert client.get("/api/init").status_code == 200
