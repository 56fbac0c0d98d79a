"""Google's SDK in front of an upstream of each dialect: whole, streams, chats that call functions by themselves."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from cases import every
from faithful import model
from google import genai
from google.genai import errors, types
from matrix_kit import (
    AT,
    AT_OTHERS,
    HOW,
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

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="get_weather", description="Tell the weather", parameters_json_schema=PARAMETERS)
    ]
)
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
PICTURE = types.Part.from_bytes(data=PNG, mime_type="image/png")
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)


@pytest.fixture(scope="module")
def client(matrix: Matrix) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=matrix.gateway.url, timeout=20_000)
    client = genai.Client(api_key=matrix.key, http_options=options)
    yield client
    client.close()


def ask(client: genai.Client, stream: bool, **asked: Any) -> list[types.GenerateContentResponse]:
    """Ask, and give the pieces of the reply; a whole reply is one piece."""
    if stream:
        return list(client.models.generate_content_stream(**asked))
    return [client.models.generate_content(**asked)]


def parts(pieces: list[types.GenerateContentResponse]) -> list[types.Part]:
    found = [candidate.content for piece in pieces for candidate in piece.candidates or ()]
    return [part for content in found if content for part in content.parts or ()]


def said(pieces: list[types.GenerateContentResponse], *, thought: bool = False) -> str:
    return "".join(part.text for part in parts(pieces) if part.text and bool(part.thought) is thought)


def end(pieces: list[types.GenerateContentResponse]) -> Any:
    assert pieces[-1].candidates
    return pieces[-1].candidates[0].finish_reason


@AT
@HOW
def test_a_conversation(client: genai.Client, matrix: Matrix, at: str, stream: bool) -> None:
    contents = [
        types.UserContent("One."),
        types.ModelContent("Uno."),
        types.UserContent("Two."),
    ]
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=3000)
    pieces = ask(client, stream, model=matrix.model(at), contents=contents, config=config)
    assert said(pieces) == "system: Be brief. | user: One. | assistant: Uno. | user: Two."
    assert end(pieces) == types.FinishReason.STOP
    usage: Any = pieces[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (137, 43, 180)
    assert usage.cached_content_token_count == model.CACHED


@every(("at", "then"), [*itertools.product(("openai", "claude", "responses"), repeat=2)])
@HOW
@every("thinks", [False, True], ids=["plain", "thinking"])
def test_a_loop_of_tools(client: genai.Client, matrix: Matrix, at: str, then: str, stream: bool, thinks: bool) -> None:
    """Two calls in one turn; the results have no ids, as this SDK gives none, so they stand in the calls' order."""
    config = types.GenerateContentConfig(
        tools=[TOOL], automatic_function_calling=BY_HAND, max_output_tokens=3000,
        thinking_config=THINKING if thinks else None,
    )  # fmt: skip
    contents: list[Any] = [types.UserContent(TWO_CITIES)]
    first = ask(client, stream, model=matrix.model(at), contents=contents, config=config)
    calls = [part.function_call for part in parts(first) if part.function_call]
    assert said(first) == "I will look."
    assert [call.args for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    if thinks:
        assert said(first, thought=True) == THOUGHT
        usage: Any = first[-1].usage_metadata
        assert (usage.candidates_token_count, usage.thoughts_token_count) == (26, 17)
    contents.append(types.ModelContent(parts(first)))
    contents.append(
        types.UserContent(
            [
                types.Part.from_function_response(name="get_weather", response={"result": WEATHER[call.args["city"]]})
                for call in calls
                if call.args
            ]
        )
    )
    second = ask(client, stream, model=matrix.model(then), contents=contents, config=config)
    assert (said(second), end(second)) == (TOLD, types.FinishReason.STOP)


@AT_OTHERS
@HOW
def test_a_chat_that_calls_by_itself(client: genai.Client, matrix: Matrix, at: str, stream: bool) -> None:
    def get_weather(city: str) -> str:
        """Tell the weather."""
        return WEATHER[city]

    config = types.GenerateContentConfig(tools=[get_weather], thinking_config=THINKING, max_output_tokens=3000)
    chat = client.chats.create(model=matrix.model(at), config=config)
    if stream:
        heard = said(list(chat.send_message_stream(TWO_CITIES)))
        assert heard.endswith(TOLD)
    else:
        assert said([chat.send_message(TWO_CITIES)]) == TOLD
    again = said(list(chat.send_message_stream("Thanks."))) if stream else said([chat.send_message("Thanks.")])
    assert again.endswith("user: Thanks.")


@AT_OTHERS
@HOW
def test_pictures(client: genai.Client, matrix: Matrix, at: str, stream: bool) -> None:
    pieces = ask(client, stream, model=matrix.model(at), contents=["What is this?", PICTURE, PICTURE])
    assert said(pieces) == f"I see {SEEN}; I see {SEEN}"


@AT_OTHERS
@HOW
@every("way", ["response_schema", "response_json_schema"])
def test_an_answer_of_a_shape(client: genai.Client, matrix: Matrix, at: str, stream: bool, way: str) -> None:
    shape: Any = Report if way == "response_schema" else Report.model_json_schema()
    config = types.GenerateContentConfig(response_mime_type="application/json", **{way: shape})
    pieces = ask(client, stream, model=matrix.model(at), contents="Report.", config=config)
    assert Report.model_validate_json(said(pieces)) == REPORT
    if way == "response_schema" and not stream:
        assert pieces[0].parsed == REPORT


@AT
@HOW
@every("status", [400, 401, 403, 404, 413, 429, 500, 529])
def test_errors(client: genai.Client, matrix: Matrix, at: str, stream: bool, status: int) -> None:
    kind = errors.ServerError if shown(status) >= 500 else errors.ClientError
    with pytest.raises(kind, match=f"told to fail with {status}") as caught:
        ask(client, stream, model=matrix.model(at), contents=f"Fail with {status}.")
    words = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}
    assert caught.value.code == shown(status)
    assert caught.value.status == words.get(shown(status), caught.value.status)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == model.RETRY_AFTER


@AT
def test_a_break_in_the_middle(client: genai.Client, matrix: Matrix, at: str) -> None:
    with pytest.raises(errors.APIError, match="broke off in the middle"):
        ask(client, True, model=matrix.model(at), contents="Break off.")


@AT
@HOW
def test_the_end_of_a_reply(client: genai.Client, matrix: Matrix, at: str, stream: bool) -> None:
    ends = {"Run out.": types.FinishReason.MAX_TOKENS, "Be filtered.": types.FinishReason.SAFETY}
    for task, reason in ({**ends, "Refuse.": types.FinishReason.SAFETY}).items():
        pieces = ask(client, stream, model=matrix.model(at), contents=task)
        assert end(pieces) == reason, task
        assert said(pieces) == (model.DECLINED if task == "Refuse." else "Once upon a")
