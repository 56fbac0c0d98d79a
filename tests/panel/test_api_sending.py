"""The chat tester and the test bench where there is nobody to ask, or nothing that could be asked."""

import json
from typing import Any

import httpx
import pytest
from cases import every
from panel_api import Api

from omniroute.bench import client as sending


@pytest.fixture
async def admin(api: Api) -> Any:
    async with api.client(token=True) as client:
        yield client


async def test_nothing_is_sent_before_the_gateway_answers(admin: httpx.AsyncClient) -> None:
    for path, body in (("send", {"model": "m", "text": "x"}), ("bench", {})):
        answer = await admin.post(f"/api/translator/{path}", json=body)
        assert answer.status_code == 503, answer.text
        assert "retry-after" in answer.headers


@every(
    "given",
    [{}, {"model": "m"}, {"text": "x"}, {"dialect": "gemini", "body": "{}"}, {"dialect": "klingon", "body": "{}"},
     {"model": "m", "text": "x", "seconds": 0}, {"model": "m" * 301, "text": "x"},
     {"model": "m", "text": "x", "key": "k"}],
)  # fmt: skip
async def test_what_cannot_be_sent(api: Api, admin: httpx.AsyncClient, given: dict[str, Any]) -> None:
    api.runtime.address = "http://127.0.0.1:9"
    answer = await admin.post("/api/translator/send", json=given)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


async def test_a_gateway_that_cannot_be_reached_is_said(api: Api, admin: httpx.AsyncClient) -> None:
    api.runtime.address = "http://127.0.0.1:9"
    answer = await admin.post("/api/translator/send", json={"dialect": "openai", "body": "{}"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    (said,) = map(json.loads, answer.text.splitlines())
    assert list(said) == ["error"]
    assert "127.0.0.1:9" in said["error"]
    assert not api.runtime.watching.active


async def test_the_bench_shows_what_there_is(admin: httpx.AsyncClient) -> None:
    found = (await admin.get("/api/translator/bench")).json()
    assert (found["running"], found["total"], found["cells"]) == (False, 0, [])
    assert {"id": "count", "title": "Count of tokens", "clients": ["claude", "gemini"], "real": True} in found[
        "features"
    ]
    assert (await admin.delete("/api/translator/bench")).json() == found
    for number in ("0", "-1", "x", "²", "9" * 400):
        assert (await admin.get(f"/api/translator/bench/{number}")).status_code == 404


async def test_lines_are_in_the_document(admin: httpx.AsyncClient) -> None:
    paths = (await admin.get("/api/openapi.json")).json()["paths"]
    content = paths["/api/translator/send"]["post"]["responses"]["200"]["content"]
    assert content == {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Event"}}}


@pytest.mark.parametrize(
    ("address", "near"),
    [("http://0.0.0.0:5", "http://127.0.0.1:5"), ("http://[::]:5", "http://[::1]:5"), ("http://10.1.1.1:5", None),
     ("http://127.0.0.1:5", None), ("http://localhost:5", None)],
)  # fmt: skip
def test_who_listens_everywhere_is_asked_on_this_machine(address: str, near: str | None) -> None:
    assert sending.near(address) == (near or address)
