"""The management API of real gateways: under mitmdump, in mitmweb, and lean; by the proxy port, past every flow."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from harness import BIN, PATIENCE, Gateway, clean_environ, mitmproxy_command, until
from mitmproxy import io
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from omniroute.store.state import sessions

PRINTED = re.compile(r"shown this once: (\S+)")
GUESS = "Wolverine-5tGb9YhN"
WAYS = ("mitmweb", "headless")


@dataclass
class Run:
    gateway: Gateway
    way: str
    password: str
    token: str
    saved: Path

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.gateway.url, headers=headers, trust_env=False, timeout=PATIENCE)

    def log_in(self, client: httpx.Client) -> httpx.Response:
        return client.post("/api/auth/login", json={"password": self.password})


@pytest.fixture(scope="module", params=WAYS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, way = tmp_path_factory.mktemp("gateway"), request.param
    saved = folder / "saved.flows"
    how = {"options": {"save_stream_file": str(saved)}, "tool": way}
    if way == "headless":
        command = [str(BIN / "omniroute-ctl"), "serve", "--headless", "--port", "0"]
        how = {"command": [*command, "--set", f"save_stream_file={saved}"]}
    with Gateway.start(folder, **how) as gateway:
        until(
            "the management answers", lambda: httpx.get(f"{gateway.url}/api/init", trust_env=False).status_code == 200
        )
        (password,) = PRINTED.findall(gateway.log())
        yield Run(gateway, way, password, sessions.token(gateway.store), saved)


def test_a_person_logs_in_through_the_proxy_port(run: Run) -> None:
    with run.client() as client:
        assert client.get("/api/keys").status_code == 401
        assert run.log_in(client).json() == {"success": True}
        made = client.post("/api/keys", json={"name": f"of {run.way}"})
        assert made.status_code == 201
        # On the same connection: what is asked of models is asked as before.
        assert client.head("/api/hello").status_code == 200
        listed = client.get("/v1/models", headers={"x-api-key": made.json()["key"]})
        assert listed.json()["object"] == "list"
        assert client.get("/api/keys").json()["keys"][0]["name"] == f"of {run.way}"
        assert client.post("/api/auth/logout").status_code == 200
        assert client.get("/api/keys").status_code == 401


def test_a_change_acts_at_once(run: Run) -> None:
    with run.client(authorization=f"Bearer {run.token}") as client:
        for wanted in (9, 4):
            client.patch("/api/settings", json={"stickyRoundRobinLimit": wanted}).raise_for_status()
            assert client.get("/api/settings").json()["stickyRoundRobinLimit"] == wanted
        ctl = subprocess.run(
            [str(BIN / "omniroute-ctl"), "settings", "get", "sticky_limit", "--json"],
            env=clean_environ(run.gateway.data_dir, {}), capture_output=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        assert json.loads(ctl.stdout) == {"sticky_limit": 4}


def test_what_passes_is_in_no_flow_and_no_log(run: Run) -> None:
    with run.client() as client:
        client.get("/nowhere-at-all")  # this one is in the flows
        assert run.log_in(client).status_code == 200
        made = client.post("/api/keys", json={"name": f"hidden from {run.way}"}).json()["key"]
        client.get("/api/openapi.json", params={"token": GUESS})
        secrets = [run.password, made, *client.cookies.values()]
        client.post("/api/auth/logout")
    with httpx.Client(trust_env=False) as web:
        if run.way == "mitmweb":
            web.get(run.gateway.web_url)
            base = run.gateway.web_url.partition("/?")[0]
            flows = web.get(f"{base}/flows")
            assert "/nowhere-at-all" in flows.text
            assert "/api/" not in flows.text.replace("/api/hello", "")
            events = web.get(f"{base}/events").text
            assert not [secret for secret in [*secrets, GUESS] if secret in events]
    with run.saved.open("rb") as file:
        paths = [flow.request.path for flow in io.FlowReader(file).stream()]  # type: ignore[union-attr]
    assert "/nowhere-at-all" in paths
    assert not [path for path in paths if path.startswith("/api") and path != "/api/hello"]
    log = PRINTED.sub("", run.gateway.log())
    assert not [secret for secret in [*secrets, GUESS] if secret in log]


@every(
    "path",
    ["//api/keys", "/api%2fkeys", "/%61pi/keys", "/v1/../api/keys", "/v1/%2e%2e/api/keys", "/v1/v1/api/keys",
     "/API/keys", "/apikeys", "/healthzz", "/.//api/keys", "\\api\\keys"],
)  # fmt: skip
def test_paths_that_only_mean_the_same_lead_nowhere(run: Run, path: str) -> None:
    with run.client(authorization=f"Bearer {run.token}") as client:
        answer = client.get("/", extensions={"target": path.encode()})
    assert answer.status_code in (400, 401, 404)
    assert "keys" not in answer.json() if answer.headers["content-type"].startswith("application/json") else True


def test_who_watches_sees_each_exchange_as_it_passes(run: Run) -> None:
    """By the proxy port, which passes the socket as bytes, and by mitmweb's own."""
    url, token = f"{run.gateway.url}/api/translator/live", {"authorization": f"Bearer {run.token}"}
    urls = [url]
    if run.way == "mitmweb":
        urls.append(f"{run.gateway.web_url.partition('/?')[0]}/api/translator/live")
    for each in urls:
        address = each.replace("http:", "ws:")
        with pytest.raises(InvalidStatus) as refused, connect(address, proxy=None):
            pass
        assert refused.value.response.status_code == 401
        with connect(address, additional_headers=token, proxy=None) as socket, run.client() as client:
            told = client.post("/v1/chat/completions", json={"model": "nobody/m", "messages": []})
            ended: dict[str, Any] = {}
            for _ in range(20):
                heard = json.loads(socket.recv(timeout=PATIENCE))["exchanges"]
                ended |= {one["id"]: one for one in heard if one["state"] == "done"}
                if told.headers["x-omniroute-request-id"] in ended:
                    break
            seen = ended[told.headers["x-omniroute-request-id"]]
            assert (seen["status"], seen["modelAsked"]) == (told.status_code, "nobody/m")
            found = client.get(f"/api/translator/exchanges/{seen['id']}", headers=token).json()
            assert json.loads(found["clientReply"]["text"]) == told.json()
            assert (found["mitmweb"] is not None) == (run.way == "mitmweb")


