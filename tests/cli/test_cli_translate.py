"""translate: any dialect into any, as the gateway does it, and one line for whatever it cannot read."""

import json
from pathlib import Path
from typing import Any

import pytest
from cases import every
from stand_ins import Ctl

WIRE = Path(__file__).parents[1] / "wire"
DIALECTS = ("openai", "responses", "claude", "gemini")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "seed": 4}
BODIES: dict[str, Any] = {
    "openai": CHAT,
    "responses": {"model": "m", "input": "hi"},
    "claude": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
KEYS = {"openai": "messages", "responses": "input", "claude": "messages", "gemini": "contents"}
WHOLES = {dialect: (WIRE / f"{dialect}-whole.json").read_text("utf-8") for dialect in DIALECTS}
STREAMS = {
    "openai": "openai-thinking-tools.sse",
    "responses": "responses-thinking-text-tool.sse",
    "claude": "claude-thinking-tools.sse",
    "gemini": "gemini-thinking-text-tool.sse",
}
STREAM = (WIRE / STREAMS["claude"]).read_text("utf-8")
PAIRS = [(source, target) for source in DIALECTS for target in DIALECTS]


def ways(source: str, target: str) -> tuple[str, ...]:
    return "translate", "--from", source, "--to", target


@every(("source", "target"), PAIRS)
def test_a_request(ctl: Ctl, data_dir: Path, source: str, target: str) -> None:
    given = json.dumps(BODIES[source])
    result = ctl(*ways(source, target), "--model", "m", input=given)
    assert KEYS[target] in json.loads(result.stdout)
    if source == target:
        assert result.stdout == given + "\n"
    assert (result.stderr == "dropped: seed\n") is ((source, target) in {("openai", "claude"), ("openai", "responses")})
    assert not data_dir.exists()


@every(("source", "target"), PAIRS)
def test_a_whole_answer(ctl: Ctl, as_json, source: str, target: str) -> None:
    said = json.loads(ctl(*ways(source, target), "--reply", "--model", "m", input=WHOLES[source]).stdout)
    key = {"openai": "choices", "responses": "output", "claude": "content", "gemini": "candidates"}[target]
    assert said[key]
    assert as_json(*ways(source, target), "--reply", input=WHOLES[source])["usage"]["output"] > 0


@every(("source", "target"), PAIRS)
def test_a_streamed_answer(ctl: Ctl, as_json, source: str, target: str) -> None:
    given = (WIRE / STREAMS[source]).read_bytes().decode()
    said = ctl(*ways(source, target), "--stream", input=given).stdout
    end = {"openai": "[DONE]", "responses": "response.completed", "claude": "message_stop", "gemini": "finishReason"}
    assert end[target] in said
    if source == target != "gemini":  # whose clients take no comments
        assert said == given
    found = as_json(*ways(source, target), "--stream", input=given)
    assert end[target] in found["stream"]
    assert found["usage"]["output"] > 0


def test_an_array_of_gemini_is_a_stream_too(ctl: Ctl) -> None:
    given = (WIRE / "gemini-thinking-text-tool.array.json").read_text("utf-8")
    said = ctl(*ways("gemini", "openai"), "--stream", input=given).stdout
    assert said.startswith("data: ")
    assert said.endswith("data: [DONE]\n\n")


def test_a_file_and_what_was_lost_as_json(as_json, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps(CHAT), encoding="utf-8")
    found = as_json(*ways("openai", "claude"), "--model", "claude-opus-5", str(file))
    assert found["body"]["model"] == "claude-opus-5"
    assert found["dropped"] == ["seed"]


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_gives_tools_the_names_that_the_client_gave(ctl: Ctl, tmp_path: Path, streamed: bool) -> None:
    asked = tmp_path / "asked.json"
    tool = {"type": "custom", "name": "apply_patch"}
    asked.write_text(json.dumps({"model": "m", "input": "hi", "tools": [tool]}), encoding="utf-8")
    call = {"id": "call_1", "type": "function", "function": {"name": "apply_patch", "arguments": '{"input":"*** x"}'}}
    choice: dict[str, Any] = {"index": 0, "finish_reason": "tool_calls"}
    if streamed:
        chunk = {"id": "c", "choices": [choice | {"delta": {"tool_calls": [{"index": 0} | call]}}]}
        given = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
    else:
        given = json.dumps({"id": "c", "choices": [choice | {"message": {"content": None, "tool_calls": [call]}}]})
    words = (*ways("openai", "responses"), "--stream" if streamed else "--reply")
    assert "custom_tool_call" in ctl(*words, "--asked", str(asked), input=given).stdout
    assert "custom_tool_call" not in ctl(*words, input=given).stdout


@pytest.mark.parametrize(
    ("status", "said", "word"),
    [(429, 429, "RESOURCE_EXHAUSTED"), (400, 400, "INVALID_ARGUMENT"), (401, 502, "UNAVAILABLE")],
)
def test_a_refusal(ctl: Ctl, as_json, status: int, said: int, word: str) -> None:
    given = json.dumps({"type": "error", "error": {"type": "some_error", "message": "too much of it"}})
    words = (*ways("claude", "gemini"), "--error", str(status))
    found = as_json(*words, input=given)
    assert (found["status"], found["body"]["error"]["status"]) == (said, word)
    result = ctl(*words, input=given)
    assert "too much of it" in json.loads(result.stdout)["error"]["message"]
    assert result.stderr == f"status: {said}\n"


def test_a_refused_request_names_the_field(refused) -> None:
    block = [{"type": "text", "text": "a"}, {"type": "picture"}]
    turns = [{"role": "user", "content": "a"}] * 3 + [{"role": "user", "content": block}]
    line = refused(*ways("openai", "claude"), input=json.dumps({"model": "m", "messages": turns}))
    assert line.startswith("Error: messages[3].content[1].type must be ")


@every(
    ("given", "why"),
    [
        ("", "the request is empty"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("[" * 5000, "not JSON"),
        ('{"model": 7, "messages": []}', "model must be a string"),
        ('{"model": "m"}', "messages is missing"),
        (json.dumps(BODIES["responses"]), "messages is missing"),
        ("\x00\x01\x7f binary \xff", "not JSON"),
    ],
)
def test_a_request_that_is_none(refused, given: str, why: str) -> None:
    assert why in refused(*ways("openai", "claude"), input=given)


@every("given", ["", "{", "[]", "null", '{"choices": []}', "<html>", "\x00" * 99, WHOLES["claude"]])
def test_an_answer_that_is_none(refused, given: str) -> None:
    assert "no answer: " in refused(*ways("openai", "claude"), "--reply", input=given)
    assert "no answer: " in refused(*ways("openai", "claude"), "--stream", input=given)


@every("at", range(0, len(STREAM), 97))
def test_a_stream_that_is_cut_ends_as_it_would_for_a_client(ctl: Ctl, at: int) -> None:
    result = ctl(*ways("claude", "openai"), "--stream", code=1, input=STREAM[:at])
    begun = "the answer broke off" in result.stderr
    assert result.stderr.count("\n") == 1
    assert ('"error":{"message"' in result.stdout) is begun
    assert result.stdout.endswith("data: [DONE]\n\n" if begun else "")
    assert begun or "no answer: " in result.stderr


def test_an_error_in_a_stream_is_what_is_said_of_it(ctl: Ctl) -> None:
    fault = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"too busy"}}\n\n'
    given = STREAM[: STREAM.index("event: message_delta")] + fault
    result = ctl(*ways("claude", "gemini"), "--stream", "--json", code=1, input=given)
    assert '"status":"UNAVAILABLE"' in json.loads(result.stdout)["stream"]
    assert json.loads(result.stderr) == {"error": "the answer broke off: too busy"}


