"""A real gateway, real proxies and real upstreams, each a process of its own."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from click.testing import CliRunner
from harness import BIN, PATIENCE, Gateway, Upstream, clean_environ, leave, set_deadlines, until
from mitmproxy import http, io
from proxies import BASIC, PASSWORD, USER
from proxies_kit import LOGIN, Proxies, start

from omniroute.cli import main
from omniroute.netproxy.proxy_url import read_proxy
from omniroute.store.config import accounts, combos, nodes, proxies, settings
from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.upstream.client import fetch, provider_client

type Ctl = Callable[..., str]

GOOD = ("connect", "connect-auth", "connect-tls", "socks", "socks-auth")
WRONG = "wombat-user:Pangolin-wrong-8w"
SECRETS = (USER, PASSWORD, LOGIN.partition(":")[2], BASIC.partition(" ")[2], "Pangolin-wrong-8w")
KEY = "sk-Numbat4hR8tY2pLk6Jw0sXc"


@pytest.fixture(scope="module")
def behind() -> Iterator[Proxies]:
    with start() as started:
        yield started


@pytest.fixture(scope="module")
def run(
    behind: Proxies, _upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Run one gateway for all tests; a node is named after its upstream and the proxy before it."""
    plain, tls = _upstreams(), _upstreams("--tls")
    folder = tmp_path_factory.mktemp("gateway")
    trusted = folder / "trusted.pem"
    trusted.write_text("".join(Path(str(ca)).read_text(encoding="utf-8") for ca in (behind.ca, tls.ca)))

    def setup(store: Store) -> None:
        for kind in (*GOOD, "forward", "forward-auth", "403", "502", "socks-refuse", "hang"):
            for name, upstream in (("plain", plain), ("tls", tls)):
                nodes.add(store, f"{name}-{kind}", "openai", f"{upstream.base('ok')}/v1")
                accounts.add(store, f"{name}-{kind}", api_key=KEY)
                login = LOGIN if kind.endswith("auth") else ""
                proxies.put(store, "provider", f"{name}-{kind}", behind.url(kind, login))
        for name in ("plain-hang", "tls-hang"):
            set_deadlines(store, name, {"connect": 1})
        for kind in ("connect-auth", "socks-auth", "forward-auth"):
            for how, login in (("wrong", WRONG), ("none", "")):
                nodes.add(store, f"{how}-{kind}", "openai", f"{plain.base('ok')}/v1")
                proxies.put(store, "provider", f"{how}-{kind}", behind.url(kind, login))
        nodes.add(store, "gone", "openai", f"{plain.base('ok')}/v1")
        proxies.put(store, "provider", "gone", f"http://127.0.0.1:{plain.ports['refused']}")
        nodes.add(store, "late", "openai", f"{plain.base('hang-late')}/v1")
        proxies.put(store, "provider", "late", behind.url("socks"))
        nodes.add(store, "direct", "openai", f"{plain.base('ok')}/v1")
        settings.put(store, "cooldowns", "off")  # each test is to find the order as it was set up
        combos.add(store, "brave", ["gone/m", "plain-502/m", "tls-403/m", "plain-hang/m", "direct/m"])

    options = {
        "ssl_verify_upstream_trusted_ca": str(trusted),
        "save_stream_file": str(folder / "saved.flows"),
        "termlog_verbosity": "debug",
        "proxy_debug": "true",
    }
    with Gateway.start(folder, tool="mitmweb", options=options, setup=setup) as gateway:
        yield gateway


def ask(gateway: Gateway, model: str, *, stream: bool = False, client: Any = httpx) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    how = {} if client is not httpx else {"trust_env": False}
    reply: httpx.Response = client.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=PATIENCE, **how)
    return reply


