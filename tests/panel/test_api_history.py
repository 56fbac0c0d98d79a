"""What passed of late, what is held back, and what something is."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from cases import every
from history import NOON, ROW
from panel_api import Api, StartApi
from test_api_live import passes

from omniroute.routing.health import Cooldown, Health, Snapshot
from omniroute.store.config import accounts, nodes, snapshot
from omniroute.store.history import usage

NOW = NOON + 30


@pytest.fixture
async def api(start: StartApi) -> Any:
    return await start(lambda: NOW)


@pytest.fixture
async def admin(api: Api) -> Any:
    async with api.client(token=True) as client:
        yield client


def there(api: Api) -> list[str]:
    """Set up two accounts of a provider, and a server without any."""
    added = [accounts.add(api.store, "openai", api_key=f"sk-{name}", name=name).id for name in ("one", "two")]
    nodes.add(api.store, "box", "openai", "http://127.0.0.1:1/v1")
    api.runtime.config = snapshot.load(api.store)
    return added


async def test_a_time_in_one_answer(api: Api, admin: httpx.AsyncClient) -> None:
    one, _ = there(api)
    rows = [replace(ROW, id=f"r{number:02}", at=NOW - 60 * number, cost=0.5) for number in (0, 0.5, 3, 9.5, 11, 30)]
    usage.record(api.store, [replace(row, id=str(at)) for at, row in enumerate(rows)])
    usage.record(api.store, [replace(ROW, id="no key", at=NOW - 7200, key_id=None, key_name=None, cost=None)])
    api.runtime.choosing._loads.started(one)
    api.runtime.choosing._loads.started("node:box")
    api.runtime.choosing._loads.started("gone meanwhile")

    said = (await admin.get("/api/usage/history")).json()

    assert (said["totalRequests"], said["totalCost"]) == (7, 3.0)
    assert said["totalPromptTokens"] == 7 * (ROW.input or 0)
    assert said["totalCompletionTokens"] == 7 * (ROW.output or 0)
    by_key = {id: (part["name"], part["requests"]) for id, part in said["byApiKey"].items()}
    assert by_key == {"k1": ("laptop", 6), "": (None, 1)}
    assert [part["requests"] for part in said["byProvider"].values()] == [7]
    assert [part["cost"] for part in said["byModel"].values()] == [3.0]
    assert [part["promptTokens"] for part in said["byAccount"].values()] == [said["totalPromptTokens"]]
    assert [each["requests"] for each in said["last10Minutes"]] == [1, 0, 0, 0, 0, 0, 1, 0, 0, 2]
    assert said["last10Minutes"][-1]["at"] == NOON
    assert said["last10Minutes"][-1]["cost"] == 1.0
    assert said["pending"] == 2
    assert said["activeRequests"] == [
        {"provider": "openai", "account": "one", "count": 1},
        {"provider": "box", "account": "no key", "count": 1},
    ]
    assert [each["id"] for each in said["recentRequests"]] == ["0", "1", "2", "3", "4", "5", "no key"]
    assert (await admin.get("/api/usage/history?period=1h")).json()["totalRequests"] == 6
    assert (await admin.get("/api/usage/history?period=never")).status_code == 400


async def test_nothing_has_passed(admin: httpx.AsyncClient) -> None:
    said = (await admin.get("/api/usage/history")).json()
    assert (said["totalRequests"], said["pending"], said["byModel"], said["recentRequests"]) == (0, 0, {}, [])
    assert [each["requests"] for each in said["last10Minutes"]] == [0] * 10
    assert (await admin.get("/api/usage/request-logs")).text == ""


async def test_exchanges_are_lines_whatever_they_are_called(api: Api, admin: httpx.AsyncClient) -> None:
    known = replace(ROW, id="a", at=1767225600.0, model_served="openai/gpt", provider="openai", account_name="main",
                    input=12, output=3, status=200)  # fmt: skip
    hostile = replace(ROW, id="b", at=known.at - 1, model_asked="x\n2026 | y\u2028z", model_served=None, provider=None,
                      account_name=None, input=None, output=None, status=None)  # fmt: skip
    usage.record(api.store, [known, hostile])
    answer = await admin.get("/api/usage/request-logs")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.splitlines() == [
        "2026-01-01 00:00:00 | openai/gpt | OPENAI | main | 12 | 3 | 200",
        "2025-12-31 23:59:59 | x 2026 | y z | - | - | - | - | hung up",
    ]
    assert len((await admin.get("/api/usage/request-logs?limit=1")).text.splitlines()) == 1


async def test_a_model_that_is_held_back_is_let_go(api: Api, admin: httpx.AsyncClient) -> None:
    one, two = there(api)
    bad, worse = Cooldown(NOW + 90, NOW - 10, 1, "rate", "429"), Cooldown(NOW + 5, NOW, 1, "server", "500")
    api.runtime.choosing.health = Health(
        Snapshot(
            {
                ("model", one, "gpt"): bad,
                ("model", two, "gpt"): worse,
                ("model", one, "other"): worse,
                ("model", two, "over"): replace(bad, until=NOW - 1),
                ("account", one, ""): bad,
                ("provider", "openai", ""): bad,
            },
            {},
        )
    )
    said = (await admin.get("/api/models/availability")).json()
    assert said["unavailableCount"] == 3
    assert said["models"][0] == {
        "provider": "openai", "model": "gpt", "account": "one", "reason": "rate", "remainingMs": 90000,
        "unavailableSince": NOW - 10,
    }  # fmt: skip

    cleared = await admin.post("/api/models/availability", json={"provider": "openai", "model": "gpt"})
    assert cleared.json() == {"success": True, "cleared": 2}
    left = (await admin.get("/api/models/availability")).json()
    assert [(each["account"], each["model"]) for each in left["models"]] == [("one", "other")]
    assert set(api.runtime.choosing.health.snapshot().cooling) >= {("account", one, ""), ("provider", "openai", "")}
    again = await admin.post("/api/models/availability", json={"provider": "openai", "model": "gpt"})
    assert again.json() == {"success": True, "cleared": 0}
    unknown = await admin.post("/api/models/availability", json={"provider": "nobody", "model": "gpt"})
    assert unknown.status_code == 404
    assert unknown.json()["error"]["details"][0]["field"] == "provider"


@every(
    ("given", "found"),
    [
        ({"body": {"messages": [], "system": "x"}}, ("claude", "request")),
        ({"text": '{"contents": []}'}, ("gemini", "request")),
        ({"text": 'data: {"choices": []}\n\n'}, ("openai", "stream")),
        ({"body": [{"candidates": []}]}, ("gemini", "stream")),
        ({"text": "hello"}, (None, None)),
        ({"body": {}}, (None, None)),
    ],
)
async def test_what_something_is(admin: httpx.AsyncClient, given, found) -> None:
    said = (await admin.post("/api/translator/detect", json=given)).json()
    assert (said["format"], said["kind"]) == found
    assert said["success"] is (found != (None, None))


@pytest.mark.parametrize("given", [{}, {"text": "x", "body": {}}])
async def test_one_thing_at_a_time_is_looked_at(admin: httpx.AsyncClient, given) -> None:
    refused = await admin.post("/api/translator/detect", json=given)
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "text"


async def test_what_has_passed_is_listed_without_what_was_said(api: Api, admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/api/translator/history")).json() == {"success": True, "events": [], "total": 0}
    api.runtime.watching.add()
    for id in ("a", "b", "c"):
        passes(api, id, text="a secret")
    answer = await admin.get("/api/translator/history?limit=2")
    said = answer.json()
    assert [event["id"] for event in said["events"]] == ["c", "b"]
    assert said["total"] == 3
    assert said["events"][0]["flow"] == "flow-c"
    assert "a secret" not in answer.text


async def test_whether_one_has_to_log_in_is_said_to_anybody(api: Api, start: StartApi) -> None:
    async with api.client() as anybody:
        said = (await anybody.get("/api/settings/require-login")).json()
    assert said == {"requireLogin": True, "hasPassword": True, "setupComplete": True}
