"""The routes of budgets and prices."""

from typing import Any

import httpx
import pytest
from cases import every
from panel_api import Api, StartApi

from omniroute.store.config import keys


@pytest.fixture
async def costs(start: StartApi) -> Any:
    api: Api = await start()
    key, _ = keys.create(api.store, "laptop")
    async with api.client(token=True) as client:
        yield client, key.id


async def test_a_budget_is_set_in_every_way_that_people_say_it(costs: Any) -> None:
    client, key = costs
    assert (await client.get("/api/usage/budget")).json() == {"budgets": []}
    said = {"keyId": key, "limit": 50, "period": "monthly"}
    (one,) = (await client.post("/api/usage/budget", json=said)).json()["budgets"]
    assert one | {"key": "laptop", "keyId": key, "limit": 50, "spent": 0, "warn": 0.8, "state": "ok"} == one
    assert (one["setAside"], one["left"]) == (0, 50)
    other = {"apiKeyId": "laptop", "dailyLimitUsd": 2.5, "weeklyLimitUsd": 9, "warningThreshold": 0.5}
    found = (await client.post("/api/usage/budget", json=other)).json()["budgets"]
    assert {(each["period"], each["limit"], each["warn"]) for each in found} == {
        ("daily", 2.5, 0.5),
        ("weekly", 9, 0.5),
        ("monthly", 50, 0.8),
    }
    await client.post("/api/usage/budget", json={"keyId": "-", "limit": 1})
    assert len((await client.get("/api/usage/budget")).json()["budgets"]) == 4
    (keyless,) = (await client.get("/api/usage/budget", params={"keyId": "-"})).json()["budgets"]
    assert keyless["keyId"] is None
    left = (await client.delete("/api/usage/budget", params={"keyId": key, "period": "daily"})).json()["budgets"]
    assert len(left) == 3
    assert len((await client.delete("/api/usage/budget", params={"keyId": key})).json()["budgets"]) == 1


async def test_what_is_set_aside_is_said(start: StartApi) -> None:
    api: Api = await start()
    key, _ = keys.create(api.store, "laptop")
    ledger, now = api.runtime.spending.ledger, api.runtime.wall()
    async with api.client(token=True) as client:
        await client.post("/api/usage/budget", json={"keyId": key.id, "dailyLimitUsd": 5, "monthlyLimitUsd": 9})
        hold = ledger.reserve(key.id, 1.25, now)
        found = (await client.get("/api/usage/budget")).json()["budgets"]
        assert {each["period"]: (each["setAside"], each["left"], each["spent"]) for each in found} == {
            "daily": (1.25, 3.75, 0),
            "monthly": (1.25, 7.75, 0),
        }
        ledger.release(hold)
        assert all(each["setAside"] == 0 for each in (await client.get("/api/usage/budget")).json()["budgets"])


@every(
    ("said", "field"),
    [
        ({"limit": 5}, "keyId"),
        ({"keyId": "laptop"}, "limit"),
        ({"keyId": "laptop", "limit": "5"}, "limit"),
        ({"keyId": "laptop", "limit": -5}, None),
        ({"keyId": "laptop", "limit": 5, "period": "fortnightly"}, None),
        ({"keyId": "laptop", "limit": 5, "warn": 7}, None),
        ({"keyId": "nobody", "limit": 5}, None),
        ({"keyId": "laptop", "dailyLimitUsd": 5, "monthlyLimitUsd": -1}, None),
    ],
)
async def test_a_budget_that_is_none_changes_nothing(costs: Any, said: dict[str, Any], field: str | None) -> None:
    client, _ = costs
    answer: httpx.Response = await client.post("/api/usage/budget", json=said)
    assert answer.status_code == 400
    if field:
        assert answer.json()["error"]["details"][0]["field"] == field
    assert (await client.get("/api/usage/budget")).json() == {"budgets": []}


async def test_prices_are_set_all_or_none(costs: Any) -> None:
    client, _ = costs
    assert (await client.get("/api/pricing")).json() == {"models": []}
    said = {"openai": {"gpt-x": {"input": 2.5, "output": 10, "cached": 0.5}, "*": {"reasoning": 12}}}
    found = {row["model"]: row for row in (await client.patch("/api/pricing", json=said)).json()["models"]}
    assert (
        found["openai/gpt-x"] | {"input": 2.5, "output": 10, "cacheRead": 0.5, "cacheWrite": None}
        == found["openai/gpt-x"]
    )
    assert found["openai/gpt-x"]["known"] is True
    assert found["openai/*"]["reasoning"] == 12
    for bad in (
        {"openai": {"gpt-x": {"input": 3}, "gpt-y": {"input": -1}}},
        {"openai": {"gpt-x": {"input": 3, "moon": 1}}},
        {"openai": {"gpt-x": {"input": "3"}}},
        {"nowhere": {"gpt-x": {"input": 3}}},
    ):
        assert (await client.patch("/api/pricing", json=bad)).status_code == 400
    again = {row["model"]: row for row in (await client.get("/api/pricing")).json()["models"]}
    assert again == found
    left = await client.delete("/api/pricing", params={"provider": "openai", "model": "gpt-x"})
    assert [row["model"] for row in left.json()["models"]] == ["openai/*"]
    assert (await client.delete("/api/pricing", params={"provider": "openai", "model": "gpt-x"})).status_code == 400
    everything = (await client.get("/api/pricing", params={"everything": "true"})).json()["models"]
    assert len(everything) > 50
