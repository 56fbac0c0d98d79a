"""Accounts, nodes, models of one's own and network proxies over HTTP, as the user guide's examples ask for them."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cases import every
from panel_api import Api, StartApi

from omniroute.routing.health import Breaker, Cooldown, HealthChanges
from omniroute.store.config import combos, snapshot
from omniroute.store.state import health

KEY = "sk-very-secret-1234567890"
NOW = 1_800_000_000.0


class Upstream(http.server.BaseHTTPRequestHandler):
    """Lists two models to whoever shows the key, answers as a service that says addresses, and as a proxy of both."""

    def do_GET(self) -> None:
        if self.path.endswith("/ip"):
            return self._say(200, b"203.0.113.7")
        if self.headers.get("authorization") != f"Bearer {KEY}":
            return self._say(401, json.dumps({"error": {"message": f"wrong key {KEY}"}}).encode())
        return self._say(200, b'{"data": [{"id": "a"}, {"id": "b"}]}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("authorization") != f"Bearer {KEY}":
            return self._say(401, b'{"error": {"message": "wrong key"}}')
        return self._say(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": "pong"}}]}).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def api(start: StartApi) -> Api:
    made: Api = await start(lambda: NOW)
    return made


@pytest.fixture
async def admin(api: Api) -> Any:
    async with api.client(token=True) as client:
        yield client


def field_of(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["details"][0]["field"])


async def test_an_account_from_its_beginning_to_its_end(api: Api, admin: httpx.AsyncClient) -> None:
    said = {"provider": "openai", "apiKey": KEY, "name": "work", "priority": 3, "rpm": 60, "gapMs": 250}
    answer = await admin.post("/api/providers", json=said)
    assert answer.status_code == 201
    made = answer.json()["connection"]
    wanted = {"provider": "openai", "name": "work", "priority": 3, "rpm": 60, "gapMs": 250.0, "concurrency": None}
    assert made | wanted | {"status": "ready", "hasKey": True, "rests": [], "combos": [], "implied": False} == made
    path = f"/api/providers/{made['id']}"
    combos.add(api.store, "mix", ["openai/gpt-4o"])
    one = (await admin.get(path)).json()["connection"]
    assert one["combos"] == ["mix"]
    edited = {"name": "home", "priority": 1, "baseUrl": "http://127.0.0.1:9/v1/", "enabled": False, "rpm": 0}
    one = (await admin.put(path, json=edited)).json()["connection"]
    assert one | {"name": "home", "baseUrl": "http://127.0.0.1:9/v1", "rpm": None, "gapMs": 250.0} == one
    assert one["status"] == "disabled"
    assert snapshot.credentials(api.store) == {made["id"]: KEY}
    one = (await admin.put(path, json={"apiKey": "sk-another-9876543210", "baseUrl": ""})).json()["connection"]
    assert (one["status"], one["baseUrl"]) == ("ready", None)
    assert snapshot.credentials(api.store) == {made["id"]: "sk-another-9876543210"}
    every = await admin.get("/api/providers")
    assert "sk-" not in every.text
    assert [each["name"] for each in every.json()["connections"]] == ["home"]
    assert {each["id"] for each in every.json()["providers"]} >= {"openai", "anthropic", "gemini", "groq"}
    assert (await admin.delete(path)).json() == {"removed": made["id"], "combos": ["mix"]}
    for method in ("GET", "DELETE"):
        assert (await admin.request(method, path)).status_code == 404
    assert (await admin.put(path, json={})).status_code == 404


@every(
    ("said", "field"),
    [
        ({"provider": "nobody", "apiKey": KEY}, "provider"),
        ({"provider": "openai"}, "apiKey"),
        ({"provider": "openai", "apiKey": "two words"}, "apiKey"),
        ({"provider": "openai", "apiKey": KEY, "name": " x"}, "name"),
        ({"provider": "openai", "apiKey": KEY, "priority": -1}, "priority"),
        ({"provider": "openai", "apiKey": KEY, "baseUrl": "ftp://x"}, "baseUrl"),
        ({"provider": "openai", "apiKey": KEY, "rpm": -1}, "rpm"),
        ({"provider": "openai", "apiKey": KEY, "gapMs": 1e9}, "gapMs"),
        ({"provider": "openai", "apiKey": KEY, "moon": 1}, "moon"),
    ],
)
async def test_what_is_wrong_with_an_account_is_named_and_nothing_kept(
    admin: httpx.AsyncClient, said: Any, field: str
) -> None:
    answer = await admin.post("/api/providers", json=said)
    assert field_of(answer) == field
    assert KEY not in answer.text
    assert (await admin.get("/api/providers")).json()["connections"] == []


async def test_how_accounts_stand(api: Api, admin: httpx.AsyncClient) -> None:
    ids = {}
    for name, base_url in (("broken", None), ("cooling", None), ("partly", None), ("apart", "http://127.0.0.1:9/v1")):
        said = {"provider": "groq", "apiKey": KEY, "name": name, "baseUrl": base_url}
        ids[name] = (await admin.post("/api/providers", json=said)).json()["connection"]["id"]
    cool = Cooldown(NOW + 90, NOW, 1, "rate_limited", "too many", provider_named=True)
    coolings = {("account", ids["cooling"], ""): cool, ("model", ids["partly"], "m"): cool}
    health.save(api.store, HealthChanges(coolings, {("account", ids["broken"]): Breaker(5, NOW, 60.0)}))

    async def standing() -> dict[str, Any]:
        found = (await admin.get("/api/providers")).json()["connections"]
        return {each["name"]: each for each in found}

    found = await standing()
    statuses = {"broken": "broken", "cooling": "cooling", "partly": "ready", "apart": "ready"}
    assert {name: each["status"] for name, each in found.items()} == statuses
    assert found["partly"]["rests"] == [
        {"scope": "model", "model": "m", "seconds": 90.0, "after": "too many", "told": True}
    ]
    health.save(api.store, HealthChanges({("provider", "groq", ""): cool}, {("account", ids["broken"]): None}))
    found = await standing()
    assert {name: each["status"] for name, each in found.items()} == dict.fromkeys(statuses, "cooling") | {
        "apart": "ready"
    }
    await admin.patch("/api/settings", json={"blockedProviders": ["groq"]})
    assert {each["status"] for each in (await standing()).values()} == {"blocked"}


async def test_accounts_are_tested_for_real(admin: httpx.AsyncClient, upstream: int) -> None:
    url = f"http://127.0.0.1:{upstream}/v1"
    for key, valid in ((KEY, True), ("sk-wrong", False)):
        said = {"provider": "openai", "apiKey": key, "baseUrl": url}
        made = (await admin.post("/api/providers", json=said)).json()["connection"]
        found = (await admin.post(f"/api/providers/{made['id']}/test")).json()
        assert found["valid"] is valid
        assert (found["models"], found["error"] is None) == ((2, True) if valid else (None, False))
    assert "the key was refused" in found["detail"]
    assert (await admin.post("/api/providers/none/test")).status_code == 404


async def test_combos_are_tested_for_real(admin: httpx.AsyncClient, upstream: int) -> None:
    url = f"http://127.0.0.1:{upstream}/v1"
    for name, key in (("right", KEY), ("wrong", "sk-wrong")):
        await admin.post("/api/providers", json={"provider": "openai", "name": name, "apiKey": key, "baseUrl": url})
    await admin.post("/api/combos", json={"name": "team", "models": ["openai/gpt-4o"]})
    found = (await admin.post("/api/combos/test", json={"comboName": "team"})).json()
    assert found["comboName"] == "team"
    by_account = {each["account"]: each for each in found["results"]}
    assert set(by_account) == {"right", "wrong"}
    assert (by_account["wrong"]["status"], by_account["wrong"]["model"]) == ("error", "openai/gpt-4o")
    assert by_account["wrong"]["statusCode"] == 401
    assert (by_account["right"]["status"], by_account["right"]["error"]) == ("ok", None)
    refused = await admin.post("/api/combos/test", json={"comboName": "none"})
    assert (refused.status_code, "there is no combo" in refused.text) == (400, True)


async def test_a_key_is_tried_before_it_is_added(admin: httpx.AsyncClient, upstream: int) -> None:
    url = f"http://127.0.0.1:{upstream}/v1"
    for key, valid in ((KEY, True), ("sk-wrong", False)):
        said = {"provider": "openai", "apiKey": key, "baseUrl": url}
        found = (await admin.post("/api/providers/validate", json=said)).json()
        assert (found["valid"], found["models"]) == ((True, 2) if valid else (False, None))
        assert key not in json.dumps(found)
    found = (await admin.post("/api/providers/validate", json=said | {"apiKey": KEY, "model": "openai/gpt-4o"})).json()
    assert (found["valid"], found["detail"]) == (True, "gpt-4o answered")
    for wrong, field in (
        ({"provider": "openia"}, "provider"),
        ({"apiKey": "a b"}, "apiKey"),
        ({"baseUrl": "x"}, "baseUrl"),
    ):
        answer = await admin.post("/api/providers/validate", json=said | wrong)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == field
    assert not (await admin.get("/api/providers")).json()["connections"]


async def test_a_server_is_tried_before_it_is_added(admin: httpx.AsyncClient, upstream: int) -> None:
    said = {"baseUrl": f"http://127.0.0.1:{upstream}/v1", "type": "openai-compatible", "apiKey": KEY}
    found = (await admin.post("/api/provider-nodes/validate", json=said)).json()
    assert (found["valid"], found["models"]) == (True, 2)
    assert not (await admin.post("/api/provider-nodes/validate", json=said | {"apiKey": None})).json()["valid"]
    answer = await admin.post("/api/provider-nodes/validate", json={"baseUrl": said["baseUrl"]})
    assert (answer.status_code, "dialect" in answer.text) == (400, True)
    assert not (await admin.get("/api/provider-nodes")).json()["nodes"]


async def test_nodes(admin: httpx.AsyncClient, upstream: int) -> None:
    url = f"http://127.0.0.1:{upstream}/v1"
    said = {"name": "Box", "prefix": "box", "apiType": "chat", "baseUrl": url, "type": "openai-compatible"}
    answer = await admin.post("/api/provider-nodes", json=said)
    assert answer.status_code == 201
    assert (
        answer.json()["node"] | {"id": "box", "prefix": "box", "dialect": "openai", "accounts": 0}
        == (answer.json()["node"])
    )
    (own,) = (await admin.get("/api/providers")).json()["connections"]
    assert (own["id"], own["implied"], own["hasKey"]) == ("node:box", True, False)
    assert (await admin.post("/api/providers/node:box/test")).json()["valid"] is False
    assert (await admin.put("/api/providers/node:box", json={"rpm": 5})).json()["connection"]["rpm"] == 5
    assert (await admin.put("/api/providers/node:box", json={"name": "x"})).status_code == 400
    assert (await admin.delete("/api/providers/node:box")).status_code == 400
    changed = (await admin.put("/api/provider-nodes/box", json={"dialect": "claude", "name": "Cube"})).json()["node"]
    assert changed | {"prefix": "box", "dialect": "claude", "name": "Cube", "baseUrl": url} == changed
    await admin.post("/api/providers", json={"provider": "box", "apiKey": KEY})
    assert (await admin.get("/api/provider-nodes")).json()["nodes"][0]["accounts"] == 1
    assert (await admin.delete("/api/provider-nodes/box")).json() == {"removed": "box", "accounts": 1, "combos": []}
    assert (await admin.get("/api/provider-nodes")).json() == {"nodes": []}
    assert (await admin.get("/api/providers")).json()["connections"] == []
    for bad, field in (({"prefix": "Box"}, "prefix"), ({"prefix": "openai"}, "prefix"), ({"baseUrl": "x"}, "baseUrl")):
        assert field_of(await admin.post("/api/provider-nodes", json=said | bad)) == field
    assert field_of(await admin.post("/api/provider-nodes", json={"prefix": "b", "baseUrl": url})) == "dialect"
    assert (await admin.put("/api/provider-nodes/box", json={})).status_code == 404


async def test_models_of_ones_own_as_in_the_user_guide(admin: httpx.AsyncClient) -> None:
    said = {"provider": "openai", "modelId": "gpt-4.5-preview", "modelName": "GPT-4.5 Preview"}
    answer = await admin.post("/api/provider-models", json=said)
    assert answer.status_code == 200
    model = answer.json()["model"]
    assert model | {"id": "gpt-4.5-preview", "name": "GPT-4.5 Preview", "source": "manual"} == model
    assert (await admin.get("/api/provider-models?provider=openai")).json() == {"models": [model]}
    assert (await admin.get("/api/provider-models")).json() == {"models": {"openai": [model]}}
    offers = (await admin.get("/api/providers/openai/models")).json()
    custom = {each["id"] for each in offers["models"] if each["custom"]}
    assert (offers["prefix"], custom, len(offers["models"]) > 1) == ("openai", {"gpt-4.5-preview"}, True)
    gone = "/api/provider-models?provider=openai&model=gpt-4.5-preview"
    assert (await admin.delete(gone)).json() == {"removed": True}
    assert (await admin.delete(gone)).json() == {"removed": False}
    assert (await admin.get("/api/providers/nobody/models")).status_code == 404
    for bad, field in (({"provider": "moon"}, "provider"), ({"modelId": " "}, "modelId"), ({"modelName": ""}, "name")):
        assert field_of(await admin.post("/api/provider-models", json=said | bad)) == field


async def curl(admin: httpx.AsyncClient, method: str, path: str, text: str) -> httpx.Response:
    """Ask as `curl -d` does, which calls everything a form."""
    return await admin.request(
        method, path, content=text, headers={"content-type": "application/x-www-form-urlencoded"}
    )


async def test_network_proxies_as_in_the_user_guide(api: Api, admin: httpx.AsyncClient) -> None:
    path = "/api/settings/proxy"
    answer = await curl(admin, "PUT", path, '{"global": {"type":"http","host":"proxy.example.com","port":"8080"}}')
    assert answer.status_code == 200
    whole = answer.json()["global"]
    assert whole | {"type": "http", "host": "proxy.example.com", "port": 8080, "locked": False} == whole
    text = '{"providers": {"openai": {"type":"socks5","host":"proxy.example.com","port":"1080"}}}'
    found = (await curl(admin, "PUT", path, text)).json()
    assert (found["global"], found["providers"]["openai"]["type"]) == (whole, "socks5")
    async with await api.logged_in() as browser:
        assert (await curl(browser, "PUT", path, text)).status_code == 415
    one = {"level": "provider", "id": "openai", "proxy": found["providers"]["openai"]}
    assert (await admin.get(path, params={"level": "provider", "id": "openai"})).json() == one
    assert (await admin.request("DELETE", path, params={"level": "global"})).json()["global"] is None
    assert (await admin.put(path, json={"providers": {"openai": None}})).json()["providers"] == {}


async def test_what_opens_a_proxy_is_kept_and_never_said(api: Api, admin: httpx.AsyncClient) -> None:
    path = "/api/settings/proxy"
    key = (await admin.post("/api/providers", json={"provider": "openai", "apiKey": KEY})).json()["connection"]["id"]
    at = {"type": "http", "host": "proxy.example.com", "port": 8080}
    login = {"username": "someone", "password": "p@ss:word/1"}
    answer = await admin.put(path, json={"level": "key", "id": key, "proxy": at | login})
    assert answer.json()["keys"][key]["locked"] is True
    answer = await admin.put(path, json={"level": "key", "id": key, "proxy": at})
    counts = await admin.get(path, params={"resolve": key})
    assert (counts.json()["level"], counts.json()["levelId"]) == ("account", key)
    for said in (answer, counts, await admin.get("/api/providers")):
        assert "someone" not in said.text
        assert "p@ss" not in said.text
    opened = snapshot.proxies(api.store)["account", key]
    assert (opened.user, opened.password) == ("someone", "p@ss:word/1")
    await admin.put(path, json={"level": "key", "id": key, "proxy": at | {"port": 8081}})
    assert snapshot.proxies(api.store)["account", key].user == ""
    answer = await admin.put(path, json={"level": "key", "id": key, "proxy": {"type": "direct"}})
    assert answer.json()["keys"][key]["type"] == "direct"
    for bad, field in (
        ({"level": "moon", "proxy": at}, "level"),
        ({"level": "provider", "id": "moon", "proxy": at}, "id"),
        ({"level": "global"}, "proxy"),
        ({"global": at | {"port": 0}}, "global.port"),
        ({"global": at | {"host": "a@b"}}, "global.host"),
        ({"global": {"type": "http", "port": 1}}, "global.host"),
        ({"global": at, "providers": {"openai": {"type": "http", "host": "x"}}}, "providers.openai.port"),
    ):
        assert field_of(await admin.put(path, json=bad)) == field
    assert (await admin.get(path)).json()["global"] is None
    assert (await admin.get(path, params={"resolve": "none"})).status_code == 404


async def test_proxies_are_tried(admin: httpx.AsyncClient, upstream: int) -> None:
    path, service = "/api/settings/proxy/test", f"http://127.0.0.1:{upstream}/ip"
    proxy = {"type": "http", "host": "127.0.0.1", "port": str(upstream)}
    found = (await admin.post(path, json={"proxy": {"type": "direct"}, "ipService": service})).json()
    assert found | {"success": True, "publicIp": "203.0.113.7", "error": None, "proxyUrl": "direct"} == found
    found = (await admin.post(path, json={"proxy": proxy, "ipService": service})).json()
    assert found["proxyUrl"] == f"http://127.0.0.1:{upstream}"
    shut = {"proxy": proxy | {"port": 1, "username": "u", "password": "hunter22"}, "ipService": service}
    answer = await admin.post(path, json=shut)
    assert (answer.json()["success"], answer.json()["publicIp"]) == (False, None)
    assert "hunter22" not in answer.text
    await admin.put("/api/settings/proxy", json={"global": shut["proxy"]})
    found = (await admin.post(path, json={"level": "global", "ipService": service})).json()
    assert found | {"success": False, "proxyUrl": "http://••••:••••@127.0.0.1:1"} == found
    assert field_of(await admin.post(path, json={})) == "proxy"
    assert field_of(await admin.post(path, json={"level": "provider", "id": "groq"})) == "level"
    assert field_of(await admin.post(path, json={"proxy": proxy, "ipService": "file:///etc"})) == "ipService"
