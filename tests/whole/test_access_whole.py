"""Who is let in, through a real gateway: keys, lock-outs, lists of addresses, and each edited while it runs."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from click.testing import CliRunner
from harness import BIN, PATIENCE, REPO, Gateway, Upstream, until

from omniroute.cli import main
from omniroute.store.config import ip_filter, keys, nodes, settings
from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import UsageHistory

CLIENT = "203.0.113.7"
WAYS = {
    "home": "ok",
    "slow": "wait:0.3",
    "stream": "slow:0.01",
    "hang": "hang-late",
    "broken": "500",
    "cut": "cut-late",
}


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}


PATHS = {
    "openai": ("/v1/chat/completions", chat("home/m")),
    "responses": ("/v1/responses", {"model": "home/m", "input": "hello"}),
    "claude": ("/v1/messages", chat("home/m", max_tokens=9)),
    "gemini": ("/v1beta/models/home%2Fm:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
}


class Place:
    """The gateway under test."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def ask(
        self, key: str | None = None, body: Any = None, *, dialect: str = "openai", **headers: str
    ) -> httpx.Response:
        path, usual = PATHS[dialect]
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(
            f"{self.gateway.url}{path}", json=body or usual, headers=named, timeout=PATIENCE, trust_env=False
        )

    def ctl(self, *words: str, code: int = 0) -> Any:
        said = CliRunner().invoke(main, [*words, "--json", "--data-dir", str(self.gateway.data_dir)])
        assert said.exit_code == code, said.output
        return json.loads(said.stdout if code == 0 else said.stderr)

    def key(self, name: str, *words: str) -> str:
        """Make a key, and wait until the gateway knows it."""
        made: str = self.ctl("key", "create", name, *words)["key"]
        wanted = self.gateway.store.revision()

        def known() -> bool:
            seen = re.findall(r"configuration revision (\d+) is in force", self.gateway.log())
            return any(int(number) >= wanted for number in seen)

        until(f"the gateway has revision {wanted}", known)
        return made

    def status(self, wanted: int, key: str | None = None, **how: Any) -> httpx.Response:
        """Wait until asking gives this status: what another process has changed acts within a moment."""
        return until(f"an answer {wanted}", lambda: r if (r := self.ask(key, **how)).status_code == wanted else None)


