"""OpenAI's own SDK goes on from replies by their ids, at upstreams that know nothing of that."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import openai
import pytest
from harness import PATIENCE, Gateway, Upstream, until
from scripted import replies as scripted
from scripted import tools
from shared_gateway import SharedGateway

from omniroute.store.config import accounts, combos, keys, nodes
from omniroute.store.db.database import Store
from omniroute.store.state import conversations

DIALECTS = ("openai", "claude", "gemini", "responses")
RESULT = "a-small-fruit"
TOOL: Any = {
    "type": "function",
    "name": tools.NAME,
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


@dataclass
class Running:
    gateway: Gateway
    keys: list[str]

    def client(self, key: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.gateway.url}/v1", api_key=self.keys[key], max_retries=0, timeout=PATIENCE)


@pytest.fixture(scope="module")
def running(_upstreams: Callable[..., Upstream], shared_gateway: SharedGateway, no_proxies: None) -> Iterator[Running]:
    upstream = _upstreams()
    made: list[str] = []

    def setup(store: Store) -> None:
        for behaviour in ("ok", f"agent:{RESULT}"):
            for dialect in DIALECTS:
                base = f"{upstream.base(behaviour)}/{'v1beta' if dialect == 'gemini' else 'v1'}"
                nodes.add(store, f"{behaviour[:2]}-{dialect}", dialect, base)
        # A real provider's row knows that it keeps replies; its account leads to the scripted one.
        for provider, behaviour in (("openai", f"agent:{RESULT}"), ("xai", "forgetful")):
            accounts.add(store, provider, api_key="sk-scripted", base_url=f"{upstream.base(behaviour)}/v1")
        nodes.add(store, "down", "responses", f"{upstream.base('503')}/v1")
        combos.add(store, "strangers", ["ok-claude/m", "ok-gemini/m"])
        made.extend(keys.create(store, name)[1] for name in ("one", "two"))

    with shared_gateway.lend(setup=setup) as gateway:
        yield Running(gateway, made)


@pytest.fixture
def client(running: Running) -> Iterator[openai.OpenAI]:
    with running.client() as client:
        yield client


def ask(client: openai.OpenAI, stream: bool, **asked: Any) -> Any:
    if not stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as events:
        for _ in events:
            pass
        return events.get_final_response()


def result_of(reply: Any) -> list[Any]:
    (call,) = [item for item in reply.output if item.type == "function_call"]
    assert json.loads(call.arguments) == json.loads(tools.ARGUMENTS)
    return [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT}]


def sent(upstream: Upstream) -> str:
    return upstream.asked()[-1].body.decode()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_loop_of_tools_in_which_each_request_says_only_what_is_new(
    client: openai.OpenAI, upstream: Upstream, dialect: str, stream: bool
) -> None:
    model = f"ag-{dialect}/m"
    first = ask(client, stream, model=model, input="What is a kumquat?", tools=[TOOL], instructions="Be brief.")
    second = ask(client, stream, model=model, input=result_of(first), tools=[TOOL], previous_response_id=first.id)
    assert second.output_text == scripted.text("m")
    whole = sent(upstream)
    assert "previous_response_id" not in whole
    assert whole.index("What is a kumquat?") < whole.index(RESULT)
    assert tools.NAME in whole
    assert "Be brief" not in whole, "instructions are those of one request alone"
    third = ask(client, stream, model=model, input="And an apple?", previous_response_id=second.id)
    whole = sent(upstream)
    assert whole.index(RESULT) < whole.index(scripted.text("m")) < whole.index("And an apple?")
    if dialect != "responses":  # the scripted upstream names all its replies alike
        assert len({first.id, second.id, third.id}) == 3
        assert first.id.startswith("resp_")
    assert client.responses.retrieve(third.id).output_text == third.output_text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_keeps_replies_gets_the_request_untouched(client: openai.OpenAI, upstream: Upstream, stream: bool) -> None:
    first = ask(client, stream, model="openai/m", input="What is a kumquat?", tools=[TOOL])
    asked = {"input": result_of(first), "previous_response_id": first.id}
    ask(client, stream, model="openai/m", **asked)
    assert upstream.asked()[-1].json == asked | {"model": "m"} | ({"stream": True} if stream else {})


def test_another_upstream_goes_on_from_what_a_provider_keeps(client: openai.OpenAI, upstream: Upstream) -> None:
    first = ask(client, False, model="openai/m", input="What is a kumquat?", tools=[TOOL])
    for dialect in ("claude", "responses"):
        raw = client.responses.with_raw_response.create(
            model=f"ok-{dialect}/m", input=result_of(first), previous_response_id=first.id
        )
        whole = sent(upstream)
        assert whole.index("What is a kumquat?") < whole.index(RESULT)
        assert "rs_scripted" not in whole
        assert "fc_scripted" not in whole
        if dialect == "responses":
            assert raw.headers["x-omniroute-dropped"] == "input.reasoning"


def test_a_provider_that_has_forgotten_is_told_everything(client: openai.OpenAI, upstream: Upstream) -> None:
    first = client.responses.create(model="xai/m", input="first")
    raw = client.responses.with_raw_response.create(model="xai/m", input="second", previous_response_id=first.id)
    assert raw.parse().output_text
    assert raw.headers["x-omniroute-attempts"] == "2"
    assert [asked.json.get("previous_response_id") for asked in upstream.asked()] == [None, first.id, None]
    assert [item.get("role") for item in upstream.asked()[-1].json["input"]] == ["user", "assistant", "user"]


def test_references_to_items(client: openai.OpenAI, upstream: Upstream) -> None:
    """As Vercel's AI SDK sends them: the whole history, with what was answered only named."""
    first = client.responses.create(model="ok-claude/m", input="first")
    said: Any = {"type": "item_reference", "id": first.output[0].id}
    history: Any = [{"role": "user", "content": "first"}, said, {"role": "user", "content": "second"}]
    client.responses.create(model="ok-gemini/m", input=history)
    whole = sent(upstream)
    assert whole.index("first") < whole.index(scripted.text("m")) < whole.index("second")
    with pytest.raises(openai.BadRequestError, match="not kept here"):
        client.responses.create(model="ok-gemini/m", input=[{"type": "item_reference", "id": "msg_nobody"}])