@every("stream", [False, True], ids=["whole", "stream"])
@every("upstream", ["plain", "tls"])
@every("kind", GOOD)
def test_an_answer_through_each_kind_of_proxy(
    run: Gateway, behind: Proxies, kind: str, upstream: str, stream: bool
) -> None:
    before = len(behind.seen(kind))
    with httpx.Client(trust_env=False) as client:
        for _ in range(3):
            reply = ask(run, f"{upstream}-{kind}/m", stream=stream, client=client)
            assert reply.status_code == 200, reply.text
            assert reply.text.endswith("data: [DONE]\n\n") == stream
        assert behind.open[kind] >= 1
    assert len(behind.seen(kind)) == before + 1, "the tunnel was not used again"
    until("the tunnels are closed", lambda: not behind.open)


@pytest.mark.parametrize("kind", ["forward", "forward-auth"])
def test_a_proxy_that_tunnels_to_443_alone_forwards_what_is_plain(run: Gateway, behind: Proxies, kind: str) -> None:
    before = len(behind.seen(kind))
    with httpx.Client(trust_env=False) as client:
        assert [ask(run, f"plain-{kind}/m", stream=stream, client=client).status_code for stream in (False, True)] == [
            200,
            200,
        ]
    refused, forwarded = behind.seen(kind)[before:]
    assert refused[1].startswith("CONNECT")
    assert (forwarded[0].startswith("http://127.0.0.1"), forwarded[1][:4]) == (True, "POST")


@every(
    ("node", "why"),
    [
        ("gone", "cannot connect"),
        ("plain-403", "forwards nothing"),
        ("tls-403", "opens no tunnel"),
        ("plain-502", "cannot reach"),
        ("plain-hang", "no tunnel to"),
        ("plain-socks-refuse", "refuses its connection"),
        ("wrong-connect-auth", "does not accept"),
        ("none-connect-auth", "it wants a user"),
        ("wrong-socks-auth", "does not accept"),
        ("none-socks-auth", "it wants a user"),
        ("wrong-forward-auth", "does not accept"),
        ("none-forward-auth", "it wants a user"),
    ],
)
def test_what_is_wrong_with_the_path_is_said_of_the_path(run: Gateway, node: str, why: str) -> None:
    reply = ask(run, f"{node}/m")
    assert reply.status_code == 502
    message = reply.json()["error"]["message"]
    assert "proxy http://127.0.0.1:" in message or "proxy socks5://127.0.0.1:" in message
    assert why in message
    request = reply.headers["x-omniroute-request-id"]
    [row] = until("it is logged", lambda: [row for row in usage.recent(run.store, 50) if row.id == request])
    assert [attempt.outcome for attempt in row.attempts] == ["proxy"]
    assert "proxy " in row.attempts[0].detail
    assert why in str(row.error)


def test_dead_paths_are_passed_over(run: Gateway) -> None:
    reply = ask(run, "brave", stream=True)
    assert (reply.status_code, reply.headers["x-omniroute-attempts"]) == (200, "5")
    assert reply.headers["x-omniroute-route"] == "direct/m"


@pytest.mark.parametrize("node", ["plain-hang", "late"])
def test_a_client_that_leaves_closes_all(run: Gateway, behind: Proxies, upstream: Upstream, node: str) -> None:
    kind = "hang" if node == "plain-hang" else "socks"
    until("nothing is open", lambda: not behind.open)
    before = len(behind.seen(kind))
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        body = {"model": f"{node}/m", "messages": [{"role": "user", "content": "hello"}], "stream": True}
        if node == "late":
            with client.stream("POST", f"{run.url}/v1/chat/completions", json=body) as reply:
                next(reply.iter_lines())
                assert behind.open["tunnels"] == 1
        else:
            leave(run.url, "/v1/chat/completions", body, when=lambda: len(behind.seen(kind)) > before)
    until("all is closed", lambda: not behind.open and not upstream.stats()["in_flight"])


