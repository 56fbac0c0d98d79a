"""What is kept of a Responses exchange, and what a target is asked."""

import asyncio
from typing import Any

import pytest
from cases import every
from mitmproxy import exceptions
from mitmproxy.test import taddons

from omniroute.addons.conversations import keeps, request_for_target, total_size, upstream_lost_state
from omniroute.addons.lifecycle import Lifecycle
from omniroute.catalog.providers import find, node
from omniroute.config.model import Account, Config
from omniroute.dialects.responses.conversation import StoredConversation, StoredTurn
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Limits, Runtime
from omniroute.routing.failures import Failure
from omniroute.routing.target import RoutePath, Target


def exchange(dialect: Any = "responses", **body: Any) -> Exchange:
    return Exchange(
        id="1", at=0.0, started=0.0, dialect=dialect, path="/", query="", headers=(), config=Config(),
        raw_body=b"as it came", body={"model": "m", "input": "x"} | body,
    )  # fmt: skip


def target(dialect: Any, provider: str | None = None) -> Target:
    row = find(provider, ()) if provider else node("local", dialect, "http://127.0.0.1:9/v1")
    assert row
    return Target(Account("acc", row.id, "mine"), row, "m", dialect, RoutePath(""), "")


def words(asked: Exchange, to: Target, **limits: Any) -> tuple[bytes, dict[str, Any], tuple[str, ...]]:
    runtime = Runtime()
    runtime.limits = Limits(**limits)
    return asyncio.run(request_for_target(runtime, asked, to))


@pytest.mark.parametrize(
    ("asked", "ttl", "kept"),
    [
        (exchange(), 60.0, True),
        (exchange(store=False), 60.0, False),
        (exchange(), 0.0, False),
        (exchange("openai", store=True), 60.0, False),
    ],
    ids=["by default", "not wanted", "switched off", "another dialect"],
)
def test_what_is_kept(asked: Exchange, ttl: float, kept: bool) -> None:
    runtime = Runtime()
    runtime.limits = Limits(response_ttl=ttl)
    assert keeps(runtime, asked) is kept


def test_store_is_the_gateways_own_business_where_it_keeps() -> None:
    """What is done here is not reported as dropped; where nothing is kept, it is."""
    assert "store" not in words(exchange(store=True), target("claude"))[1]
    assert words(exchange(store=True), target("claude"), response_ttl=0.0)[1]["store"] is True
    assert words(exchange(store=True), target("responses"))[1]["store"] is True


def test_only_who_knows_the_reply_gets_the_bytes_as_they_came() -> None:
    turn = StoredTurn([{"role": "user", "content": "before"}], [], "acc", native=True, size=1000)
    asked = exchange(previous_response_id="resp_1")
    asked.recalled = StoredConversation("resp_1", ("0", "0"), "acc", (turn,))
    assert words(asked, target("responses", "openai"))[0] == b"as it came"
    assert words(asked, target("responses", "openrouter"))[0].count(b"before") == 1
    assert words(asked, target("responses"))[0].count(b"before") == 1
    assert words(asked, target("claude"))[1]["input"][0] == turn.input[0]
    assert total_size(asked) == 1010


@pytest.mark.parametrize(
    ("message", "known", "again"),
    [
        ("400 Previous response with id 'resp_1' not found.", True, True),
        ("400 Invalid `previous_response_id`.", True, True),
        ("404 Response with id=resp_1 not found", True, True),
        ("400 The model does not exist", True, False),
        ("400 Previous response with id 'resp_1' not found.", False, False),
    ],
)
def test_who_has_forgotten_is_asked_once_more_with_everything(message: str, known: bool, again: bool) -> None:
    asked = exchange(previous_response_id="resp_1")
    asked.recalled = StoredConversation("resp_1", ("0", "0") if known else None, "acc")
    failure = Failure("status", message, status=400)
    assert upstream_lost_state(asked, failure) is again
    assert upstream_lost_state(asked, failure) is False, "and only once"


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86400), ("90s", 90), ("30m", 1800), ("7d", 604800), ("0", 0)])
def test_the_time_is_said_in_words(text: str, seconds: float) -> None:
    runtime = Runtime()
    with taddons.context(Lifecycle(runtime), options=None) as context:
        context.options.update(omniroute_response_ttl=text, omniroute_keep_flows=1)
        assert runtime.limits.response_ttl == seconds


@every("text", ["", "1", "0h", "h", "-1d", "1.5h", "1w", "99999999d"])
def test_any_other_time_is_refused(text: str) -> None:
    with taddons.context(Lifecycle(Runtime())) as context, pytest.raises(exceptions.OptionsError, match="such as 30m"):
        context.options.update(omniroute_response_ttl=text)
