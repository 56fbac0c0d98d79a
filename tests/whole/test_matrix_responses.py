"""OpenAI's SDK for Responses, in front of an upstream of each dialect: parse, the stream helper, reasoning items."""

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from cases import every
from faithful import model
from matrix_kit import AT, HOW, MOVES, PNG, REPORT, SEEN, THOUGHT, TOLD, TWO_CITIES, WEATHER, Matrix, Report, shown
from pydantic import BaseModel, Field

PICTURE = {
    "type": "input_image",
    "detail": "auto",
    "image_url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
}


class GetWeather(BaseModel):
    city: str = Field(description="Where")


FUNCTION = openai.pydantic_function_tool(GetWeather, name="get_weather")["function"]
TOOL = {"type": "function", **FUNCTION}
REASONING = {"effort": "medium", "summary": "auto"}


@pytest.fixture(scope="module")
def client(matrix: Matrix) -> Iterator[openai.OpenAI]:
    base = f"{matrix.gateway.url}/v1"
    with openai.OpenAI(base_url=base, api_key=matrix.key, max_retries=0, timeout=120) as client:
        yield client


def ask(client: openai.OpenAI, stream: bool, **asked: Any) -> Any:
    if not stream:
        return client.responses.parse(**asked)
    with client.responses.stream(**asked) as events:
        for _ in events:
            pass
        return events.get_final_response()


@AT
@HOW
def test_a_conversation(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    items = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Uno."},
        {"role": "user", "content": [{"type": "input_text", "text": "Two."}]},
    ]
    reply = ask(client, stream, model=matrix.model(at), input=items, instructions="Be brief.")
    assert reply.output_text == "system: Be brief. | user: One. | assistant: Uno. | user: Two."
    assert (reply.status, reply.incomplete_details, reply.error) == ("completed", None, None)
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (137, 43, 180)
    assert usage.input_tokens_details.cached_tokens == model.CACHED


@MOVES
@HOW
@every("thinks", [False, True], ids=["plain", "thinking"])
def test_a_loop_of_tools(client: openai.OpenAI, matrix: Matrix, at: str, then: str, stream: bool, thinks: bool) -> None:
    """Two calls in one turn, their results in the other order, and all items given back as they came."""
    items: list[Any] = [{"role": "user", "content": TWO_CITIES}]
    asked: dict[str, Any] = {"model": matrix.model(at), "input": items, "tools": [TOOL], "store": False}
    if thinks:
        asked |= {"reasoning": REASONING, "include": ["reasoning.encrypted_content"], "max_output_tokens": 20_000}
    first = ask(client, stream, **asked)
    calls = [item for item in first.output if item.type == "function_call"]
    assert first.output_text == "I will look."
    assert [call.parsed_arguments if stream else call.arguments for call in calls]
    assert [GetWeather.model_validate_json(call.arguments).city for call in calls] == ["Oslo", "Rome"]
    if thinks:
        thoughts = [part.text for item in first.output if item.type == "reasoning" for part in item.summary]
        assert thoughts == [THOUGHT]
        assert first.usage.output_tokens_details.reasoning_tokens == model.REASONED
    items += [item.to_dict() for item in first.output]
    for call in reversed(calls):
        output = WEATHER[GetWeather.model_validate_json(call.arguments).city]
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    second = ask(client, stream, **asked | {"model": matrix.model(then)})
    assert (second.output_text, second.status) == (TOLD, "completed")


@AT
@HOW
def test_pictures_also_from_tools(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    asked: dict[str, Any] = {"model": matrix.model(at), "tools": [TOOL]}
    items: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, PICTURE]}]
    assert ask(client, stream, input=items, **asked).output_text == f"I see {SEEN}"
    items = [
        {"role": "user", "content": "Show me."},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [PICTURE]},
    ]
    assert ask(client, stream, input=items, **asked).output_text.endswith(f"I see {SEEN}")


@AT
@HOW
def test_an_answer_of_a_shape(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    reply = ask(client, stream, model=matrix.model(at), input="Report.", text_format=Report)
    assert reply.output_parsed == REPORT


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
        ask(client, stream, model=matrix.model(at), input=f"Fail with {status}.")
    raised: Any = caught.value
    assert raised.status_code == shown(status)
    if status == 429:
        assert raised.response.headers["retry-after"] == model.RETRY_AFTER


@AT
def test_a_break_in_the_middle(client: openai.OpenAI, matrix: Matrix, at: str) -> None:
    events = client.responses.create(model=matrix.model(at), input="Break off.", stream=True)
    with pytest.raises(openai.APIError, match="broke off in the middle"):
        list(events)


@AT
@HOW
def test_the_end_of_a_reply(client: openai.OpenAI, matrix: Matrix, at: str, stream: bool) -> None:
    def end(task: str) -> Any:
        asked: Any = {"model": matrix.model(at), "input": task}
        if not stream:
            return client.responses.create(**asked)
        *_, last = client.responses.create(**asked, stream=True)
        return last.response  # type: ignore[union-attr]

    for task, cause in (("Run out.", "max_output_tokens"), ("Be filtered.", "content_filter")):
        reply = end(task)
        assert (reply.status, reply.incomplete_details.reason) == ("incomplete", cause)
        assert reply.output_text == "Once upon a"
    declined = end("Refuse.")
    content = [part for item in declined.output if item.type == "message" for part in item.content]
    if at in {"openai", "responses"}:
        assert [(part.type, part.refusal) for part in content] == [("refusal", model.DECLINED)]
        assert declined.status == "completed"
    else:  # where a refusal is the filter's, and its words are the answer so far
        assert declined.output_text == model.DECLINED
        assert declined.incomplete_details.reason == "content_filter"
