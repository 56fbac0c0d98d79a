"""Who is kept waiting with words, what stands in the head before anything is known, and how it ends."""

import json

import pytest
from cases import every
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.test import tflow

from omniroute.addons.http_layer import HttpLayer
from omniroute.addons.response_headers import apply_gateway_headers, error_event, json_answer, refusal
from omniroute.addons.views import comment
from omniroute.catalog.provider import DialectName
from omniroute.config.model import Config
from omniroute.errors import BadRequest, Exhausted, RateLimited
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Limits, Runtime
from omniroute.routing.plan import Plan

DIALECTS: list[DialectName] = ["openai", "responses", "claude", "gemini"]


def begun(dialect: DialectName = "openai", *, stream: bool = True) -> tuple[HttpLayer, HTTPFlow, Exchange]:
    attach, flow = HttpLayer(Runtime(wall=lambda: 5.0)), tflow.tflow()
    exchange = Exchange(
        id="e1", at=0.0, started=0.0, dialect=dialect, path="/", query="", headers=(), config=Config(), stream=stream
    )
    exchange.plan, exchange.overhead, exchange.model = Plan("m", "model", None, (), ()), 0.001, "m"
    attach.runtime.exchanges[flow] = exchange
    return attach, flow, exchange


@every("dialect", DIALECTS)
@every("stream", [True, False])
@every("seconds", [0.0, 7.0])
def test_who_asks_for_a_stream_in_a_dialect_that_has_words_is_kept(
    dialect: DialectName, stream: bool, seconds: float
) -> None:
    attach, flow, _ = begun(dialect, stream=stream)
    attach.runtime.limits = Limits(keepalive=seconds)
    kept = attach.keepalive(flow)
    assert bool(kept) == (stream and seconds > 0 and dialect != "gemini")
    assert not kept or (kept.every == seconds and kept.data.endswith(b"\n\n"))


@pytest.mark.parametrize(("version", "chunked"), [("HTTP/1.0", False), ("HTTP/1.1", True), ("HTTP/2.0", False)])
def test_the_head_says_what_is_known_by_then(version: str, chunked: bool) -> None:
    attach, flow, exchange = begun()
    flow.request.http_version = version
    head = attach.early_head(flow)
    apply_gateway_headers(exchange, flow, head)
    assert (head.status_code, head.http_version, head.timestamp_start) == (200, version, 5.0)
    framing = ["transfer-encoding"] if chunked else []
    ours = ["x-omniroute-request-id", "x-omniroute-overhead-ms", "x-request-id"]
    assert list(head.headers) == ["content-type", "cache-control", *framing, *ours]


def told(raw: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(raw.split(b"data: ")[1].partition(b"\n")[0])["error"]
    return error


def test_a_refusal_becomes_an_error_event_and_keeps_its_status_for_the_log() -> None:
    attach, flow, exchange = begun("claude")
    attach.early_head(flow)
    error = RateLimited("every target is rate limited", retry_after=6.2)
    said = attach.final_event(flow, attach.answer(flow, error))
    assert told(said) == {
        "type": "rate_limit_error",
        "message": "every target is rate limited. Please try again in 7s.",
    }
    assert exchange.status == 429
    assert comment(exchange) == "m · 429: every target is rate limited"


def test_an_upstreams_own_refusal_keeps_its_words() -> None:
    own = json_answer(400, {"error": {"message": "no such tool.", "type": "invalid_request_error", "code": "bad_tool"}})
    error = told(error_event("openai", own))
    assert (error["message"], error["code"]) == ("no such tool.", "bad_tool")


@pytest.mark.parametrize("dialect", DIALECTS[:3])
def test_even_what_no_dialect_says_ends_the_stream(dialect: DialectName) -> None:
    for answer in (Response.make(500, b"<html>oh"), Response.make(200, b"all is well"), Response.make(204)):
        assert told(error_event(dialect, answer))["message"]


def test_a_responses_client_gets_the_code_of_a_stream_and_not_that_of_a_body() -> None:
    failed = error_event("responses", refusal("responses", BadRequest("say it otherwise")))
    assert json.loads(failed.split(b"data: ")[-1])["response"]["error"]["code"] == "invalid_prompt"


def test_codex_finds_the_time_to_wait() -> None:
    failed = error_event("responses", refusal("responses", Exhausted("all failed.", retry_after=3)))
    last = json.loads(failed.split(b"data: ")[-1])
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["message"] == "all failed. Please try again in 3s."