def test_changes_act_at_once_also_on_a_kept_connection(run: Gateway, behind: Proxies) -> None:
    with httpx.Client(trust_env=False) as client:

        def way() -> list[int]:
            before = [len(behind.seen(kind)) for kind in ("connect", "socks")]
            assert ask(run, "direct/m", client=client).status_code == 200
            after = [len(behind.seen(kind)) for kind in ("connect", "socks")]
            return [b - a for a, b in zip(before, after, strict=True)]

        assert way() == [0, 0]
        proxies.put(run.store, "global", None, behind.url("connect"))
        until("the proxy for all is used", lambda: way() == [1, 0])
        proxies.put(run.store, "provider", "direct", behind.url("socks"))
        until("the provider's own is used", lambda: way() == [0, 1])
        proxies.put(run.store, "provider", "direct", "direct")
        before = len(behind.seen("socks"))
        until("it goes directly", lambda: run.log().count("is in force") >= 3 and way() == [0, 0])
        assert len(behind.seen("socks")) == before
        proxies.clear(run.store, "global", None)
        proxies.clear(run.store, "provider", "direct")


def test_what_opens_a_proxy_is_nowhere_to_be_seen(run: Gateway) -> None:
    for kind in ("connect-auth", "socks-auth", "forward-auth"):
        for node in (f"plain-{kind}", f"wrong-{kind}"):
            ask(run, f"{node}/m")
    with httpx.Client(base_url=run.web_url.partition("/?")[0], timeout=PATIENCE, trust_env=False) as client:
        client.get(run.web_url)
        said = {each: client.get(each).content for each in ("/flows", "/flows/dump", "/events", "/state", "/options")}
    assert b"plain-connect-auth" in said["/flows"]
    said |= {str(file): file.read_bytes() for file in run.data_dir.parent.rglob("*") if file.is_file()}
    assert any(name.endswith("saved.flows") for name in said)
    assert b"DataReceived" in said[str(run.log_file)]
    for where, content in said.items():
        for secret in SECRETS:
            assert secret.encode() not in content, (secret, where)


