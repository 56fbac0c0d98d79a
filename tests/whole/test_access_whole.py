"""Who is let in, through a real gateway: keys, lock-outs, lists of addresses, and each edited while it runs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from harness import Gateway, Upstream, until

from omniroute.cli import main
from omniroute.store import keys, nodes
from omniroute.store.database import Store

PATHS = {
    "openai": ("/v1/chat/completions", {"model": "home/m", "messages": [{"role": "user", "content": "hello"}]}),
    "claude": (
        "/v1/messages",
        {"model": "home/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
    ),
    "gemini": ("/v1beta/models/home%2Fm:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
}


class Place:
    """The gateway under test, with a key that is right."""

    def __init__(self, gateway: Gateway, right: str) -> None:
        self.gateway, self.right = gateway, right

    def ask(self, key: str | None = None, *, dialect: str = "openai", **headers: str) -> httpx.Response:
        path, body = PATHS[dialect]
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"{self.gateway.url}{path}", json=body, headers=named, timeout=60, trust_env=False)

    def ctl(self, *words: str, code: int = 0) -> Any:
        said = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(self.gateway.data_dir)])
        assert said.exit_code == code, said.output
        return json.loads(said.stdout if code == 0 else said.stderr)

    def status(self, wanted: int, key: str | None = None, **how: Any) -> httpx.Response:
        """Wait until asking gives this status: what another process has changed acts within a moment."""
        return until(f"an answer {wanted}", lambda: r if (r := self.ask(key, **how)).status_code == wanted else None)


@pytest.fixture(scope="module")
def place(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    upstream, made = _upstreams(), []

    def setup(store: Store) -> None:
        nodes.add(store, "home", "openai", f"{upstream.base('ok')}/v1")
        made.append(keys.create(store, "right")[1])

    with Gateway.start(tmp_path_factory.mktemp("access"), setup=setup) as gateway:
        yield Place(gateway, made[0])


@pytest.fixture(autouse=True)
def _unlocked(place: Place) -> Iterator[None]:
    yield
    place.ctl("policy", "unlock", "--all")


def test_wrong_keys_are_slowed_and_right_ones_of_this_machine_are_not(place: Place) -> None:
    assert [place.ask("wrong").status_code for _ in range(10)] == [401] * 10
    for dialect in PATHS:
        told = place.ask("wrong", dialect=dialect)
        assert told.status_code == 429
        assert 1 <= int(told.headers["retry-after"]) <= 60
        assert "too many wrong keys came from 127.0.0.1" in json.dumps(told.json())
    assert place.ask(place.right).status_code == 200
    assert place.ask().status_code == 200
    [listed] = until("the lock-out on disk", lambda: place.ctl("policy", "list")["locked_identifiers"])
    assert listed["identifier"] == "key:127.0.0.1"
    place.ctl("policy", "unlock", "key:127.0.0.1")
    place.status(401, "wrong")


def test_the_thresholds_are_settings(place: Place) -> None:
    place.ctl("settings", "set", "lockout.key_lock_after", "2")
    try:
        place.status(429, "wrong")
        until(
            "a lock", lambda: [x for x in place.ctl("policy", "list")["locked_identifiers"] if x["state"] == "locked"]
        )
        told = place.ask("wrong")
        assert told.status_code == 429
        assert int(told.headers["retry-after"]) > 30
    finally:
        place.ctl("settings", "set", "lockout.key_lock_after", "--default")


def test_a_lock_outlives_a_restart(gateway: Callable[..., Gateway], tmp_path: Any) -> None:
    with Gateway.start(tmp_path) as first:
        place = Place(first, "")
        place.ctl("settings", "set", "lockout.key_lock_after", "3")
        place.status(429, "wrong")
        until("the lock on disk", lambda: place.ctl("policy", "list")["locked_identifiers"])
    with Gateway.start(tmp_path) as second:
        assert Place(second, "").ask("wrong").status_code == 429
