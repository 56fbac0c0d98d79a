"""Anthropic's own SDK as the client: it must not notice that a gateway is in between."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anthropic
import pytest
from cases import every
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies, tools
from shared_gateway import SharedGateway

from omniroute.store.config import combos, nodes
from omniroute.store.config import keys as gateway_keys
from omniroute.store.db.database import Store
from omniroute.store.history import usage

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
TOOL: dict[str, Any] = {
    "name": tools.NAME,
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


@pytest.fixture(scope="module")
def key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def running(
    _upstreams: Callable[..., Upstream], shared_gateway: SharedGateway, no_proxies: None, key: list[str]
) -> Iterator[Gateway]:
    upstream = _upstreams()

    def setup(store: Store) -> None:
        nodes.add(store, "up", "claude", f"{upstream.url}/v1")
        combos.add(store, "duo", ["up/529", "up/ok"])
        key.append(gateway_keys.create(store, "sdk")[1])

    with shared_gateway.lend(setup=setup) as gateway:
        yield gateway


@pytest.fixture
def how(running: Gateway, key: list[str]) -> dict[str, Any]:
    """How a client is made. Without retries, or it would hide what the tests look at."""
    return {"base_url": running.url, "api_key": key[0], "max_retries": 0, "timeout": PATIENCE}


@pytest.fixture
def client(how: dict[str, Any]) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(**how) as client:
        yield client


@pytest.fixture
async def aclient(how: dict[str, Any]) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(**how) as client:
        yield client


def said(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def logged(gateway: Gateway, model: str) -> usage.UsageRow:
    """Give the newest row for a model name that only one test asks for."""
    return until(
        f"a log row for {model}",
        lambda: next((row for row in usage.recent(gateway.store, 20) if row.model_asked == model), None),
    )


def test_a_whole_message(client: anthropic.Anthropic, upstream: Upstream) -> None:
    raw = client.messages.with_raw_response.create(model="up/m-whole", **ASK)
    message = raw.parse()
    assert said(message) == replies.text("m-whole")
    assert message.stop_reason == "end_turn"
    assert message.usage.cache_read_input_tokens == replies.CACHED
    assert message.usage.output_tokens == replies.OUTPUT
    assert (raw.headers["x-omniroute-route"], raw.headers["x-omniroute-attempts"]) == ("up/m-whole", "1")
    asked = upstream.asked()[0]
    assert asked.json == {**ASK, "model": "m-whole"}
    assert asked.path == "/v1/messages"
    assert asked.headers["anthropic-version"]


async def test_a_whole_message_async(aclient: anthropic.AsyncAnthropic) -> None:
    assert said(await aclient.messages.create(model="up/m", **ASK)) == replies.text("m")


def test_a_token_opens_it_too(how: dict[str, Any]) -> None:
    with anthropic.Anthropic(**how | {"api_key": None, "auth_token": how["api_key"]}) as client:
        assert said(client.messages.create(model="up/ok", **ASK)) == replies.text("ok")


@every("behaviour", ["ok", "drip", "slow:0.005", "comments", "gzip", "hangup"])
def test_the_stream_helper(client: anthropic.Anthropic, running: Gateway, behaviour: str) -> None:
    with client.messages.stream(model=f"up/{behaviour}", **ASK) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == said(final) == replies.text(behaviour)
    assert final.stop_reason == "end_turn"
    assert (final.usage.cache_read_input_tokens, final.usage.output_tokens) == (replies.CACHED, replies.OUTPUT)
    row = logged(running, f"up/{behaviour}")
    assert row.status == 200
    assert row.output == replies.OUTPUT


def test_raw_events(client: anthropic.Anthropic) -> None:
    with client.messages.create(model="up/ok", stream=True, **ASK) as stream:
        kinds = [event.type for event in stream]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_the_stream_helper_async(aclient: anthropic.AsyncAnthropic) -> None:
    async with aclient.messages.stream(model="up/ok", **ASK) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert text == said(final) == replies.text("ok")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools(client: anthropic.Anthropic, upstream: Upstream, stream: bool) -> None:
    asked = {"model": "up/tool", "tools": [TOOL], **ASK}
    if stream:
        with client.messages.stream(**asked) as helper:
            message = helper.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (call.name, call.input) == (tools.NAME, {"word": "kumquat"})
    assert upstream.asked()[0].json["tools"] == [TOOL]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "a small fruit"}
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    again = client.messages.create(model="up/ok", tools=[TOOL], max_tokens=50, messages=turns)
    assert said(again) == replies.text("ok")


def test_fallback_is_invisible(client: anthropic.Anthropic, upstream: Upstream) -> None:
    with client.messages.stream(model="duo", **ASK) as stream:
        assert said(stream.get_final_message()) == replies.text("ok")
        assert stream.response.headers["x-omniroute-attempts"] == "2"
    assert [asked.json["model"] for asked in upstream.asked()] == ["529", "ok"]


def test_models(client: anthropic.Anthropic) -> None:
    listed = client.models.list()
    assert "duo" in {model.id for model in listed}
    one = client.models.retrieve("duo")
    assert (one.id, one.type, one.display_name) == ("duo", "model", "duo")
    with pytest.raises(anthropic.NotFoundError, match="dua") as caught:
        client.models.retrieve("dua")
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == "not_found_error"


@every(
    ("model", "error", "status", "kind"),
    [
        ("up/400", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("nobody/m", anthropic.BadRequestError, 400, "invalid_request_error"),
        ("up/404", anthropic.NotFoundError, 404, "not_found_error"),
        ("up/429:7", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("up/500", anthropic.InternalServerError, 500, "api_error"),
        ("up/529", anthropic.InternalServerError, 529, "overloaded_error"),
        ("up/401", anthropic.InternalServerError, 502, "api_error"),
        ("up/cut-first", anthropic.InternalServerError, 502, "api_error"),
    ],
)
@every("stream", [False, True], ids=["whole", "stream"])
def test_errors_are_the_sdks_own(
    client: anthropic.Anthropic,
    model: str,
    error: type[anthropic.APIStatusError],
    status: int,
    kind: str,
    stream: bool,
) -> None:
    with pytest.raises(error) as caught:
        client.messages.create(model=model, stream=stream, **ASK)
    raised = caught.value
    assert raised.status_code == status
    assert isinstance(raised.body, dict)
    assert raised.body["type"] == "error"
    assert raised.body["error"]["type"] == kind
    assert raised.body["error"]["message"]
    assert raised.response.headers["x-omniroute-request-id"]
    if status == 429:
        assert raised.response.headers["retry-after"] == "7"


def test_a_wrong_key_is_an_authentication_error(how: dict[str, Any], upstream: Upstream) -> None:
    wrong = "sk-omni-nobody-has-this-one"
    with anthropic.Anthropic(**how | {"api_key": wrong}) as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            client.messages.create(model="up/ok", **ASK)
        with pytest.raises(anthropic.AuthenticationError):
            client.models.list()
    assert wrong not in str(caught.value)
    assert not upstream.asked()


def test_an_error_in_the_middle_is_raised(client: anthropic.Anthropic) -> None:
    for behaviour in ("error-late", "cut-late", "stops"):
        pieces: list[str] = []
        with (
            pytest.raises(anthropic.APIStatusError) as caught,
            client.messages.stream(model=f"up/{behaviour}", **ASK) as stream,
        ):
            pieces.extend(stream.text_stream)
        assert pieces, behaviour
        assert replies.text(behaviour).startswith("".join(pieces))
        assert isinstance(caught.value.body, dict)
        assert caught.value.body["error"]["type"] == "api_error"


def test_a_retrying_client_comes_through(how: dict[str, Any], upstream: Upstream) -> None:
    with anthropic.Anthropic(**how | {"max_retries": 2}) as client:
        assert client.messages.create(model="up/529,529,ok", **ASK).content
    assert len(upstream.asked()) == 3


def test_connections_are_reused(client: anthropic.Anthropic, upstream: Upstream) -> None:
    for _ in range(3):
        client.messages.create(model="up/ok", **ASK)
        with client.messages.stream(model="up/ok", **ASK) as stream:
            stream.until_done()
        for model in ("up/400", "nobody/m"):
            with pytest.raises(anthropic.BadRequestError):
                client.messages.create(model=model, **ASK)
    assert len(upstream.asked()) == 9
    assert len({asked.connection for asked in upstream.asked()}) == 1
