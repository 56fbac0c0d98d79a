"""Request bodies through a real gateway: refused at the head, decompressed in bounds, held once and given back."""

import gzip
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import Gateway, Upstream, until

from omniroute.store.config import keys, nodes, settings
from omniroute.store.db.database import Store

MB = 1024 * 1024
SIZE, MANY = 8 * MB, 8


class Place:
    """The gateway under test, and a key for it."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.gateway, self.key = gateway, key

    def post(self, body: bytes, *, key: str | None = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        url = f"{self.gateway.url}/v1/chat/completions"
        return httpx.post(url, content=body, headers=named, timeout=60, trust_env=False)

    def resident(self) -> int:
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bodies")
    made: list[str] = []
    with Upstream.start(folder) as upstream:

        def setup(store: Store) -> None:
            nodes.add(store, "up", "openai", upstream.base("ok"))
            made.append(keys.create(store, "test")[1])
            settings.put(store, "server.messages", "1000")

        environ = {"REQUIRE_API_KEY": "true"}
        with Gateway.start(folder, environ=environ, setup=setup) as gateway:
            yield Place(gateway, made[0])


def chat(content: Any) -> bytes:
    return json.dumps({"model": "up/m", "messages": [{"role": "user", "content": content}]}).encode()


@pytest.mark.parametrize("authorization", [b"", b"authorization: Bearer sk-omni-wrong\r\n"])
def test_a_client_that_is_not_admitted_is_refused_at_the_head(place: Place, authorization: bytes) -> None:
    address = place.gateway.runtime["host"], place.gateway.runtime["port"]
    with socket.create_connection(address, timeout=60) as client:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 30000000\r\nexpect: 100-continue\r\n"
        client.sendall(head + authorization + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_compressed_body_counts_decompressed(place: Place) -> None:
    assert place.post(gzip.compress(chat("hello")), content_encoding="gzip").status_code == 200
    before = place.resident()
    bomb = gzip.compress(chat("x" * 33 * MB))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: place.post(bomb, content_encoding="gzip"), range(6)))
    assert {answer.status_code for answer in answers} == {413}
    assert "omniroute_max_body" in answers[0].json()["error"]["message"]
    until("the memory is given back", lambda: place.resident() < before + 60 * MB)


def test_a_crowded_body_is_refused_by_the_setting(place: Place) -> None:
    message = {"role": "user", "content": "x"}
    body = json.dumps({"model": "up/m", "messages": [message] * 1001}).encode()
    answer = place.post(body)
    assert answer.status_code == 400
    assert "server.messages" in answer.json()["error"]["message"]
    deep = b'{"model":"up/m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = place.post(deep)
    assert answer.status_code == 400
    assert "server.json_depth" in answer.json()["error"]["message"]


def test_large_bodies_at_once_are_held_about_twice_and_given_back(place: Place) -> None:
    body = chat("x" * SIZE)
    assert place.post(chat("hello")).status_code == 200
    before, peak = place.resident(), 0
    with ThreadPoolExecutor(MANY) as pool:
        waiting = [pool.submit(place.post, body) for _ in range(MANY)]
        while not all(each.done() for each in waiting):
            peak = max(peak, place.resident())
            assert httpx.get(f"{place.gateway.url}/healthz", timeout=30, trust_env=False).status_code == 200
    assert {each.result().status_code for each in waiting} == {200}
    assert peak - before < 4 * MANY * SIZE
    until("the memory is given back", lambda: place.resident() < before + 4 * SIZE)


def test_the_sum_of_all_bodies_is_bounded(place: Place) -> None:
    store = place.gateway.store
    settings.put(store, "server.body_total", str(MB))
    until("the setting acts", lambda: place.post(chat("x" * 2 * MB)).status_code == 413)
    assert "server.body_total" in place.post(chat("x" * 2 * MB)).json()["error"]["message"]
    address = place.gateway.runtime["host"], place.gateway.runtime["port"]
    with socket.create_connection(address, timeout=60) as client:
        half = MB // 2
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {half}\r\n"
        client.sendall(f"{head}authorization: Bearer {place.key}\r\n\r\n".encode() + b"x" * (half - 10))

        def refused() -> httpx.Response | None:
            answer = place.post(chat("x" * 700_000))
            return answer if answer.status_code == 503 else None

        answer = until("there is no more room", refused)
        assert answer.headers["retry-after"]
        assert "server.body_total" in answer.json()["error"]["message"]
    until("all room is given back", lambda: place.post(chat("x" * (MB - 1000))).status_code == 200)
