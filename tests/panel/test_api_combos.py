"""The routes of combos, of other names, of chains, and of where a name leads."""

from typing import Any

import httpx
import pytest
from cases import every
from panel_api import Api, row

from omniroute.store.config import accounts, keys
from omniroute.store.config import rows as read
from omniroute.store.history import usage
from omniroute.store.history.usage import AttemptRow


@pytest.fixture
async def admin(api: Api) -> Any:
    accounts.add(api.store, provider="openai", name="one", api_key="sk-one")
    async with api.client(token=True) as client:
        yield client


def field_of(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    (detail,) = answer.json()["error"]["details"]
    return str(detail["field"])


async def test_a_combo_is_made_changed_and_removed(admin: httpx.AsyncClient, api: Api) -> None:
    config = {"maxRetries": 2, "retryDelayMs": 250, "hedge": True, "resume": False, "idleTimeoutMs": 5000}
    models = ["openai/gpt-4o", {"model": "anthropic/claude-sonnet-4-5", "weight": 3}]
    made = await admin.post(
        "/api/combos", json={"name": "team/best", "models": models, "strategy": "weighted", "config": config}
    )
    assert made.status_code == 201, made.text
    one = made.json()
    assert one["models"] == [
        {"model": "openai/gpt-4o", "weight": 1},
        {"model": "anthropic/claude-sonnet-4-5", "weight": 3},
    ]
    assert {name: value for name, value in one["config"].items() if value is not None} == config
    assert one["targets"] == ["openai/gpt-4o by one"]
    assert [out["target"] for out in one["leftOut"]] == ["anthropic/claude-sonnet-4-5"]
    (kept,) = read.combos(api.store)
    assert (kept.tries.retry_delay, dict(kept.tries.deadlines), dict(kept.weights)) == (
        0.25,
        {"idle": 5.0},
        {"anthropic/claude-sonnet-4-5": 3},
    )
    path = "/api/combos/team%2Fbest"
    changed = (
        await admin.patch(path, json={"strategy": None, "config": {"hedge": None, "totalTimeoutMs": 90000}})
    ).json()
    assert changed["strategy"] is None
    assert changed["models"] == one["models"]
    assert {name: value for name, value in changed["config"].items() if value is not None} == {
        "maxRetries": 2,
        "retryDelayMs": 250,
        "resume": False,
        "idleTimeoutMs": 5000,
        "totalTimeoutMs": 90000,
    }
    again = (await admin.put(path, json={"models": ["openai/gpt-4o-mini"]})).json()
    assert again["models"] == [{"model": "openai/gpt-4o-mini", "weight": 1}]
    assert set(again["config"].values()) == {None}
    assert (await admin.get(path)).json() == again
    assert (await admin.get("/api/combos")).json() == {"combos": [again]}
    assert "team/best" in api.runtime.config.combos
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get("/api/combos")).json() == {"combos": []}
    for method in ("GET", "DELETE"):
        assert (await admin.request(method, path)).status_code == 404
    assert (await admin.patch(path, json={})).status_code == 404


@every(
    ("said", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "there"}, "name"),
        ({"models": []}, "models"),
        ({"models": ["nobody/knows"]}, "models"),
        ({"models": ["openai/gpt-4o", "openai/gpt-4o"]}, "models"),
        ({"models": ["x"]}, "models"),
        ({"models": [{"model": "openai/gpt-4o", "weight": -1}]}, "models"),
        ({"models": [{"model": 7}]}, "models.0.model"),
        ({"strategy": "best"}, "strategy"),
        ({"config": {"maxRetries": 99}}, "config.maxRetries"),
        ({"config": {"idleTimeoutMs": 0}}, "config.idleTimeoutMs"),
        ({"config": {"timeout": 5}}, "config.timeout"),
    ],
)
async def test_a_combo_that_cannot_work_is_refused(admin: httpx.AsyncClient, said: dict[str, Any], field: str) -> None:
    await admin.post("/api/combos", json={"name": "there", "models": ["openai/gpt-4o"]})
    before = (await admin.get("/api/combos")).json()
    answer = await admin.post("/api/combos", json={"name": "x", "models": ["openai/gpt-4o"]} | said)
    assert field_of(answer) == field
    assert (await admin.get("/api/combos")).json() == before


async def test_what_holds_for_all_combos(admin: httpx.AsyncClient, api: Api) -> None:
    path = "/api/settings/combo-defaults"
    before = (await admin.get(path)).json()
    assert before["comboDefaults"]["strategy"] == "priority"
    assert before["comboDefaults"]["maxRetries"] == 0
    said = {"strategy": "random", "retryDelayMs": 500, "hedge": False, "idleTimeoutMs": 7000}
    held = (await admin.patch(path, json={"comboDefaults": said})).json()["comboDefaults"]
    assert said.items() <= held.items()
    assert api.runtime.config.rules.combo.deadlines == {"idle": 7.0}
    wrong = {"strategy": "priority", "maxRetries": 99}
    assert field_of(await admin.patch(path, json={"comboDefaults": wrong})) == "comboDefaults.maxRetries"
    assert (await admin.get(path)).json()["comboDefaults"] == held
    await admin.patch(path, json={"comboDefaults": dict.fromkeys(said)})
    assert (await admin.get(path)).json() == before