def test_the_name_in_the_browser_arrives(run: Run) -> None:
    with run.client() as client:
        assert run.log_in(client).status_code == 200
        assert client.get("/api/keys", headers={"host": "evil.example"}).status_code == 403
        assert client.get("/api/keys", headers={"origin": "http://evil.example"}).status_code == 403
        assert client.get("/api/keys", headers={"origin": run.gateway.url}).status_code == 200
        assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 200
        client.post("/api/auth/logout")


def test_nobody_can_name_another_peer(run: Run) -> None:
    """And the one that is named is the client's own, not the gateway's."""
    with run.client(authorization=f"Bearer {run.token}") as client:
        headers = [("x-omniroute-peer", f"s 192.0.2.{n}") for n in range(2)] + [("X-OMNIROUTE-PEER", "192.0.2.9")]
        guesses = [client.post("/api/auth/login", json={"password": GUESS}, headers=headers) for _ in range(3)]
        assert [guess.status_code for guess in guesses] == [401] * 3
        assert run.log_in(client).status_code == 429
        (locked,) = client.get("/api/monitoring/health").json()["lockouts"]
        assert locked["identifier"] == "login:127.0.0.1"
    subprocess.run(
        [str(BIN / "omniroute-ctl"), "policy", "unlock", "login:127.0.0.1"],
        env=clean_environ(run.gateway.data_dir, {}), capture_output=True, timeout=PATIENCE, check=True,
    )  # fmt: skip


def test_a_large_body_is_refused_through_the_proxy_port(run: Run) -> None:
    with run.client(authorization=f"Bearer {run.token}") as client:
        answer = client.post("/api/keys", json={"name": "x" * 1_500_000})
        assert answer.status_code == 413
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("run", ["mitmweb"], indirect=True)
def test_mitmweb_shares_its_login(run: Run) -> None:
    base = run.gateway.web_url.partition("/?")[0]
    with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE) as web:
        assert web.get("/api/keys").status_code == 401
        assert web.get("/healthz").status_code == 200
        assert web.get("/api/nothing").json()["error"]["type"] == "not_found"
        assert web.get(run.gateway.web_url).status_code == 200
        assert web.get("/api/keys").status_code == 200
        assert web.post("/api/keys", json={"name": "made in mitmweb"}).status_code == 201
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert web.post("/api/keys", json={"name": "x"}, headers=headers).status_code == 403
        assert web.get("/flows").status_code == 200


KNOWN = {"INITIAL_PASSWORD": "123456", "JWT_SECRET": "omniroute-default-secret-change-me"}


@pytest.mark.parametrize(
    ("way", "environ", "says"),
    [
        ("mitmdump", {"INITIAL_PASSWORD": KNOWN["INITIAL_PASSWORD"]}, "INITIAL_PASSWORD"),
        ("serve", {"JWT_SECRET": KNOWN["JWT_SECRET"]}, "JWT_SECRET"),
        ("serve", {"INITIAL_PASSWORD": "short"}, "INITIAL_PASSWORD"),
        ("mitmdump", {"OMNIROUTE_REQUIRE_LOGIN": "false", "HOSTNAME": "0.0.0.0"}, "OMNIROUTE_REQUIRE_LOGIN"),
    ],
)
def test_a_start_that_may_not_be_names_the_variable(
    tmp_path: Path, way: str, environ: dict[str, str], says: str
) -> None:
    command = [str(BIN / "omniroute-ctl"), "serve", "--headless", "--port", "0"]
    if way == "mitmdump":
        command = mitmproxy_command("mitmdump", tmp_path, {})
        if "HOSTNAME" in environ:
            command += ["--set", "listen_host=0.0.0.0"]
    done = subprocess.run(
        command, env=clean_environ(tmp_path / "data", environ), cwd=tmp_path, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
