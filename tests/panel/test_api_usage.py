"""The routes of usage, of the playground and of limits."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from cases import every
from history import NOON, ROW
from panel_api import Api, StartApi

from omniroute.panel.api import usage as usage_routes
from omniroute.store.config import accounts, combos, nodes, snapshot
from omniroute.store.history import usage

NOW = NOON
ROW = replace(ROW, id="r", attempts=ROW.attempts[1:], dropped=("seed",), latency_ms=120.0, model_served="openai/gpt")


@pytest.fixture
async def admin(start: StartApi) -> Any:
    api: Api = await start(lambda: NOW)
    rows = [
        replace(ROW, id=f"r{number:02}", at=NOW - 60 * number, provider=f"p{number % 12}") for number in range(1, 40)
    ]
    usage.record(api.store, [*rows, replace(ROW, id="old", at=NOW - 40 * 86400)])
    async with api.client(token=True) as client:
        yield client


async def test_a_time_is_added_up_in_every_way(admin: httpx.AsyncClient) -> None:
    found = (await admin.get("/api/usage/analytics", params={"period": "24h"})).json()
    assert found["summary"] | {"requests": 39, "input": 390, "unknownCost": 0} == found["summary"]
    assert found["summary"]["cost"] == pytest.approx(39 * 0.25)
    assert len(found["rows"]) == 12
    assert [each["name"] for each in found["series"]][-1] == "others"
    assert len(found["series"]) == 8
    assert len(found["timeline"]) in (96, 97)
    assert sum(sum_["requests"] for step in found["timeline"] for sum_ in step["sums"]) == 39
    assert sum(map(sum, found["week"])) == 39
    assert found["percentiles"]["p1"] == {"latency": [120, 120, 120], "ttft": [40, 40, 40]}


async def test_all_of_the_history(admin: httpx.AsyncClient) -> None:
    found = (await admin.get("/api/usage/analytics", params={"period": "all", "by": "key"})).json()
    assert found["summary"]["requests"] == 40
    assert [(row["id"], row["name"]) for row in found["rows"]] == [("k1", "laptop")]
    assert len(found["timeline"]) == 41
    nothing = (await admin.get("/api/usage/analytics", params={"period": "1h", "by": "model"})).json()
    assert len(nothing["timeline"]) in (4, 5)


async def test_exchanges_come_in_pages(admin: httpx.AsyncClient) -> None:
    ids, before = [], ""
    while True:
        found = (await admin.get("/api/usage/call-logs", params={"limit": 15, "before": before})).json()
        ids += [log["id"] for log in found["logs"]]
        if not (before := found["next"]):
            break
    assert ids == [f"r{number:02}" for number in range(1, 40)]
    one = (await admin.get("/api/usage/call-logs/r07")).json()
    attempt = {"target": "openai/gpt-4o", "account": "work", "outcome": "ok", "status": 200, "ms": 80.0, "detail": ""}
    assert one["attempts"] == [attempt | {"estimate": None}]
    assert one["dropped"] == ["seed"]
    assert (await admin.get("/api/usage/call-logs/none")).status_code == 404
    searched = (await admin.get("/api/usage/call-logs", params={"search": "p3", "outcome": "ok"})).json()
    assert [log["id"] for log in searched["logs"]] == ["r03", "r15", "r27", "r39"]


@every(
    ("path", "params", "field"),
    [
        ("/api/usage/analytics", {"period": "fortnight"}, "period"),
        ("/api/usage/analytics", {"period": "0h"}, "period"),
        ("/api/usage/analytics", {"period": "99999d"}, "period"),
        ("/api/usage/analytics", {"by": "moon"}, "by"),
        ("/api/usage/call-logs", {"limit": "0"}, "limit"),
        ("/api/usage/call-logs", {"limit": "9999"}, "limit"),
        ("/api/usage/call-logs", {"outcome": "odd"}, "outcome"),
    ],
)
async def test_what_is_nonsense_is_named(admin: httpx.AsyncClient, path: str, params: Any, field: str) -> None:
    answer = await admin.get(path, params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == field
    assert (await admin.get("/api/usage/call-logs", params={"before": "x"})).status_code == 400


async def test_an_answer_that_is_wrong_is_no_fault_of_who_asks(admin: httpx.AsyncClient, monkeypatch) -> None:
    monkeypatch.setattr(usage_routes, "_exchange", lambda row: usage_routes.Step(at="soon", sums=[]))  # type: ignore[arg-type]
    assert (await admin.get("/api/usage/call-logs/r07")).status_code == 500


async def test_the_playground(admin: httpx.AsyncClient) -> None:
    request = {"sourceFormat": "openai", "targetFormat": "claude"}
    text = '{"model": "m", "seed": 4, "messages": [{"role": "user", "content": "hi"}]}'
    found = (await admin.post("/api/translator/translate", json=request | {"text": text})).json()
    assert (found["success"], found["dropped"]) == (True, ["seed"])
    assert '"max_tokens"' in found["result"]
    for half in ("", text[:-1], "[]", '{"model": "m", "messages": 7}'):
        found = (await admin.post("/api/translator/translate", json=request | {"text": half})).json()
        assert found["success"] is False
        assert found["error"]["message"]
    refused = request | {"kind": "error", "status": 429, "text": '{"error": {"message": "slow down"}}'}
    assert (await admin.post("/api/translator/translate", json=refused)).json()["status"] == 429
    stream = request | {"kind": "stream", "sourceFormat": "claude", "targetFormat": "gemini", "text": "data: {"}
    assert (await admin.post("/api/translator/translate", json=stream)).json()["success"] is False
    answer = await admin.post("/api/translator/translate", json=request | {"text": "", "targetFormat": "morse"})
    assert answer.json()["error"]["details"][0]["field"] == "targetFormat"


async def test_limits_and_lock_outs(start: StartApi) -> None:
    api: Api = await start()
    account = accounts.add(api.store, "openai", name="work", api_key="sk-x")
    async with api.client(token=True) as client:
        assert (await client.get("/api/rate-limits")).json() == {"connections": []}
        said = await client.post("/api/rate-limits", json={"connectionId": account.id, "rpm": 60, "concurrency": 3})
        (one,) = said.json()["connections"]
        assert one | {"rpm": 60, "gapMs": None, "concurrency": 3, "running": 0, "queued": 0} == one
        (one,) = (await client.post("/api/rate-limits", json={"connectionId": "work", "rpm": 0})).json()["connections"]
        assert (one["rpm"], one["concurrency"]) == (None, 3)
        for bad in ({"connectionId": "work", "rpm": -1}, {"connectionId": "nobody", "rpm": 1}):
            assert (await client.post("/api/rate-limits", json=bad)).status_code == 400
        api.runtime.gate.lockouts.failed("key", "203.0.113.7", api.runtime.config.rules.lockout, api.runtime.wall())
        assert (await client.get("/api/policies")).json() == {"circuitBreakers": [], "lockedIdentifiers": []}
        assert (await client.post("/api/policies", json={"action": "unlock"})).json() == {"unlocked": []}
        assert (await client.post("/api/policies", json={"action": "open"})).status_code == 400


async def test_what_can_be_asked_for(start: StartApi) -> None:
    api: Api = await start()
    accounts.add(api.store, "openai", name="work", api_key="sk-x")
    nodes.add(api.store, "box", dialect="openai", base_url="http://127.0.0.1:9/v1")
    combos.add(api.store, "mix", ["box/llama", "openai/gpt-4o"])
    api.runtime.config = snapshot.load(api.store)
    async with api.client(token=True) as client:
        here = (await client.get("/api/endpoint")).json()
        catalog = (await client.get("/api/models/catalog")).json()
    assert here | {"accounts": 1, "nodes": 1, "combos": 1, "keys": 0, "requireKey": False} == here
    assert [each["id"] for each in catalog["combos"]] == ["mix"]
    assert catalog["aliases"] == []
    assert catalog["catalog"]["box"]["models"][0]["id"] == "box/llama"
    assert "openai/gpt-4o" in [each["id"] for each in catalog["catalog"]["openai"]["models"]]
