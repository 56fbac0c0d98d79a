"""Anthropic's SDK in front of an upstream of each dialect: messages, streams, the tool runner, beta."""

import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from cases import every
from faithful import model
from matrix_kit import (
    AT,
    HOW,
    MOVES,
    PARAMETERS,
    PNG,
    REPORT,
    SEEN,
    THOUGHT,
    TOLD,
    TWO_CITIES,
    WEATHER,
    Matrix,
    Report,
    shown,
)

SOURCE = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
PICTURE = {"type": "image", "source": SOURCE}
TOOL = {"name": "get_weather", "description": "Tell the weather", "input_schema": PARAMETERS}
THINKING = {"type": "enabled", "budget_tokens": 2000}


@pytest.fixture(scope="module")
def client(matrix: Matrix) -> Iterator[anthropic.Anthropic]:
    how: dict[str, Any] = {"base_url": matrix.gateway.url, "api_key": matrix.key}
    with anthropic.Anthropic(**how, max_retries=0, timeout=120) as client:
        yield client


def ask(client: anthropic.Anthropic, stream: bool, **asked: Any) -> Any:
    if isinstance(asked.get("messages"), str):
        asked["messages"] = [{"role": "user", "content": asked["messages"]}]
    asked.setdefault("max_tokens", 3000)
    if not stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        return events.get_final_message()


def said(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@AT
@HOW
def test_a_conversation(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool) -> None:
    turns = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Uno."},
        {"role": "user", "content": [{"type": "text", "text": "Two."}]},
    ]
    reply = ask(client, stream, model=matrix.model(at), messages=turns, system="Be brief.")
    assert said(reply) == "system: Be brief. | user: One. | assistant: Uno. | user: Two."
    assert (reply.stop_reason, reply.stop_sequence, reply.role) == ("end_turn", None, "assistant")
    usage = reply.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (118, 19, 43)
    assert usage.cache_creation_input_tokens == 0


@MOVES
@HOW
@every("thinks", [False, True], ids=["plain", "thinking"])
def test_a_loop_of_tools(
    client: anthropic.Anthropic, matrix: Matrix, at: str, then: str, stream: bool, thinks: bool
) -> None:
    """Two calls in one turn, their results in the other order, and each message given back as it came."""
    turns: list[Any] = [{"role": "user", "content": TWO_CITIES}]
    asked: dict[str, Any] = {"model": matrix.model(at), "messages": turns, "tools": [TOOL]}
    asked |= {"thinking": THINKING} if thinks else {}
    first = ask(client, stream, **asked)
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert said(first) == "I will look."
    assert [call.input for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    if thinks:
        thoughts = [block.thinking for block in first.content if block.type == "thinking" and block.thinking]
        assert thoughts == [THOUGHT]
        assert first.usage.output_tokens_details.thinking_tokens == model.REASONED
    turns.append({"role": "assistant", "content": first.content})
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": WEATHER[call.input["city"]]} for call in calls
    ]
    turns.append({"role": "user", "content": results[::-1]})
    second = ask(client, stream, **asked | {"model": matrix.model(then)})
    assert (said(second), second.stop_reason) == (TOLD, "end_turn")


@AT
@HOW
def test_the_runner_of_tools(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool) -> None:
    """It begins with a message thread, which only Anthropic keeps, and goes on without when that is refused."""

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tell the weather.

        Args:
            city: Where.
        """
        return WEATHER[city]

    turn: Any = {"role": "user", "content": TWO_CITIES}
    runner: Any = client.beta.messages.tool_runner(
        model=matrix.model(at), max_tokens=3000, tools=[get_weather], messages=[turn], stream=stream, thinking=THINKING
    )
    messages = [reply.get_final_message() if stream else reply for reply in runner]
    assert [message.stop_reason for message in messages] == ["tool_use", "end_turn"]
    assert said(messages[-1]) == TOLD


@AT
@HOW
def test_pictures_also_from_tools(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool) -> None:
    asked: dict[str, Any] = {"model": matrix.model(at), "tools": [TOOL]}
    turns: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}]
    assert said(ask(client, stream, messages=turns, **asked)) == f"I see {SEEN}"
    turns = [
        {"role": "user", "content": "Show me."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [PICTURE]}]},
    ]
    assert said(ask(client, stream, messages=turns, **asked)).endswith(f"I see {SEEN}")


@AT
@HOW
def test_an_answer_of_a_shape(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool) -> None:
    asked: Any = {"model": matrix.model(at), "max_tokens": 3000, "messages": [{"role": "user", "content": "Report."}]}
    if stream:
        with client.messages.stream(output_format=Report, **asked) as events:
            reply: Any = events.get_final_message()
    else:
        reply = client.messages.parse(output_format=Report, **asked)
    assert reply.parsed_output == REPORT
    form = {"type": "json_schema", "schema": anthropic.transform_schema(Report)}
    raw = ask(client, stream, **asked, output_config={"format": form})
    assert Report.model_validate_json(said(raw)) == REPORT


@AT
@HOW
@every("status", [400, 401, 403, 404, 413, 429, 500, 529])
def test_errors(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool, status: int) -> None:
    kinds = {
        400: (anthropic.BadRequestError, "invalid_request_error"),
        404: (anthropic.NotFoundError, "not_found_error"),
        413: (anthropic.RequestTooLargeError, "request_too_large"),
        429: (anthropic.RateLimitError, "rate_limit_error"),
        500: (anthropic.InternalServerError, "api_error"),
        529: (anthropic.OverloadedError, "overloaded_error"),
    }
    kind, word = kinds.get(status, (anthropic.InternalServerError, "api_error"))
    with pytest.raises(kind, match=f"told to fail with {status}") as caught:
        ask(client, stream, model=matrix.model(at), messages=f"Fail with {status}.")
    raised: Any = caught.value
    assert raised.status_code == shown(status)
    assert (raised.body["type"], raised.body["error"]["type"]) == ("error", word)
    if status == 429:
        assert raised.response.headers["retry-after"] == model.RETRY_AFTER


@AT
def test_a_break_in_the_middle(client: anthropic.Anthropic, matrix: Matrix, at: str) -> None:
    with pytest.raises(anthropic.APIStatusError, match="broke off in the middle"):
        ask(client, True, model=matrix.model(at), messages="Break off.")


@AT
@HOW
def test_the_end_of_a_reply(client: anthropic.Anthropic, matrix: Matrix, at: str, stream: bool) -> None:
    ends = {"Run out.": "max_tokens", "Refuse.": "refusal", "Be filtered.": "refusal"}
    for task, end in ends.items():
        reply = ask(client, stream, model=matrix.model(at), messages=task)
        assert reply.stop_reason == end, task
        assert said(reply) == (model.DECLINED if task == "Refuse." else "Once upon a")