async def test_aliases(admin: httpx.AsyncClient) -> None:
    path = "/api/models/alias"
    await admin.put(path, json={"alias": "gpt-*", "model": "openai/gpt-4o"})
    made = await admin.put(path, json={"alias": "best", "model": "gpt-x"})
    assert made.json() == {"aliases": {"gpt-*": "openai/gpt-4o", "best": "gpt-x"}}
    assert field_of(await admin.put(path, json={"alias": "a b", "model": "openai/gpt-4o"})) == "alias"
    assert field_of(await admin.put(path, json={"alias": "openai/x", "model": "openai/gpt-4o"})) == "alias"
    assert field_of(await admin.put(path, json={"alias": "other", "model": "nothing/such"})) == "model"
    assert field_of(await admin.put(path, json={"alias": "gpt-x", "model": "best"})) == "model"
    left = await admin.delete(path, params={"alias": "gpt-*"})
    assert left.json() == {"aliases": {"best": "gpt-x"}}
    assert (await admin.delete(path, params={"alias": "gpt-*"})).status_code == 404


async def test_chains(admin: httpx.AsyncClient) -> None:
    path = "/api/fallback/chains"
    said = {"name": "last", "models": ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"], "serves": ["gpt-*"]}
    (made,) = (await admin.post(path, json=said)).json()["chains"]
    assert said.items() <= made.items()
    assert made["leftOut"] == {}
    for wrong, field in (({}, "name"), ({"name": "b", "models": ["last"]}, "models"), ({"name": "b c"}, "name")):
        assert field_of(await admin.post(path, json=said | wrong)) == field
    assert (await admin.delete(path, params={"name": "none"})).status_code == 404
    assert (await admin.delete(path, params={"name": "last"})).json() == {"chains": []}


async def test_where_a_name_leads(admin: httpx.AsyncClient, api: Api) -> None:
    models = ["anthropic/claude-sonnet-4-5", "openai/gpt-4o"]
    await admin.post("/api/combos", json={"name": "pair", "models": models})
    await admin.put("/api/models/alias", json={"alias": "best", "model": "pair"})
    keys.create(api.store, "laptop", ["anthropic/*"])
    found = (await admin.get("/api/route/explain", params={"model": "best"})).json()
    assert (found["asked"], found["combo"], found["aliases"]) == (
        "best",
        "pair",
        [{"pattern": "best", "target": "pair"}],
    )
    assert [(each["target"], each["account"]) for each in found["targets"]] == [("openai/gpt-4o", "one")]
    assert [each["target"] for each in found["leftOut"]] == ["anthropic/claude-sonnet-4-5"]
    assert "sk-one" not in str(found)
    unknown = await admin.get("/api/route/explain", params={"model": "best", "key": "nobody"})
    assert field_of(unknown) == "key"
    refused = await admin.get("/api/route/explain", params={"model": "best", "key": "laptop"})
    assert refused.status_code in (200, 403), refused.text
    assert (await admin.get("/api/route/explain", params={"model": "nothing/such"})).status_code in (400, 404)


async def test_what_combos_have_done(admin: httpx.AsyncClient, api: Api) -> None:
    now = api.runtime.wall()
    once = (AttemptRow("openai/m", "n", "ok", 200, 1.0, ""),)
    rows = [
        row(id="1", at=now - 60, combo="mix", model_served="openai/m", latency_ms=100.0, cost=0.25, attempts=once),
        row(id="2", at=now - 50, combo="mix", model_served="openai/m", latency_ms=300.0, cost=None, attempts=once * 3),
        row(id="3", at=now - 40, combo="mix", model_served="groq/m", latency_ms=200.0, attempts=once * 2),
        row(id="4", at=now - 30, combo="mix", provider=None, model_served=None, status=503, attempts=()),
        row(
            id="5",
            at=now - 20,
            combo="mix",
            model_served="openai/m",
            status=502,
            error="server",
            latency_ms=20.0,
            attempts=once,
        ),
        row(id="6", at=now - 10, combo="mix", replayed="cache", attempts=()),
        row(id="7", at=now - 10, combo="other"),
        row(id="8", at=now - 10),
        row(id="9", at=now - 7200, combo="mix"),
    ]
    usage.record(api.store, rows)
    found = (await admin.get("/api/combos/metrics", params={"period": "1h"})).json()
    assert found["since"] == pytest.approx(now - 3600, abs=60)
    assert list(found["metrics"]) == ["mix", "other"]
    mix = found["metrics"]["mix"]
    assert list(mix["byTarget"]) == ["openai/m", "groq/m"]
    assert mix["byTarget"]["openai/m"] == {
        "totalRequests": 3, "totalFailures": 1, "avgLatencyMs": 140.0, "cost": 0.5
    }  # fmt: skip
    told = ("totalRequests", "totalSuccesses", "totalFailures", "successRate", "fallbackCount", "lastUsedAt")
    assert [mix[name] for name in told] == [5, 3, 2, 0.6, 2, now - 20]
    assert (mix["inputTokens"], mix["outputTokens"], mix["cost"]) == (50, 25, 1.0)
    assert (mix["avgLatencyMs"], mix["unknownCost"]) == (148.0, 1)
    everything = (await admin.get("/api/combos/metrics", params={"period": "all"})).json()
    assert everything["metrics"]["mix"]["totalRequests"] == 6
    assert field_of(await admin.get("/api/combos/metrics", params={"period": "soon"})) == "period"


@pytest.mark.parametrize("name", ["test", "metrics"])
async def test_combos_with_names_of_routes(admin: httpx.AsyncClient, name: str) -> None:
    assert (await admin.post("/api/combos", json={"name": name, "models": ["openai/gpt-4o"]})).status_code == 201
    assert (await admin.patch(f"/api/combos/{name}", json={"strategy": "random"})).json()["strategy"] == "random"
    if name == "test":  # of `metrics`, the list has to do
        assert (await admin.get("/api/combos/test")).json()["name"] == "test"
    assert (await admin.delete(f"/api/combos/{name}")).status_code == 204
    assert (await admin.get("/api/combos")).json() == {"combos": []}
    refused = await admin.put("/api/combos/test/more", json={})
    assert refused.status_code == 404