def test_what_is_too_large_is_not_read_to_its_end(refused) -> None:
    assert "is over 33554432 bytes" in refused(*ways("openai", "claude"), "/dev/zero")


def test_what_never_becomes_an_answer_is_given_up(refused) -> None:
    assert "no answer" in refused(*ways("openai", "claude"), "--stream", "/dev/zero")


def test_what_is_nested_deeply_is_printed(ctl: Ctl) -> None:
    given = json.dumps(CHAT)[:-1] + ', "x": ' + "[" * 990 + "]" * 990 + "}"
    assert ctl(*ways("openai", "openai"), input=given).stdout == given + "\n"


@every(
    ("words", "why"),
    [
        (("--from", "openai"), "--to"),
        (("--from", "klingon", "--to", "claude"), "there is no dialect 'klingon'"),
        ((*ways("openai", "claude")[1:], "--reply", "--stream"), "choose one"),
        ((*ways("openai", "claude")[1:], "--error", "200"), "--error"),
        ((*ways("openai", "claude")[1:], "--asked", __file__), "--asked belongs to"),
        ((*ways("gemini", "claude")[1:],), "say --model NAME"),
        ((*ways("openai", "claude")[1:], "/nowhere/at/all"), "No such file"),
        ((*ways("openai", "claude")[1:], str(WIRE)), "Is a directory"),
    ],
)
def test_wrong_usage(refused, words: tuple[str, ...], why: str) -> None:
    assert why in refused("translate", *words, code=2, input=json.dumps(BODIES["gemini"]))


def test_names_that_other_tools_give_dialects(ctl: Ctl) -> None:
    assert "max_tokens" in ctl(*ways("openai-chat", "anthropic"), input=json.dumps(CHAT)).stdout
