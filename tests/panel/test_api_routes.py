"""What the routes do, and how everything that goes wrong is said."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from cases import every
from panel_api import WORDS, Api, row

from omniroute.panel.api import ROUTES
from omniroute.panel.app import LIVE
from omniroute.store.config import rows, settings
from omniroute.store.db.files import StoreFailed


@pytest.fixture
async def admin(api: Api) -> Any:
    async with api.client(token=True) as client:
        yield client


def said(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Give the error of an answer, which has the shape that all errors have."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) <= {"message", "type", "code", "details"}
    assert error["message"]
    return error


# what goes wrong


async def test_a_method_that_a_path_does_not_have(admin: httpx.AsyncClient) -> None:
    answer = await admin.put("/api/resilience", json={})
    assert said(answer, 405)["type"] == "invalid_request"
    assert answer.headers["allow"] == "GET, PATCH"


async def test_bodies_that_are_not_what_the_route_takes(admin: httpx.AsyncClient) -> None:
    as_json = {"content-type": "application/json"}
    said(await admin.post("/api/keys", content=b'{"name": "x"}'), 415)
    said(await admin.post("/api/keys", data={"name": "x"}), 415)
    for content in (b"", b"{", b"[1]", b"null", b'"x"', b'{"name": "\xff"}', b"[" * 100_000):
        error = said(await admin.post("/api/keys", content=content, headers=as_json), 400)
        assert error["details"]
    error = said(await admin.post("/api/keys", json={"name": 5, "allowedModels": ["a", 7], "nmae": "x"}), 400)
    assert [each["field"] for each in error["details"]] == ["name", "allowedModels.1", "nmae"]
    said(await admin.request("GET", "/api/keys", json={}), 400)
    error = said(await admin.get("/api/keys", params={"moon": "1"}), 400)
    assert error["details"][0]["field"] == "moon"


async def test_what_was_sent_is_not_said_again(admin: httpx.AsyncClient) -> None:
    for sent in ({"password": ["hunter22hunter22"]}, {"pasword": "hunter22hunter22"}):
        assert "hunter22" not in (await admin.post("/api/auth/login", json=sent)).text


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("token", [False, True])
async def test_a_body_over_the_limit(api: Api, chunked: bool, token: bool) -> None:
    content = json.dumps({"name": "x" * 2_000_000}).encode()

    async def pieces() -> Any:
        for at in range(0, len(content), 65_536):
            yield content[at : at + 65_536]

    async with api.client(token=token, headers={"content-type": "application/json"}) as client:
        try:
            answer = await client.post("/api/keys", content=pieces() if chunked else content)
        except httpx.TransportError:
            assert chunked  # it was hung up on: nobody knows how long it would have gone on
        else:
            said(answer, 413 if token else 401)
        assert (await client.get("/healthz")).status_code == 200
    assert rows.keys(api.store) == ()


@every(
    "path",
    ["/api", "/api/", "/api/nothing", "/api/keys/", "//api/keys", "/api//keys", "/API/keys", "/api/keys%2f",
     "/api%2fkeys", "/api/./keys", "/v1/%2e%2e/api/keys", "/omniroute/../api/keys", "/api/keys;x", "/api/%6beys",
     "/healthz/"],
)  # fmt: skip
async def test_paths_that_only_mean_the_same_are_not_served(api: Api, path: str) -> None:
    async with api.client(token=True) as client:
        answer = await client.get("/", extensions={"target": path.encode()})
        assert said(answer, 404)["type"] == "not_found"


async def test_methods_that_a_path_does_not_take(admin: httpx.AsyncClient) -> None:
    for method in ("PUT", "OPTIONS", "DELETE"):
        answer = await admin.request(method, "/api/keys")
        said(answer, 405)
        assert answer.headers["allow"] == "GET, POST"
    assert (await admin.head("/api/keys")).status_code == 200


async def test_a_route_that_breaks_says_nothing_of_how(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("the moon is down")

    monkeypatch.setattr("omniroute.store.config.rows.keys", breaks)
    async with api.client(token=True) as client:
        answer = await client.get("/api/keys")
    assert "moon" not in answer.text
    assert said(answer, 500)["type"] == "internal_error"
    assert "the moon is down" in caplog.text


async def test_a_database_that_is_busy_is_nobodys_bad_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise StoreFailed("the database is busy")

    monkeypatch.setattr("omniroute.store.config.keys.create", breaks)
    async with api.client(token=True) as client:
        said(await client.post("/api/keys", json={"name": "x"}), 503)


async def test_every_answer_has_the_safe_headers(admin: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/api/keys", "/api/nothing", "/metrics"):
        headers = (await admin.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


# what works


async def test_keys(api: Api, admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/keys", json={"name": "laptop", "allowedModels": ["openai/*"]})
    assert answer.status_code == 201
    made = answer.json()
    assert made["key"].startswith("sk-omni-")
    (listed,) = (await admin.get("/api/keys")).json()["keys"]
    assert listed | {"key": made["key"]} == made
    assert listed == (await admin.get(f"/api/keys/{made['id']}")).json()
    assert listed["allowedModels"] == ["openai/*"]
    assert made["key"] not in answer.headers
    assert listed["key"] == f"sk-omni-…{made['key'][-4:]}"
    said(await admin.post("/api/keys", json={"name": "laptop"}), 400)
    changed = (await admin.patch(f"/api/keys/{made['id']}", json={"rpm": 60, "ips": ["10.0.0.0/8"]})).json()
    assert changed == listed | {"rpm": 60, "ips": ["10.0.0.0/8"]}
    for bad in ({"rpm": -1}, {"ips": ["10.0.0.0/99"]}, {"scopes": ["moon"]}, {"expiresAt": 5}, {"rpm": "60"}):
        said(await admin.patch(f"/api/keys/{made['id']}", json=bad | {"name": "other"}), 400)
    assert (await admin.get(f"/api/keys/{made['id']}")).json() == changed
    assert (await admin.delete(f"/api/keys/{made['id']}")).json()["revokedAt"] is not None
    assert (await admin.get("/api/keys")).json() == {"keys": []}
    said(await admin.delete("/api/keys/nobody"), 404)
    said(await admin.get("/api/keys/nobody"), 404)


async def test_settings(api: Api, admin: httpx.AsyncClient) -> None:
    change = {"settings": {"sticky_limit": 7, "affinity": False, "cooldown_wait": 2.5}, "fallbackStrategy": "p2c"}
    now = (await admin.patch("/api/settings", json=change)).json()
    assert now["settings"]["sticky_limit"] == {
        "value": 7,
        "isSet": True,
        "help": settings.SETTINGS["sticky_limit"].help,
    }
    assert now == (await admin.get("/api/settings")).json()
    assert (now["fallbackStrategy"], now["stickyRoundRobinLimit"], now["hasPassword"]) == ("p2c", 7, True)
    assert rows.settings(api.store) == {"affinity": False, "cooldown_wait": 2.5, "sticky_limit": 7, "strategy": "p2c"}
    bad = {"settings": {"affinity": True, "sticky_limit": -1}}
    assert said(await admin.patch("/api/settings", json=bad), 400)["details"][0]["field"] == "settings.sticky_limit"
    bad = {"settings": {"affinity": True}, "blockedProviders": ["nobody"]}
    assert said(await admin.patch("/api/settings", json=bad), 400)["details"][0]["field"] == "blockedProviders"
    assert rows.settings(api.store)["affinity"] is False  # all or none
    assert (await admin.patch("/api/settings", json={"settings": {"affinity": None}})).json()["settings"]["affinity"][
        "value"
    ]
    own = {"deadlines.groq.idle": 20, "strategy.groq": "random"}
    now = (await admin.patch("/api/settings", json={"settings": own})).json()["settings"]
    assert now["deadlines.groq.idle"] == {"value": 20, "isSet": True, "help": settings.SETTINGS["deadlines.idle"].help}
    assert now["strategy.groq"]["help"] == settings.SETTINGS["strategy"].help
    for blocked in (["groq", "openai"], ["openai"], []):
        now = (await admin.patch("/api/settings", json={"blockedProviders": blocked})).json()
        assert now["blockedProviders"] == blocked


async def test_the_token_sets_a_password_without_the_old_one(api: Api, admin: httpx.AsyncClient) -> None:
    assert (await admin.patch("/api/settings", json={"newPassword": f"{WORDS}!"})).status_code == 200


async def test_resilience(api: Api, admin: httpx.AsyncClient) -> None:
    now = (
        await admin.patch("/api/resilience", json={"profiles": {"apikey": {"failures": 2}, "groq": {"base": 1.5}}})
    ).json()
    assert now == (await admin.get("/api/resilience")).json()
    assert now["profiles"]["apikey"]["failures"] == 2
    assert now["profiles"]["groq"] == {"base": 1.5}
    said(await admin.patch("/api/resilience", json={"profiles": {"apikey": {"failures": 3, "moon": 1}}}), 400)
    assert (await admin.get("/api/resilience")).json() == now
    now = (await admin.patch("/api/resilience", json={"profiles": {"apikey": {"failures": None}}})).json()
    assert now["profiles"]["apikey"]["failures"] == 5
    assert (await admin.post("/api/resilience/reset", json={})).json()["ok"]
    assert (await admin.post("/api/resilience/reset", json={"ref": "groq"})).json()["ok"]
    said(await admin.post("/api/resilience/reset", json={"ref": "nobody"}), 400)


async def test_health(admin: httpx.AsyncClient) -> None:
    found = (await admin.get("/api/monitoring/health")).json()
    assert found["status"] == "ok"
    assert found["setupComplete"] is True
    assert found["system"]["uptime"] >= 0
    assert (await admin.delete("/api/monitoring/health")).json()["ok"]


async def test_readiness_waits_for_the_port(api: Api) -> None:
    async with api.client() as client:
        assert (await client.get("/readyz")).status_code == 503
        api.runtime.announced.set()
        assert (await client.get("/readyz")).json() == {
            "status": "ok",
            "revision": api.runtime.config.revision,
            "reasons": [],
        }
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/api/init")).json() == {"initialized": True}


async def test_metrics(api: Api, admin: httpx.AsyncClient) -> None:
    for more in (
        {},
        {"cost": None},
        {"provider": 'a"b\\c', "status": 503, "input": None, "output": None, "cost": None},
    ):
        api.runtime.tally.add(row(**more))
    lines = (await admin.get("/metrics")).text.splitlines()
    for line in (
        'omniroute_exchanges_total{provider="openai",status="200"} 2',
        'omniroute_exchanges_total{provider="a\\"b\\\\c",status="503"} 1',
        'omniroute_tokens_total{provider="openai",kind="input"} 20',
        'omniroute_cost_dollars_total{provider="openai"} 0.25',
        'omniroute_cost_unknown_total{provider="openai"} 1',
        'omniroute_exchange_seconds_bucket{provider="openai",le="0.1"} 0',
        'omniroute_exchange_seconds_bucket{provider="openai",le="0.25"} 2',
        'omniroute_exchange_seconds_bucket{provider="openai",le="+Inf"} 2',
        'omniroute_first_content_seconds_count{provider="openai"} 2',
        'omniroute_attempts_total{outcome="ok"} 3',
    ):
        assert line in lines
    assert not any(
        line.startswith("omniroute_cost_unknown_total") and "b" in line.partition("{")[2][10:13] for line in lines
    )


async def test_the_document_says_every_route_and_nothing_else(admin: httpx.AsyncClient) -> None:
    found = (await admin.get("/api/openapi.json")).json()
    said_ = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert said_ == {(route.method, route.path) for route in ROUTES}
    text = json.dumps(found)
    for name in text.split('"#/components/schemas/')[1:]:
        assert name.partition('"')[0] in found["components"]["schemas"]
    made = found["paths"]["/api/keys"]["post"]
    assert set(made["responses"]) >= {"201", "400", "401", "403", "413", "415"}
    assert found["paths"]["/healthz"]["get"]["security"] == []
    assert found["components"]["schemas"]["NewKey"]["required"] == ["name"]


def test_the_page_for_people_names_every_path_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/management.md").read_text(encoding="utf-8")
    table = re.sub(r"(/api[\w/-]+)`, `…", r"\1`, `\1", "".join(re.findall(r"^\|.*\n", page, re.M)))
    named = set(re.findall(r"[` ](/(?:api/|healthz|readyz|metrics)[\w/{}.-]*)", table))
    served = {route.path for route in ROUTES} | {LIVE}
    assert {re.sub(r"{\w+}", "{}", each) for each in named} == {re.sub(r"{\w+}", "{}", each) for each in served}
