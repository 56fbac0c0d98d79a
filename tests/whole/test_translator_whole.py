"""The chat tester and the test bench of the translator, through the gateway's own port, where clients need a key."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cases import every
from harness import PATIENCE, Gateway, Upstream, until

from omniroute.store.config import accounts, combos, keys, nodes, rows
from omniroute.store.db.database import Store
from omniroute.store.state import sessions
from omniroute.store.state.strategy_state import last_used

HELD = "test-key-of-the-account"


def setup(store: Store, upstream: Upstream) -> None:
    nodes.add(store, "up", "openai", f"{upstream.url}/v1")
    nodes.add(store, "cl", "claude", f"{upstream.url}/v1")
    accounts.add(store, "openai", api_key=HELD, name="paid", base_url=f"{upstream.url}/v1")
    combos.add(store, "duo", ["cl/503", "openai/ok"])
    keys.create(store, "client", ["up/*"])


@pytest.fixture(scope="module")
def running(_upstreams: Callable[..., Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    upstream = _upstreams()
    how = {"environ": {"REQUIRE_API_KEY": "true"}, "setup": lambda store: setup(store, upstream)}
    with Gateway.start(tmp_path_factory.mktemp("gateway"), **how) as gateway:
        until(
            "the management answers", lambda: httpx.get(f"{gateway.url}/api/init", trust_env=False).status_code == 200
        )
        yield gateway


def panel(gateway: Gateway) -> httpx.Client:
    headers = {"authorization": f"Bearer {sessions.token(gateway.store)}"}
    return httpx.Client(base_url=gateway.url, headers=headers, trust_env=False, timeout=PATIENCE)


def send(gateway: Gateway, **given: Any) -> list[dict[str, Any]]:
    with panel(gateway) as client:
        answer = client.post("/api/translator/send", json=given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def logs(gateway: Gateway) -> list[dict[str, Any]]:
    with panel(gateway) as client:
        found: list[dict[str, Any]] = client.get("/api/usage/call-logs", params={"limit": 500}).json()["logs"]
        return found


@every("stream", [False, True])
@every("dialect", ["openai", "responses", "claude", "gemini"])
def test_a_request_is_sent_as_a_client_would(running: Gateway, dialect: str, stream: bool) -> None:
    with panel(running) as client:
        client.delete("/api/monitoring/health").raise_for_status()  # who refuses too often is not asked
    events = send(running, dialect=dialect, model="duo", text="héllo <script>", system="Be brief.", stream=stream)
    assert list(events[0]) == ["exchange"]
    assert events[1]["status"] == 200
    text = "".join(event.get("text", "") for event in events)
    detail = events[-1]["detail"]
    assert detail["id"] == events[0]["exchange"]
    assert detail["clientReply"]["text"] == text
    assert "héllo <script>" in detail["clientRequest"]["text"]
    assert [(step["target"], step["outcome"]) for step in detail["steps"]] == [
        ("cl/503", "503"),
        ("openai/ok", "ok"),
    ]
    first, second = detail["steps"]
    assert "héllo <script>" in first["request"]["text"]
    assert first["reply"]["start"].startswith("503")
    assert json.loads(second["request"]["text"])["model"] == "ok"
    assert second["times"]["ended"] >= second["times"]["began"]
    assert detail["output"]
    assert HELD not in json.dumps(events)
    row = until("it is in the log", lambda: next((each for each in logs(running) if each["id"] == detail["id"]), None))
    assert (row["status"], row["keyId"], row["streamed"]) == (200, None, stream)


def test_others_need_a_key_all_the_while(running: Gateway, upstream: Upstream) -> None:
    body = {"model": "up/ok", "messages": [{"role": "user", "content": "hi"}]}
    with panel(running) as client:
        asked = client.stream("POST", "/api/translator/send", json={"model": "up/slow:0.2", "text": "hi"})
        with asked as answer:
            lines = answer.iter_lines()
            next(lines)
            for headers in ({}, {"authorization": f"Bearer {sessions.token(running.store)}"}):
                plain = httpx.post(f"{running.url}/v1/chat/completions", json=body, headers=headers, trust_env=False)
                assert plain.status_code in (401, 403)
    assert len(upstream.asked()) <= 1


def test_as_the_owner_of_a_key(running: Gateway) -> None:
    (key,) = rows.keys(running.store)
    allowed = send(running, dialect="openai", model="up/ok", text="hi", key=key.id)
    assert allowed[-1]["detail"]["keyName"] == "client"
    refused = send(running, dialect="claude", model="duo", text="hi", key=key.id)
    assert refused[1]["status"] in (403, 404)
    assert '"type":"error"' in refused[2]["text"]
    with panel(running) as client:
        unknown = client.post("/api/translator/send", json={"model": "m", "text": "x", "key": "nobody"})
    assert unknown.status_code == 400
    assert unknown.json()["error"]["details"][0]["field"] == "key"


def test_a_body_is_sent_to_the_byte(running: Gateway, upstream: Upstream) -> None:
    body = '{"model":  "up/ok", "messages": [{"role": "user","content":"ä"}], "odd": 1.50}'
    events = send(running, dialect="openai", body=body)
    assert events[-1]["detail"]["clientRequest"]["text"] == body
    assert upstream.asked()[-1].body.decode() == body.replace("up/ok", "ok")
    broken = send(running, dialect="openai", body='{"model": ')
    assert broken[1]["status"] == 400
    assert "the body is not JSON" in broken[2]["text"]


def test_who_hangs_up_cancels_the_upstream(running: Gateway, upstream: Upstream) -> None:
    given = {"model": "up/slow:0.3", "text": "x"}
    with panel(running) as client, client.stream("POST", "/api/translator/send", json=given) as answer:
        next(line for line in answer.iter_lines() if '"text"' in line)
    until("the upstream hears of it", lambda: any(asked.cancelled for asked in upstream.asked()))
    until("it is in the log", lambda: any(each["modelAsked"] == "up/slow:0.3" for each in logs(running)))


def test_it_is_given_up_in_time(running: Gateway, upstream: Upstream) -> None:
    events = send(running, dialect="openai", model="up/hang", text="hi", seconds=1)
    assert "within 1 s" in next(event["error"] for event in events if "error" in event)
    until("the upstream hears of it", lambda: any(asked.cancelled for asked in upstream.asked()))


# the bench


def run(gateway: Gateway, **wanted: Any) -> dict[str, Any]:
    with panel(gateway) as client:
        begun = client.post("/api/translator/bench", json=wanted)
        assert begun.status_code == 202, begun.text

        def over() -> dict[str, Any] | None:
            found: dict[str, Any] = client.get("/api/translator/bench").json()
            return None if found["running"] else found

        return until("the run ends", over)


def test_every_feature_between_some_dialects(running: Gateway) -> None:
    found = run(running, clients=["claude", "gemini"], upstreams=["openai", "responses"])
    assert (found["done"], found["total"]) == (60, 60)
    bad = [(cell["feature"], cell["client"], cell["upstream"], cell["reason"]) for cell in found["cells"]
           if cell["state"] == "failed"]  # fmt: skip
    assert bad == []
    lossy = {(cell["feature"], cell["upstream"]) for cell in found["cells"] if cell["state"] == "lossy"}
    assert lossy == {("settings", "responses")}
    cell = next(each for each in found["cells"] if (each["feature"], each["client"]) == ("image", "claude"))
    with panel(running) as client:
        detail = client.get(f"/api/translator/bench/{cell['number']}").json()
        assert "image" in detail["clientRequest"]["text"]
        assert client.get("/api/translator/bench/9999").status_code == 404
        health = client.get("/api/monitoring/health").text
    assert "scripted-" not in health
    until("nothing of it is kept", lambda: not [id for id in last_used(running.store) if "scripted" in id])
    assert not [each for each in logs(running) if each["modelAsked"].startswith("scripted-")]


def test_a_real_account_and_what_it_does_wrong(running: Gateway) -> None:
    with panel(running) as client:
        accounts = client.get("/api/providers").json()["connections"]
        chosen = next(each["id"] for each in accounts if each["name"] == "paid")
    found = run(running, account=chosen, model="ok", features=["text", "stream", "limit"], clients=["claude", "openai"])
    assert {(cell["feature"], cell["state"]) for cell in found["cells"]} == {
        ("text", "passed"), ("stream", "passed"), ("limit", "skipped"),
    }  # fmt: skip
    asked = ["openai/ok"] * 4
    until("they are in the log", lambda: [each["modelServed"] for each in logs(running)[:4]] == asked)
    wrong = run(running, account=chosen, model="stops", features=["stream"], clients=["openai"])
    (cell,) = wrong["cells"]
    assert cell["state"] == "failed"
    assert cell["reason"].startswith("an error: expected")
    assert cell["failures"]


def test_a_run_is_stopped(running: Gateway) -> None:
    with panel(running) as client:
        accounts = client.get("/api/providers").json()["connections"]
        chosen = next(each["id"] for each in accounts if each["name"] == "paid")
        assert client.post("/api/translator/bench", json={"account": chosen, "model": "hang"}).status_code == 202
        assert client.post("/api/translator/bench", json={}).status_code == 409
        stopped = client.delete("/api/translator/bench").json()
        assert not stopped["running"]
        assert {cell["state"] for cell in stopped["cells"]} == {"skipped"}
        for wanted in ({"features": ["moon"]}, {"clients": []}, {"account": "x"}, {"account": chosen}, {"atOnce": 9}):
            assert client.post("/api/translator/bench", json=wanted).status_code == 400


def test_the_gateway_may_end_meanwhile(running: Gateway) -> None:
    """The last one: both are under way when it is told to stop."""
    given = {"model": "up/slow:0.3", "text": "x"}
    with panel(running) as client, client.stream("POST", "/api/translator/send", json=given) as answer:
        next(answer.iter_lines())
        assert client.post("/api/translator/bench", json={}).status_code == 202
        running.stop()
    running.check_log()
