"""The routes of who may come in, of what is wanted of every request, and of how patient the gateway is."""

from typing import Any

import httpx
import pytest
from cases import every
from panel_api import Api

from omniroute.routing.health import Cooldown, Health, Snapshot
from omniroute.store.config import ip_filter

IPS, THINKING, PROMPT = (f"/api/settings/{name}" for name in ("ip-filter", "thinking-budget", "system-prompt"))


@pytest.fixture
async def admin(api: Api) -> Any:
    async with api.client(token=True) as client:
        yield client


def field_of(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    (detail,) = answer.json()["error"]["details"]
    return str(detail["field"])


async def test_lists_of_addresses(admin: httpx.AsyncClient, api: Api) -> None:
    before = (await admin.get(IPS)).json()
    assert before == {
        "enabled": False,
        "mode": "off",
        "blacklist": [],
        "whitelist": [],
        "tempBans": [],
        "you": "127.0.0.1",
    }
    said = {"blacklist": ["203.0.113.0/24", "198.51.100.7"], "addWhitelist": "10.0.0.0/8", "enabled": True}
    made = (await admin.put(IPS, json=said)).json()
    assert (made["mode"], made["blacklist"], made["whitelist"]) == ("blacklist", said["blacklist"], ["10.0.0.0/8"])
    assert api.runtime.config.doors.refusal("203.0.113.9", api.store.clock())
    made = (await admin.put(IPS, json={"blacklist": ["198.51.100.7"], "removeWhitelist": ["10.0.0.0/8"]})).json()
    assert (made["blacklist"], made["whitelist"]) == (["198.51.100.7"], [])
    ban = {"ip": "192.0.2.1", "durationMs": 60_000, "reason": "noise"}
    (one,) = (await admin.put(IPS, json={"tempBan": ban})).json()["tempBans"]
    assert (one["ip"], one["reason"]) == ("192.0.2.1", "noise")
    assert 0 < one["remainingMs"] <= 60_000
    made = (await admin.put(IPS, json={"removeBan": "192.0.2.1", "enabled": False})).json()
    assert (made["tempBans"], made["mode"]) == ([], "off")


@every(
    ("said", "field"),
    [
        ({"mode": "grey"}, "mode"),
        ({"blacklist": ["10.0.0.0/99"]}, "blacklist"),
        ({"addWhitelist": "here"}, "addWhitelist"),
        ({"removeBlacklist": "192.0.2.9"}, "removeBlacklist"),
        ({"tempBan": {"ip": "192.0.2.1", "durationMs": -1}}, "tempBan"),
        ({"removeBan": "192.0.2.1"}, "removeBan"),
        ({"mode": "whitelist", "whitelist": ["10.0.0.0/8"]}, "force"),
        ({"mode": "blacklist", "blacklist": ["127.0.0.0/8"]}, "force"),
        ({"addWhitelist": "192.0.2.4", "mode": "grey"}, "mode"),
    ],
)
async def test_a_change_of_lists_is_made_wholly_or_not(admin: httpx.AsyncClient, said: Any, field: str) -> None:
    before = (await admin.get(IPS)).json()
    assert field_of(await admin.put(IPS, json=said)) == field
    assert (await admin.get(IPS)).json() == before


async def test_who_asks_from_elsewhere_keeps_himself_in(api: Api) -> None:
    async with api.client(token=True, peer="192.0.2.50") as client:
        said = {"mode": "whitelist", "whitelist": ["127.0.0.1", "::1"]}
        assert (await client.get(IPS)).json()["you"] == "192.0.2.50"
        assert field_of(await client.put(IPS, json=said)) == "force"
        assert (await client.put(IPS, json=said | {"addWhitelist": "192.0.2.0/24"})).status_code == 200
        assert (await client.put(IPS, json={"whitelist": ["127.0.0.1"], "force": True})).status_code == 200
        assert (await client.get(IPS)).status_code == 403
    assert ip_filter.now(api.store).mode == "whitelist"


async def test_how_much_models_think(admin: httpx.AsyncClient, api: Api) -> None:
    before = (await admin.get(THINKING)).json()
    assert before == {"mode": "passthrough", "customBudget": 10240, "effortLevel": None}
    said = {"mode": "custom", "customBudget": 2048, "effortLevel": "high"}
    assert (await admin.put(THINKING, json=said)).json() == said
    assert api.runtime.config.rules.thinking.budget == 2048
    assert (await admin.put(THINKING, json={"effortLevel": None})).json() == said | {"effortLevel": None}
    for wrong, field in (({"mode": "much"}, "mode"), ({"customBudget": -1}, "customBudget")):
        assert field_of(await admin.put(THINKING, json={"effortLevel": "low"} | wrong)) == field
    assert field_of(await admin.put(THINKING, json={"effortLevel": "huge"})) == "effortLevel"
    assert (await admin.get(THINKING)).json() == said | {"effortLevel": None}
    assert (await admin.put(THINKING, json=dict.fromkeys(said))).json() == before


async def test_what_every_model_is_told(admin: httpx.AsyncClient, api: Api) -> None:
    assert (await admin.get(PROMPT)).json() == {"enabled": False, "prompt": ""}
    assert field_of(await admin.put(PROMPT, json={"enabled": True})) == "prompt"
    made = (await admin.put(PROMPT, json={"enabled": True, "prompt": "Be brief."})).json()
    assert made == {"enabled": True, "prompt": "Be brief."}
    assert api.runtime.config.rules.system_prompt == "Be brief."
    assert field_of(await admin.put(PROMPT, json={"prompt": "x" * 70_000})) == "prompt"
    assert (await admin.put(PROMPT, json={"enabled": False})).json() == {"enabled": False, "prompt": ""}


async def test_patience_is_refused_at_its_field(admin: httpx.AsyncClient) -> None:
    before = (await admin.get("/api/resilience")).json()
    said = {"profiles": {"apikey": {"base": 5}, "openai": {"most": -1}}}
    assert field_of(await admin.patch("/api/resilience", json=said)) == "profiles.openai.most"
    assert (await admin.get("/api/resilience")).json() == before


async def test_why_somebody_cools_down_is_said(admin: httpx.AsyncClient, api: Api) -> None:
    now = api.runtime.wall()
    cooling = {("account", "one", ""): Cooldown(now + 90, now, 1, "quota", "402")}
    api.runtime.choosing.health = Health(Snapshot(cooling, {}))
    (found,) = (await admin.get("/api/monitoring/health")).json()["cooling"]
    assert (found["whose"], found["cause"], found["after"]) == ("one", "quota", "402")
