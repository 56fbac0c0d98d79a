"""The pretend providers must look real to the clients that nobody here wrote."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from omniroute.demo.provider import DemoHandler
from omniroute.demo.server import Demo
from omniroute.demo.setup import COMBO, MODELS, install, uninstall
from omniroute.serving.demo_addon import DemoAddon
from omniroute.store.config import combos, nodes, snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

ASKED = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    demo = Demo(pause=0)
    await demo.start()
    yield demo
    await demo.stop()


@pytest.fixture
async def gpt(demo: Demo) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=demo.openai_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(demo: Demo) -> AsyncIterator[anthropic.AsyncAnthropic]:
    base = demo.claude_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=base, api_key="none", max_retries=0) as client:
        yield client


async def refused(client: openai.AsyncOpenAI) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="pretend-gpt", messages=ASKED)
    return caught.value


async def test_every_second_request_is_refused(gpt: openai.AsyncOpenAI) -> None:
    for _ in range(3):
        error = await refused(gpt)
        assert error.response.headers["retry-after"] == "1"
        assert error.code == "rate_limit_exceeded"
        await gpt.chat.completions.create(model="pretend-gpt", messages=ASKED)


async def test_a_body_that_is_wrong_takes_no_turn(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        await gpt.chat.completions.create(model="pretend-gpt", messages=[])
    await refused(gpt)


async def test_gpt_says_who_it_is_whole_and_streamed(gpt: openai.AsyncOpenAI) -> None:
    await refused(gpt)
    whole = await gpt.chat.completions.create(model="pretend-gpt", messages=ASKED)
    text = whole.choices[0].message.content
    assert text
    assert "pretend-gpt" in text
    assert "Why is the sky blue?" in text
    assert whole.usage
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (5, len(text.split()))

    await refused(gpt)
    options = {"include_usage": True}
    chunks = [
        chunk
        async for chunk in await gpt.chat.completions.create(
            model="pretend-gpt", messages=ASKED, stream=True, stream_options=options
        )
    ]
    said = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(said) == text
    assert len([piece for piece in said if piece]) == len(text.split()), "word by word"
    assert chunks[-1].usage == whole.usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


async def test_gpt_counts_in_a_stream_only_when_asked(gpt: openai.AsyncOpenAI) -> None:
    await refused(gpt)
    stream = await gpt.chat.completions.create(model="pretend-gpt", messages=ASKED, stream=True)
    assert [chunk async for chunk in stream if not chunk.choices] == []


async def test_claude_says_who_it_is_whole_and_streamed(claude: anthropic.AsyncAnthropic) -> None:
    asked = [{"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]}]
    whole = await claude.messages.create(model="pretend-claude", messages=asked, max_tokens=99, system="Be brief.")
    text = whole.content[0].text
    assert "pretend-claude" in text
    assert "Why is the sky blue?" in text
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (7, len(text.split()))
    async with claude.messages.stream(model="pretend-claude", messages=ASKED, max_tokens=99) as stream:
        message = await stream.get_final_message()
    assert (message.content[0].text, message.stop_reason) == (text, "end_turn")
    assert message.usage.output_tokens == whole.usage.output_tokens


async def test_claude_wants_max_tokens(demo: Demo) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"{demo.claude_url}/messages"
        reply = await client.post(url, json={"model": "pretend-claude", "messages": ASKED})
        broken = await client.post(url, content=b"{")
    assert (reply.status_code, broken.status_code) == (400, 400)
    assert reply.json()["error"]["message"] == "max_tokens: Field required"


async def test_models_are_listed(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    assert [model.id async for model in gpt.models.list()] == ["pretend-gpt"]
    assert [model.id async for model in claude.models.list()] == ["pretend-claude"]


async def test_a_long_question_is_cut(claude: anthropic.AsyncAnthropic) -> None:
    asked = [{"role": "user", "content": "why " * 1000}]
    reply = await claude.messages.create(model="pretend-claude", messages=asked, max_tokens=99)
    assert len(reply.content[0].text) < 300
    assert reply.usage.input_tokens == 1000


async def test_stopping_ends_a_reply_in_the_middle() -> None:
    demo = Demo(pause=0.01)
    await demo.start()
    url = f"{demo.claude_url}/messages"
    async with httpx.AsyncClient(trust_env=False) as client:
        body = {"model": "pretend-claude", "messages": ASKED, "max_tokens": 9, "stream": True}
        async with client.stream("POST", url, json=body) as reply:
            lines = reply.aiter_lines()
            await anext(lines)
            await demo.stop()
            with pytest.raises(httpx.RemoteProtocolError):
                [line async for line in lines]
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


async def test_install_replaces_what_an_earlier_run_left(store: Store, demo: Demo) -> None:
    again = Demo(pause=0)
    await again.start()
    install(store, demo)
    install(store, again)
    config = snapshot.load(store)
    assert {node.prefix: node.base_url for node in config.nodes} == {
        "demo-openai": again.openai_url,
        "demo-claude": again.claude_url,
    }
    assert config.combos[COMBO].models == MODELS
    await again.stop()


async def test_uninstall_takes_only_its_own(store: Store, demo: Demo) -> None:
    nodes.add(store, "mine", "openai", "http://127.0.0.1:1/v1")
    install(store, demo)
    uninstall(store)
    config = snapshot.load(store)
    assert ([node.prefix for node in config.nodes], dict(config.combos)) == (["mine"], {})
    uninstall(store)
    assert [node.prefix for node in snapshot.load(store).nodes] == ["mine"]


async def test_a_combo_of_the_users_own_is_left_alone(store: Store, demo: Demo) -> None:
    nodes.add(store, "mine", "openai", "http://127.0.0.1:1/v1")
    combos.add(store, COMBO, ["mine/model"])
    with pytest.raises(StoreError, match="demo"):
        install(store, demo)
    config = snapshot.load(store)
    assert config.combos[COMBO].models == ("mine/model",)
    assert [node.prefix for node in config.nodes] == ["mine"]


async def test_both_serve_at_once(demo: Demo, claude: anthropic.AsyncAnthropic) -> None:
    replies = await asyncio.gather(
        *(claude.messages.create(model="pretend-claude", messages=ASKED, max_tokens=9) for _ in range(20))
    )
    assert len({reply.id for reply in replies}) == 20


async def test_a_store_that_fails_at_the_end_keeps_nobody_from_closing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pretenders = DemoAddon(tmp_path)
    await pretenders.running()
    (tmp_path / "secrets.json").write_bytes(b"{")
    await pretenders.done()
    assert "the demo's providers stay in the database" in caplog.text


async def test_an_end_in_the_middle_of_a_reply_says_nothing(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C does it: `asyncio.run` cancels whatever is left."""

    async def cancelled(*_: object) -> AsyncIterator[bytes]:
        raise asyncio.CancelledError
        yield b""

    monkeypatch.setattr(DemoHandler, "_paced", cancelled)
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with httpx.AsyncClient(timeout=120) as client:
        body = {"model": "x", "max_tokens": 9, "stream": True, "messages": ASKED}
        await client.post(f"{demo.claude_url}/messages", json=body)
    assert complaints == []