def test_saved_flows_can_be_read(run: Gateway) -> None:
    assert ask(run, "plain-socks-auth/m").status_code == 200
    with (run.data_dir.parent / "saved.flows").open("rb") as file:
        flows = [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    assert any(flow.server_conn.via for flow in flows)


def test_the_environments_proxy(gateway: Any, behind: Proxies, upstream: Upstream) -> None:
    """Loopback is reached without it; a name that only the proxy knows is not."""

    def setup(store: Store) -> None:
        nodes.add(store, "near", "openai", f"{upstream.base('ok')}/v1")
        nodes.add(store, "far", "openai", "http://far.invalid/v1")
        nodes.add(store, "exempt", "openai", "http://exempt.invalid/v1")

    url = behind.url("502", LOGIN)
    running = gateway(setup=setup, environ={"http_proxy": url, "NO_PROXY": "other.example,.exempt.invalid"})
    assert ask(running, "near/m").status_code == 200
    assert "proxy http://" in ask(running, "far/m").text
    assert "proxy http://" not in ask(running, "exempt/m").text
    assert behind.seen("502")[-1][0] == "far.invalid:80"
    assert not any(secret in running.log() for secret in SECRETS)


@pytest.mark.parametrize("kind", ["connect-auth", "socks"])
def test_http_2_in_a_tunnel(gateway: Any, behind: Proxies, upstream_h2: Upstream, kind: str) -> None:
    def setup(store: Store) -> None:
        nodes.add(store, "h2", "openai", f"{upstream_h2.base('ok')}/v1")
        proxies.put(store, "provider", "h2", behind.url(kind, LOGIN if kind.endswith("auth") else ""))

    running = gateway(setup=setup, options={"ssl_verify_upstream_trusted_ca": str(upstream_h2.ca)})
    before = len(behind.seen(kind))
    with httpx.Client(trust_env=False) as client:
        for stream in (False, True, False):
            assert ask(running, "h2/m", stream=stream, client=client).status_code == 200
    assert {each.http for each in upstream_h2.asked()} == {"HTTP/2"}
    assert len(behind.seen(kind)) == before + 1


def test_an_environment_that_names_no_proxy_is_refused(tmp_path: Path) -> None:
    command = [str(BIN / "omniroute-ctl"), "serve", "--headless", "--port", "0"]
    environ = clean_environ(tmp_path, {"HTTPS_PROXY": "socks4://u:Okapi9mN@proxy:1"})
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode != 0
    assert "HTTPS_PROXY cannot be used: the proxy's URL has the scheme 'socks4'" in done.stdout + done.stderr
    assert "Okapi" not in done.stdout + done.stderr


# ---- side calls


@pytest.fixture
def ctl(run: Gateway, no_proxies: None) -> Ctl:
    """Run one command line in this process: starting one for each takes most of the time."""

    def command(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, words, env={"DATA_DIR": str(run.data_dir)})
        assert done.exit_code == code, done.output
        assert not any(secret in done.output for secret in SECRETS), done.output
        return done.output

    return command


@every("kind", ["connect", "connect-auth", "socks", "socks-auth", "forward", "forward-auth"])
def test_a_test_call_goes_the_same_way(ctl: Ctl, behind: Proxies, kind: str) -> None:
    before = len(behind.seen(kind))
    ctl("provider", "test", f"plain-{kind}", "--model", "m")
    assert len(behind.seen(kind)) > before


def test_a_combos_test_call_too(ctl: Ctl) -> None:
    said = json.loads(ctl("combo", "test", "brave", "--timeout", "1", "--json"))
    assert [each["ok"] for each in said] == [False] * 4 + [True]
    assert all(each["detail"].startswith("proxy http://127.0.0.1:") for each in said[:4])
    assert said[3]["detail"].endswith("within 1 s")


def test_proxy_test_says_the_address_and_what_is_wrong(ctl: Ctl, behind: Proxies, upstream: Upstream) -> None:
    service = ("--ip-service", f"http://127.0.0.1:{behind.ports['ip']}/")
    said = json.loads(ctl("proxy", "test", behind.url("socks"), *service, "--json"))
    assert (said["ok"], said["ip"]) == (True, "203.0.113.7")
    assert said["latency_ms"] > 0
    assert "203.0.113.7" in ctl("proxy", "test", "provider", "plain-connect-auth", *service)
    assert behind.seen("connect-auth")[-1][0] == f"127.0.0.1:{behind.ports['ip']}"
    assert "direct works" in ctl("proxy", "test", *service)
    for url, why in (
        (behind.url("socks-auth", WRONG), "does not accept the user and the password"),
        (behind.url("connect-auth"), "it wants a user and a password (407)"),
        (behind.url("502"), "cannot reach"),
        (f"http://127.0.0.1:{upstream.ports['refused']}", "refuses connections"),
        (behind.url("hang"), "no tunnel"),
    ):
        assert why in ctl("proxy", "test", url, *service, "--timeout", "1", code=1)
    elsewhere = ("--ip-service", f"{upstream.url}/stats")
    assert "not with an address" in ctl("proxy", "test", "direct", *elsewhere, code=1)


@pytest.mark.parametrize("kind", ["connect-tls", "socks-auth"])
def test_a_side_call_to_an_encrypted_upstream(
    behind: Proxies, run: Gateway, upstream_tls: Upstream, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    trusting = ssl.create_default_context(cafile=str(run.data_dir.parent / "trusted.pem"))
    monkeypatch.setattr("omniroute.upstream.transport.httpx.create_ssl_context", lambda **how: trusting)
    proxy = read_proxy(behind.url(kind, LOGIN if kind.endswith("auth") else ""))

    async def call() -> int:
        async with provider_client(10, proxy=proxy) as client:
            return (await fetch(client, "GET", f"{upstream_tls.url}/stats", {}))[0]

    assert asyncio.run(call()) == 200
    assert behind.seen(kind)[-1][0] == upstream_tls.url.removeprefix("https://")
