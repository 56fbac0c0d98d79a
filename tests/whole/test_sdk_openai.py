"""OpenAI's own SDK as the client: it must not notice that a gateway is in between."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from cases import every
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies, tools
from shared_gateway import SharedGateway

from omniroute.store.config import combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.history import usage

SAY = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": tools.NAME,
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}


@dataclass
class Running:
    gateway: Gateway
    key: str
    nobodys_key: str = "sk-omni-nobody-has-this-one"

    @property
    def how(self) -> dict[str, Any]:
        """How a client is made. Without retries, or it would hide what the tests look at."""
        return {"base_url": f"{self.gateway.url}/v1", "api_key": self.key, "max_retries": 0, "timeout": PATIENCE}


@pytest.fixture(scope="module")
def running(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway, no_proxies: None) -> Iterator[Running]:
    upstream = _upstreams()
    made: list[str] = []

    def setup(store: Store) -> None:
        nodes.add(store, "up", "openai", f"{upstream.url}/v1")
        nodes.add(store, "re", "responses", f"{upstream.url}/v1")
        combos.add(store, "duo", ["up/500", "up/ok"])
        made.append(keys.create(store, "sdk")[1])

    with shared_gateway.lend(setup=setup) as gateway:
        yield Running(gateway, made[0])


@pytest.fixture
def client(running: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(**running.how) as client:
        yield client


@pytest.fixture
async def aclient(running: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(**running.how) as client:
        yield client


def logged(gateway: Gateway, model: str) -> usage.UsageRow:
    """Give the newest row for a model name that only one test asks for."""
    return until(
        f"a log row for {model}",
        lambda: next((row for row in usage.recent(gateway.store, 20) if row.model_asked == model), None),
    )


def test_a_whole_reply(client: openai.OpenAI, upstream: Upstream) -> None:
    raw = client.chat.completions.with_raw_response.create(model="up/m-whole", messages=SAY)
    reply = raw.parse()
    assert reply.choices[0].message.content == replies.text("m-whole")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (replies.INPUT, replies.OUTPUT)
    assert raw.headers["x-omniroute-route"] == "up/m-whole"
    assert raw.headers["x-omniroute-attempts"] == "1"
    asked = upstream.asked()[0]
    assert asked.json == {"messages": SAY, "model": "m-whole"}
    assert asked.headers["user-agent"].startswith("OpenAI/Python")


async def test_a_whole_reply_async(aclient: openai.AsyncOpenAI) -> None:
    reply = await aclient.chat.completions.create(model="up/m", messages=SAY)
    assert reply.choices[0].message.content == replies.text("m")


def test_fallback_is_invisible(client: openai.OpenAI, upstream: Upstream) -> None:
    raw = client.chat.completions.with_raw_response.create(model="duo", messages=SAY)
    assert raw.parse().choices[0].message.content == replies.text("ok")
    assert (raw.headers["x-omniroute-route"], raw.headers["x-omniroute-attempts"]) == ("up/ok", "2")
    assert [asked.json["model"] for asked in upstream.asked()] == ["500", "ok"]


@every("behaviour", ["ok", "drip", "slow:0.005", "comments", "gzip", "hangup"])
def test_a_stream(client: openai.OpenAI, behaviour: str) -> None:
    with client.chat.completions.create(model=f"up/{behaviour}", messages=SAY, stream=True) as stream:
        chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == replies.text(behaviour)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_is_counted_though_the_client_did_not_ask(client: openai.OpenAI, running: Running) -> None:
    stream = client.chat.completions.create(model="up/m-quiet", messages=SAY, stream=True)
    chunks = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    row = logged(running.gateway, "up/m-quiet")
    # What came from a cache is told apart from the rest.
    assert (row.input, row.cache_read, row.output) == (replies.INPUT, replies.CACHED, replies.OUTPUT)
    assert row.streamed


def test_usage_is_told_to_who_asks(client: openai.OpenAI, running: Running) -> None:
    stream = client.chat.completions.create(
        model="up/m-loud", messages=SAY, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert all(chunk.choices for chunk in chunks)
    assert not last.choices
    assert last.usage
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (replies.INPUT, replies.OUTPUT)
    assert logged(running.gateway, "up/m-loud").output == replies.OUTPUT


async def test_a_stream_async(aclient: openai.AsyncOpenAI) -> None:
    stream = await aclient.chat.completions.create(model="up/ok", messages=SAY, stream=True)
    async with stream:
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert said == replies.text("ok")


def test_the_stream_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="up/ok", messages=SAY) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == replies.text("ok")


def test_tools_whole_and_streamed(client: openai.OpenAI, upstream: Upstream) -> None:
    reply = client.chat.completions.create(model="up/tool", messages=SAY, tools=[TOOL])
    calls = reply.choices[0].message.tool_calls
    assert calls
    assert (calls[0].function.name, calls[0].function.arguments) == (tools.NAME, tools.ARGUMENTS)
    with client.chat.completions.stream(model="up/tool", messages=SAY, tools=[TOOL]) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert streamed
    assert (streamed[0].function.name, streamed[0].function.arguments) == (tools.NAME, tools.ARGUMENTS)
    assert all(asked.json["tools"] == [TOOL] for asked in upstream.asked())
    result = {"role": "tool", "tool_call_id": calls[0].id, "content": "a small fruit"}
    history = [*SAY, reply.choices[0].message.to_dict(), result]
    assert client.chat.completions.create(model="up/ok", messages=history, tools=[TOOL]).choices[0].message.content


def test_models(client: openai.OpenAI) -> None:
    listed = client.models.list()
    assert "duo" in {model.id for model in listed}
    one = client.models.retrieve("duo")
    assert (one.id, one.object, one.owned_by) == ("duo", "model", "combo")
    with pytest.raises(openai.NotFoundError, match="dua"):
        client.models.retrieve("dua")


def test_responses_whole(client: openai.OpenAI, upstream: Upstream) -> None:
    reply = client.responses.create(model="re/m", input="hello", instructions="be short")
    assert reply.output_text == replies.text("m")
    assert reply.usage
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (replies.INPUT, replies.OUTPUT)
    assert upstream.asked()[0].json == {"input": "hello", "instructions": "be short", "model": "m"}


def test_responses_streamed(client: openai.OpenAI, running: Running) -> None:
    stream = client.responses.create(model="re/m-stream", input="hello", stream=True)
    events = list(stream)
    assert [event.type for event in events][0 :: len(events) - 1] == ["response.created", "response.completed"]
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == replies.text("m-stream")
    assert logged(running.gateway, "re/m-stream").output == replies.OUTPUT


async def test_responses_async(aclient: openai.AsyncOpenAI) -> None:
    async with aclient.responses.stream(model="re/ok", input="hello") as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.output_text == replies.text("ok")


@every(
    ("model", "error", "status"),
    [
        ("up/400", openai.BadRequestError, 400),
        ("nobody/m", openai.BadRequestError, 400),
        ("up/404", openai.NotFoundError, 404),
        ("up/429:7", openai.RateLimitError, 429),
        ("up/500", openai.InternalServerError, 500),
        ("up/503", openai.InternalServerError, 503),
        ("up/401", openai.InternalServerError, 502),
        ("up/cut-first", openai.InternalServerError, 502),
    ],
)
@every("stream", [False, True], ids=["whole", "stream"])
def test_errors_are_the_sdks_own(
    client: openai.OpenAI, model: str, error: type[openai.APIStatusError], status: int, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=SAY, stream=stream)
    raised = caught.value
    assert raised.status_code == status
    assert isinstance(raised.body, dict)
    assert raised.body["message"]
    assert isinstance(raised.type, str)
    assert raised.response.headers["x-omniroute-request-id"]
    if status == 429:
        assert raised.response.headers["retry-after"] == "7"
    if model == "nobody/m":
        assert (raised.param, raised.code) == ("model", "model_not_found")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_errors_of_responses(client: openai.OpenAI, stream: bool) -> None:
    for model, error in (("re/400", openai.BadRequestError), ("re/529", openai.InternalServerError)):
        with pytest.raises(error):
            client.responses.create(model=model, input="hello", stream=stream)


def test_a_wrong_key_is_an_authentication_error(running: Running, upstream: Upstream) -> None:
    with openai.OpenAI(**running.how | {"api_key": running.nobodys_key}) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="up/ok", messages=SAY)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
    assert caught.value.code == "invalid_api_key"
    assert running.nobodys_key not in str(caught.value)
    assert not upstream.asked()


@pytest.mark.parametrize("behaviour", ["error-late", "cut-late", "stops"])
def test_what_breaks_in_the_middle_is_raised(client: openai.OpenAI, behaviour: str) -> None:
    seen = []
    with pytest.raises(openai.APIError) as caught:  # noqa: PT012 - the first part must still come
        for chunk in client.chat.completions.create(model=f"up/{behaviour}", messages=SAY, stream=True):
            seen.append(chunk.choices[0].delta.content or "")
    assert "".join(seen)
    assert replies.text(behaviour).startswith("".join(seen))
    assert not isinstance(caught.value, openai.APIConnectionError)


def test_a_retrying_client_comes_through(running: Running, upstream: Upstream) -> None:
    with openai.OpenAI(**running.how | {"max_retries": 2}) as client:
        reply = client.chat.completions.create(model="up/503,503,ok", messages=SAY)
    assert reply.choices[0].message.content
    assert len(upstream.asked()) == 3


def test_a_client_that_leaves_at_the_end_mark_has_had_its_answer(client: openai.OpenAI, running: Running) -> None:
    """The SDK closes the connection at `[DONE]`, though the upstream may take its time to end the reply."""
    model = "up/slow:0.031"
    assert list(client.chat.completions.create(model=model, messages=SAY, stream=True))
    row = logged(running.gateway, model)
    assert (row.status, row.error, row.output) == (200, None, replies.OUTPUT)
    assert [attempt.outcome for attempt in row.attempts] == ["ok"]


def test_connections_are_reused(client: openai.OpenAI, upstream: Upstream) -> None:
    """Streams are left out: the SDK itself closes the connection behind each of them."""
    for _ in range(3):
        client.chat.completions.create(model="up/ok", messages=SAY)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="up/400", messages=SAY)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="nobody/m", messages=SAY)
    assert len(upstream.asked()) == 6
    assert len({asked.connection for asked in upstream.asked()}) == 1
