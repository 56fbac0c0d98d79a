"""OpenAI's SDK for Chat Completions, in front of an upstream of each dialect."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from cases import every
from faithful import model
from matrix_kit import AT, HOW, MOVES, PNG, REPORT, SEEN, THOUGHT, TOLD, TWO_CITIES, WEATHER, Matrix, Report, shown
from pydantic import BaseModel, Field

PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}


class GetWeather(BaseModel):
    city: str = Field(description="Where")


TOOL = openai.pydantic_function_tool(GetWeather, name="get_weather", description="Tell the weather")


@pytest.fixture(scope="module")
def client(matrix: Matrix) -> Iterator[openai.OpenAI]:
    base = f"{matrix.gateway.url}/v1"
    with openai.OpenAI(base_url=base, api_key=matrix.key, max_retries=0, timeout=120) as client:
        yield client


def ask(client: openai.OpenAI, stream: bool, **asked: Any) -> Any:
    """Ask with the helpers: `parse`, or the stream that puts the same together."""
    if isinstance(asked.get("messages"), str):
        asked["messages"] = [{"role": "user", "content": asked["messages"]}]
    if not stream:
        return client.chat.completions.parse(**asked)
    with client.chat.completions.stream(stream_options={"include_usage": True}, **asked) as events:
        for _ in events:
            pass
        return events.get_final_completion()


@AT
@HOW
def test_a_conversation(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Uno."},
        {"role": "user", "content": "Two."},
    ]
    reply = ask(client, stream, model=matrix.model(at), messages=turns, max_completion_tokens=3000)
    (choice,) = reply.choices
    assert choice.message.content == "system: Be brief. | user: One. | assistant: Uno. | user: Two."
    assert (choice.finish_reason, choice.message.role, choice.message.refusal) == ("stop", "assistant", None)
    usage = reply.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (137, 43, 180)
    assert usage.prompt_tokens_details.cached_tokens == model.CACHED


@MOVES
@HOW
@every("thinks", [False, True], ids=["plain", "thinking"])
def test_a_loop_of_tools(client: openai.OpenAI, matrix: Matrix, at: str, then: str, stream: bool, thinks: bool) -> None:
    """Two calls in one turn, their results in the other order, and each message given back as it came."""
    turns: list[Any] = [{"role": "user", "content": TWO_CITIES}]
    asked: dict[str, Any] = {"model": matrix.model(at), "messages": turns, "tools": [TOOL]}
    asked |= {"reasoning_effort": "medium", "max_completion_tokens": 20_000} if thinks else {}
    first = ask(client, stream, **asked)
    said = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert said.content == "I will look."
    assert [call.function.parsed_arguments for call in said.tool_calls] == [
        GetWeather(city="Oslo"),
        GetWeather(city="Rome"),
    ]
    if thinks and at != "responses":  # this dialect has no way to ask for a summary
        assert said.reasoning_content == THOUGHT
    if thinks:
        assert first.usage.completion_tokens_details.reasoning_tokens == model.REASONED
    turns.append(said.to_dict())
    for call in reversed(said.tool_calls):
        content = WEATHER[call.function.parsed_arguments.city]
        turns.append({"role": "tool", "tool_call_id": call.id, "content": content})
    second = ask(client, stream, **asked | {"model": matrix.model(then)}).choices[0]
    assert (second.message.content, second.finish_reason) == (TOLD, "stop")


@AT
@HOW
def test_pictures(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE, PICTURE]}
    reply = ask(client, stream, model=matrix.model(at), messages=[turn])
    assert reply.choices[0].message.content == f"I see {SEEN}; I see {SEEN}"


@AT
@HOW
def test_an_answer_of_a_shape(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    reply = ask(client, stream, model=matrix.model(at), messages="Report.", response_format=Report)
    assert reply.choices[0].message.parsed == REPORT


@AT
@HOW
@every("status", [400, 401, 403, 404, 413, 429, 500, 529])
def test_errors(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool, status: int) -> None:
    kinds = {
        400: openai.BadRequestError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
    }
    with pytest.raises(
        kinds.get(min(shown(status), 500), openai.APIStatusError), match=f"told to fail with {status}"
    ) as caught:
        ask(client, stream, model=matrix.model(at), messages=f"Fail with {status}.")
    raised: Any = caught.value
    assert raised.status_code == shown(status)
    assert raised.type
    if status == 429:
        assert raised.response.headers["retry-after"] == model.RETRY_AFTER


@AT
def test_a_break_in_the_middle(client: openai.OpenAI, matrix: Matrix, at: str) -> None:
    with pytest.raises(openai.APIError, match="broke off in the middle"):
        ask(client, True, model=matrix.model(at), messages="Break off.")


@AT
@HOW
def test_the_end_of_a_reply(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    def end(task: str) -> Any:
        asked: Any = {"model": matrix.model(at), "messages": [{"role": "user", "content": task}], "stream": stream}
        if not stream:
            return client.chat.completions.create(**asked).choices[0].finish_reason
        return [chunk.choices[0].finish_reason for chunk in client.chat.completions.create(**asked)][-1]

    assert end("Run out.") == "length"
    assert end("Be filtered.") == "content_filter"
    declined = ask(client, stream, model=matrix.model(at), messages="Refuse.", tools=[TOOL]) if at == "openai" else None
    assert declined is None or declined.choices[0].message.refusal == model.DECLINED
    assert json.dumps(end("Refuse.")) in {'"stop"', '"content_filter"'}