def test_what_is_not_kept_cannot_be_gone_on_from(client: openai.OpenAI, upstream: Upstream) -> None:
    first = client.responses.create(model="ok-claude/m", input="first", store=False)
    for model in ("ok-claude/m", "strangers"):
        with pytest.raises(openai.BadRequestError, match=f"'{first.id}' not found") as caught:
            client.responses.create(model=model, input="second", previous_response_id=first.id)
        assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    assert len(upstream.asked()) == 1
    # An upstream of the same dialect may know more than we do.
    client.responses.create(model="ok-responses/m", input="second", previous_response_id="resp_elsewhere")
    assert upstream.asked()[-1].json["previous_response_id"] == "resp_elsewhere"


def test_a_reply_is_its_keys_alone(client: openai.OpenAI, running: Running, upstream: Upstream) -> None:
    mine = client.responses.create(model="ok-claude/m", input="mine")
    with running.client(1) as other:
        for model in ("ok-claude/m", "ok-responses/m"):
            with pytest.raises(openai.BadRequestError, match="not found"):
                other.responses.create(model=model, input="yours?", previous_response_id=mine.id)
        for look in (other.responses.retrieve, other.responses.delete, other.responses.input_items.list):
            with pytest.raises(openai.NotFoundError, match=f"Response with id '{mine.id}' not found"):
                look(mine.id)
    without_key = httpx.get(f"{running.gateway.url}/v1/responses/{mine.id}", trust_env=False)
    assert without_key.status_code == 404
    assert client.responses.retrieve(mine.id).output_text
    assert len(upstream.asked()) == 1


def test_looking_at_a_reply_and_deleting_it(client: openai.OpenAI, running: Running) -> None:
    first = client.responses.create(model="ok-claude/m", input="first")
    second = client.responses.create(model="ok-openai/m", input="second", previous_response_id=first.id)
    assert client.responses.retrieve(second.id).previous_response_id == first.id
    listed = client.responses.input_items.list(second.id, order="asc", limit=2)
    assert [item.role for item in listed] == ["user", "assistant", "user"], "page after page"
    newest: Any = client.responses.input_items.list(second.id).data[0]
    assert newest.content[0].text == "second"
    for call, problem in (
        (lambda: client.responses.cancel(second.id), "in the background"),
        (lambda: client.responses.retrieve(second.id, stream=True), "stream"),
        (lambda: client.responses.input_items.list(second.id, limit=1000), "limit"),
    ):
        with pytest.raises(openai.BadRequestError, match=problem):
            call()
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    third = client.responses.create(model="ok-openai/m", input="third", previous_response_id=second.id)
    path = f"{running.gateway.url}/responses/{third.id}"
    gone = httpx.delete(path, headers={"authorization": f"Bearer {running.keys[0]}"}, trust_env=False)
    assert gone.json() == {"id": third.id, "object": "response", "deleted": True}


def test_a_big_reply_is_kept_too(client: openai.OpenAI, running: Running, upstream: Upstream) -> None:
    """Over a megabyte it is read and written in threads; the next request comes at once all the same."""
    big = "x" * 700_000
    first = client.responses.create(model="ok-claude/m", input=big)
    second = client.responses.create(model="ok-claude/m", input=big, previous_response_id=first.id)
    client.responses.create(model="ok-responses/m", input="short", previous_response_id=second.id)
    assert sent(upstream).count(big) == 2


def test_whoever_is_quick_finds_the_reply(running: Running) -> None:
    """Each request leaves the moment that the reply before it is read, while many others are written."""

    def chat(number: int) -> int:
        with running.client() as client:
            previous: Any = openai.omit
            for turn in range(5):
                reply = ask(client, number % 2 == 0, model="ok-claude/m", input="go on", previous_response_id=previous)
                previous = reply.id
                assert turn < 5
            return len(client.responses.input_items.list(previous, limit=100).data)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(chat, range(8))) == [9] * 8


def test_a_conversation_outlives_the_gateway(
    gateway: Callable[..., Gateway], upstream: Upstream, no_proxies: None
) -> None:
    made: list[str] = []

    def setup(store: Store) -> None:
        nodes.add(store, "local", "claude", f"{upstream.base('ok')}/v1")
        made.append(keys.create(store, "sdk")[1])

    before = gateway(setup=setup)
    how: dict[str, Any] = {"api_key": made[0], "max_retries": 0, "timeout": PATIENCE}
    with openai.OpenAI(base_url=f"{before.url}/v1", **how) as client:
        first = ask(client, True, model="local/m", input="the secret of the house")
    until("it is on the disk", lambda: conversations.count(before.store)[0])
    before.kill()
    before.stop()
    for path in before.data_dir.glob("storage.sqlite*"):
        assert b"the secret of the house" not in path.read_bytes()
    assert "the secret of the house" not in before.log()
    after = gateway()
    with openai.OpenAI(base_url=f"{after.url}/v1", **how) as client:
        client.responses.create(model="local/m", input="second", previous_response_id=first.id)
        assert "the secret of the house" in sent(upstream)