@pytest.fixture(scope="module")
def place(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        for name, behaviour in WAYS.items():
            nodes.add(store, name, "openai", f"{upstream.base(behaviour)}/{name}/v1")
        keys.create(store, "first")
        settings.put(store, "lockout.key_lock_after", "10")  # so that a busy machine has time to look at a lock

    options = {"termlog_verbosity": "info", "omniroute_max_body": "100000000"}
    with Gateway.start(tmp_path_factory.mktemp("access"), setup=setup, options=options) as gateway:
        yield Place(gateway)


@pytest.fixture(autouse=True)
def _open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the gateway open to the next test."""
    yield
    if "place" not in request.fixturenames:
        return
    place: Place = request.getfixturevalue("place")
    place.ctl("ip", "mode", "off")
    listed = place.ctl("ip", "list")
    if both := listed["allow"] + listed["deny"]:
        place.ctl("ip", "remove", *dict.fromkeys(both))
    if banned := [each["ip"] for each in listed["bans"]]:
        place.ctl("ip", "unban", *banned)
    place.ctl("settings", "set", "trusted_proxies", "--default")
    place.ctl("policy", "unlock", "--all")
    place.status(200)


# ---- wrong keys


def test_wrong_keys_are_slowed_and_right_ones_of_this_machine_are_not(place: Place) -> None:
    right = place.key("right")
    assert [place.ask("wrong").status_code for _ in range(10)] == [401] * 10
    for dialect in PATHS:
        told = place.ask("wrong", dialect=dialect)
        assert told.status_code == 429
        assert 30 < int(told.headers["retry-after"]) <= 60
        assert "too many wrong keys came from 127.0.0.1" in json.dumps(told.json())
    assert place.ask(right).status_code == 200
    assert place.ask().status_code == 200
    [listed] = until("the lock-out on disk", lambda: place.ctl("policy", "list")["locked_identifiers"])
    assert listed["identifier"] == "key:127.0.0.1"
    place.ctl("policy", "unlock", "key:127.0.0.1")
    place.status(401, "wrong")


def test_a_locked_source_does_not_stop_who_was_there_before(place: Place) -> None:
    known, new = place.key("known"), place.key("new")
    place.ctl("settings", "set", "trusted_proxies", "127.0.0.1")
    place.ctl("settings", "set", "lockout.key_lock_after", "2")
    try:
        place.status(400, known, x_forwarded_for="nobody")  # from here on the proxy is believed
        assert place.ask(known, x_forwarded_for=CLIENT).status_code == 200
        place.status(429, "wrong", x_forwarded_for=CLIENT)
        assert place.ask(new, x_forwarded_for=CLIENT).status_code == 429
        assert place.ask(known, x_forwarded_for=CLIENT).status_code == 200
        assert place.ask(new, x_forwarded_for="203.0.113.8").status_code == 200
    finally:
        place.ctl("settings", "set", "lockout.key_lock_after", "10")


def test_a_lock_outlives_a_restart(tmp_path: Path) -> None:
    with Gateway.start(tmp_path) as first:
        place = Place(first)
        place.ctl("settings", "set", "lockout.key_lock_after", "3")
        place.status(429, "wrong")
        until("the lock on disk", lambda: place.ctl("policy", "list")["locked_identifiers"])
    with Gateway.start(tmp_path) as second:
        told = Place(second).ask("wrong")
        assert told.status_code == 429
        assert int(told.headers["retry-after"]) > 10


# ---- keys


def test_a_key_ends_by_time_or_by_hand_and_its_owner_is_told(place: Place) -> None:
    short = place.key("short", "--expires", "12h")
    assert place.ask(short).status_code == 200
    with httpx.Client(base_url=place.gateway.url, trust_env=False, headers={"x-api-key": short}) as kept:
        assert kept.post("/v1/chat/completions", json=PATHS["openai"][1]).status_code == 200
        place.ctl("key", "revoke", "short")
        told = until(
            "the end of the key",
            lambda: r if (r := kept.post("/v1/chat/completions", json=PATHS["openai"][1])).status_code != 200 else None,
        )
    assert told.status_code == 401
    assert "the key 'short' was revoked on" in told.json()["error"]["message"]
    store = Store(place.gateway.data_dir, clock=lambda: time.time() - 100)
    past = keys.create(store, "past", (), keys.KeyEdit(expires_at=time.time() - 1))[1]
    store.close()
    told = until("the key", lambda: r if "past" in (r := place.ask(past)).text else None)
    assert told.status_code == 401
    assert "the key 'past' has expired on" in told.json()["error"]["message"]
    assert place.ctl("policy", "list")["locked_identifiers"] == [], "that is no guessing"


def test_an_admin_key_asks_no_models_unless_it_may(place: Place) -> None:
    admin = place.key("admin", "--scope", "admin")
    for dialect in PATHS:
        told = place.ask(admin, dialect=dialect)
        assert told.status_code == 403
        assert "is for admin, not for inference" in json.dumps(told.json())
    place.ctl("key", "edit", "admin", "--scope", "admin", "--scope", "inference")
    place.status(200, admin)


def test_a_key_has_its_places(place: Place) -> None:
    local, far = place.key("local", "--ip", "127.0.0.0/8"), place.key("far", "--ip", "203.0.113.0/24")
    assert place.ask(local).status_code == 200
    for dialect in PATHS:
        told = place.ask(far, dialect=dialect)
        assert told.status_code == 403
        assert "the key 'far' may not be used from 127.0.0.1" in json.dumps(told.json())
    assert place.ask(far, x_forwarded_for=CLIENT).status_code == 403, "nobody is believed who is not trusted"
    place.ctl("settings", "set", "trusted_proxies", "127.0.0.1")
    place.status(200, far, x_forwarded_for=f"127.0.0.1, {CLIENT}")
    assert place.ask(local, x_forwarded_for=f"127.0.0.1, {CLIENT}").status_code == 403
    place.ctl("key", "edit", "far", "--ip", "any")
    place.status(200, far)


def test_so_many_requests_a_minute(place: Place) -> None:
    key = place.key("paced", "--rpm", "3")
    assert [place.ask(key).status_code for _ in range(3)] == [200] * 3
    for dialect in PATHS:
        told = place.ask(key, dialect=dialect)
        assert told.status_code == 429
        assert 30 < int(told.headers["retry-after"]) <= 60
        assert "at its limit of 3 requests a minute" in json.dumps(told.json())
    for client in (openai.OpenAI(base_url=f"{place.gateway.url}/v1", api_key=key, max_retries=0),):
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="home/m", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(anthropic.RateLimitError):
        anthropic.Anthropic(base_url=place.gateway.url, api_key=key, max_retries=0).messages.create(
            model="home/m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )
    place.ctl("key", "edit", "paced", "--rpm", "4")
    place.status(200, key)
    assert place.ask(key).status_code == 429
    place.ctl("key", "edit", "paced", "--rpm", "0")
    place.status(200, key)


@pytest.mark.parametrize(("model", "stream"), [("slow/m", False), ("stream/m", True)])
def test_fifty_at_once_and_five_are_let_in(place: Place, upstream: Upstream, model: str, stream: bool) -> None:
    key = place.key(f"crowd {model}", "--concurrency", "5")
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: place.ask(key, chat(model, stream=stream)), range(50)))
    served = [reply for reply in replies if reply.status_code == 200]
    refused = [reply for reply in replies if reply.status_code != 200]
    assert len(served) >= 5
    assert {(reply.status_code, reply.headers["retry-after"]) for reply in refused} <= {(429, "1")}
    asked = [one for one in upstream.asked() if model.partition("/")[0] in one.path]
    assert len(asked) == len(served)
    assert max(one.at_once for one in asked) <= 5
    with ThreadPoolExecutor(5) as pool:
        again = pool.map(lambda _: place.ask(key, chat(model, stream=stream)), range(5))
        assert [reply.status_code for reply in again] == [200] * 5, "all places are free again"


def test_a_place_is_free_again_however_an_exchange_ends(place: Place) -> None:
    key = place.key("one", "--concurrency", "1")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n"

    def free() -> None:
        until("the place is free", lambda: place.ask(key).status_code == 200)

    def begin(model: str, *, stream: bool, until_content: bool) -> socket.socket:
        raw = json.dumps(chat(model, stream=stream)).encode()
        sock = socket.create_connection(("127.0.0.1", place.gateway.runtime["port"]))
        sock.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
        if until_content:
            assert b"200" in sock.recv(4096)
        return sock

    for bad in ("broken/m", "cut/m", "nobody/m"):
        place.ask(key, chat(bad))
        place.ask(key, chat(bad, stream=True))
        free()
    place.ask(key, {"messages": []})
    place.ask(key, chat("home/m", stream="perhaps"))
    httpx.get(f"{place.gateway.url}/v1/models", headers={"x-api-key": key}, trust_env=False)
    free()
    for stream, until_content in ((True, True), (True, False), (False, False)):
        leaving = begin("hang/m", stream=stream, until_content=until_content)
        until("it is taken", lambda: place.ask(key).status_code == 429)
        leaving.close()
        free()
    half = socket.create_connection(("127.0.0.1", place.gateway.runtime["port"]))
    half.sendall(f"{head}content-length: 99\r\n\r\n{{".encode())
    half.close()
    free()


def test_when_a_key_was_used_is_written_down(place: Place) -> None:
    key = place.key("seen")
    assert place.ctl("key", "show", "seen")["last_used_at"] is None
    place.ask(key)
    shown = until("the note", lambda: s if (s := place.ctl("key", "show", "seen"))["last_used_at"] else None)
    assert shown["last_used_from"] == "127.0.0.1"
    revision = place.gateway.store.revision()
    place.ask(key)
    assert place.gateway.store.revision() == revision, "that is no change of the configuration"


def test_a_rotated_key(place: Place) -> None:
    old = place.key("turning")
    new = place.ctl("key", "rotate", "turning")["key"]
    place.status(200, new)
    assert place.ask(old).status_code == 401


# ---- addresses


def test_a_list_acts_at_once_and_on_everything(place: Place) -> None:
    right = place.key("inside")
    place.ctl("ip", "deny", "127.0.0.1", "--force")
    assert place.ask().status_code == 200
    place.ctl("ip", "mode", "blacklist", "--force")
    place.status(403)
    for dialect in PATHS:
        told = place.ask(right, dialect=dialect)
        assert told.status_code == 403
        assert "127.0.0.1 may not use this gateway" in json.dumps(told.json())
    for path in ("/v1/models", "/api/keys", "/healthz", "/nothing", "/omniroute/"):
        assert httpx.get(place.gateway.url + path, trust_env=False).status_code == 403
    place.ctl("ip", "mode", "whitelist-priority", "--force")
    place.ctl("ip", "allow", "127.0.0.0/8", "::1")
    place.status(200)
    place.ctl("ip", "mode", "whitelist")
    assert place.ask().status_code == 200
    place.ctl("ip", "ban", "127.0.0.1", "--for", "1h", "--reason", "a test", "--force")
    told = place.status(403)
    assert "banned for another 60 minutes" in told.text
    assert "a test" not in told.text
    place.ctl("ip", "unban", "127.0.0.1")
    place.status(200)


def test_who_is_kept_out_need_not_send_a_body(place: Place) -> None:
    place.ctl("ip", "ban", "127.0.0.1", "--force")
    place.status(403)
    begun = time.time()
    for more in (b"", b"expect: 100-continue\r\n"):
        with socket.create_connection(("127.0.0.1", place.gateway.runtime["port"]), 20) as sock:
            sock.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n" + more + b"content-length: 50000000\r\n\r\n{")
            answer = sock.recv(65536)
            while b"permission_error" not in answer and (piece := sock.recv(65536)):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"permission_error" in answer
    place.ctl("ip", "unban", "127.0.0.1")
    place.status(200)
    rows = until("those who may ask are logged", lambda: place.gateway.store.rows(_since(begun)))
    assert {row["status"] for row in rows} == {200}, "no row that an attacker could fill the disk with"


def _since(begun: float) -> Any:
    return UsageHistory.select(UsageHistory.status).where(UsageHistory.at >= begun)


def test_nobody_is_another_by_saying_so(place: Place) -> None:
    key = place.key("behind")
    place.ctl("ip", "deny", CLIENT)
    place.ctl("ip", "mode", "blacklist")
    place.ctl("settings", "set", "trusted_proxies", "127.0.0.1, 10.0.0.0/8")
    place.status(403, key, x_forwarded_for=CLIENT)
    for said in (f"198.51.100.1, {CLIENT}", f"127.0.0.1, {CLIENT}, 10.1.1.1", f"::ffff:{CLIENT}", f"{CLIENT}:80"):
        assert place.ask(key, x_forwarded_for=said).status_code == 403, said
    assert place.ask(key, x_forwarded_for=f"{CLIENT}, 198.51.100.1").status_code == 200
    assert place.ask(key, forwarded=f"for={CLIENT}").status_code == 403
    assert place.ask(key, forwarded=f'for={CLIENT};x=", for=198.51.100.1').status_code == 400
    assert place.ask(key, x_forwarded_for="nobody").status_code == 400
    assert place.ask(x_forwarded_for="198.51.100.1").status_code == 401, "who is elsewhere needs a key"
    assert place.ask(x_forwarded_for="127.0.0.1").status_code == 200, "who is here and comes through the proxy does not"
    place.ctl("settings", "set", "trusted_proxies", "--default")
    place.status(401, x_forwarded_for="127.0.0.1")


def test_who_comes_over_ipv6(upstream: Upstream, tmp_path: Path) -> None:

    def setup(store: Store) -> None:
        nodes.add(store, "home", "openai", f"{upstream.base('ok')}/v1")
        ip_filter.put(store, "deny", ["::1"], force=True)

    command = [str(BIN / "mitmdump"), "-s", str(REPO / "addons/omniroute.py"), "--listen-host", "::1"]
    command += ["--mode", "reverse:http://127.0.0.1:9@0", "--set", f"confdir={tmp_path / 'mitmproxy'}"]
    command += ["--set", f"omniroute_data_dir={tmp_path / 'data'}"]
    with Gateway.start(tmp_path, setup=setup, command=command) as gateway:
        place = Place(gateway)
        assert place.ask().status_code == 200
        place.ctl("ip", "mode", "blacklist", "--force")
        assert "::1 may not use this gateway" in place.status(403).text
        place.ctl("ip", "remove", "::1")
        place.status(200)
