"""What real clients send, from Gemini and to it: nobody here wrote these requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from cases import every
from gemini_kit import judge
from translate_kit import MODELS, judge_reply, judge_request, judge_stream, read_stream, run

from omniroute.dialects.ir import Text, ToolCall, ToolName, ToolResult
from omniroute.dialects.translate import CODECS, translate_request
from omniroute.errors import BadRequest

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"
FORMATS = {"chat": "openai", "anthropic": "claude", "gemini": "gemini"}
ENDINGS = ("-messages.json", "-completions.json", "generatecontent.json")
ABSENT = f"NOT TESTED: there are no captured requests at {WIRE}"
needs_wire = pytest.mark.skipif(not WIRE.is_dir(), reason=ABSENT)
CAPTURED = sorted(path for path in WIRE.glob("*/*.json") if path.name.endswith(ENDINGS))


def load(path: Path) -> tuple[str, dict[str, Any]]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return FORMATS[record["format"]], record["body"]


OF_GEMINI = [path for path in CAPTURED if load(path)[0] == "gemini"]
OF_OTHERS = [path for path in CAPTURED if load(path)[0] != "gemini"]


def test_there_is_something_from_gemini_to_test(capsys: pytest.CaptureFixture[str]) -> None:
    if not WIRE.is_dir():
        with capsys.disabled():
            print(f"\n{ABSENT}")
        pytest.skip(ABSENT)
    assert len(OF_GEMINI) > 25
    assert len(OF_OTHERS) > 60


def parts(dialect: str, body: dict[str, Any], kind: type) -> list[Any]:
    return [
        part for message in CODECS[dialect].read_request(body).messages for part in message.parts if type(part) is kind
    ]


def called(dialect: str, body: dict[str, Any]) -> list[Any]:
    return [(call.name, json.loads(call.arguments)) for call in parts(dialect, body, ToolCall)]


def answered(dialect: str, body: dict[str, Any]) -> list[str]:
    """Give the text of each result together with the name of the call that it belongs to."""
    names = {call.id: call.name for call in parts(dialect, body, ToolCall)}
    results = parts(dialect, body, ToolResult)
    assert all(result.call_id in names for result in results)
    # Results stand in the order of their calls, and the name of a tool is text to who has no tools to search for.
    return sorted(f"{names[result.call_id]}: " + "\n\n".join(texts(result)) for result in results)


def texts(result: ToolResult) -> list[str]:
    return [
        part.text if isinstance(part, Text) else part.name for part in result.parts if isinstance(part, Text | ToolName)
    ]


def said(dialect: str, body: dict[str, Any]) -> list[str]:
    return [part.text.strip() for part in parts(dialect, body, Text) if part.text.strip()]


def id_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@needs_wire
@every("upstream", ["openai", "claude"])
@every("path", OF_GEMINI, ids=id_of)
def test_each_request_of_gemini_is_said_in_the_others(path: Path, upstream: str) -> None:
    _, body = load(path)
    before = json.dumps(body)
    there = translate_request("gemini", upstream, body, model=MODELS[upstream], stream=True, max_output=None)
    assert json.dumps(body) == before
    judge_request(upstream, there.body)
    wire = json.dumps(there.body, ensure_ascii=False)
    for text in said("gemini", body):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in wire
    back = translate_request(upstream, "gemini", there.body, model="gemini-2.5-pro", stream=True, max_output=None)
    judge(back.body)
    assert called("gemini", back.body) == called("gemini", body)
    assert answered("gemini", back.body) == answered("gemini", body)
    assert list(functions(back.body)) == list(functions(body))
    again = translate_request("gemini", upstream, body, model=MODELS[upstream], stream=True, max_output=None)
    assert again == there


def functions(body: dict[str, Any]) -> Any:
    return [function["name"] for tool in body.get("tools", []) for function in tool.get("functionDeclarations", [])]


@needs_wire
@every("model", ["gemini-2.5-pro", "gemini-3-pro-preview"])
@every("path", OF_OTHERS, ids=id_of)
def test_each_request_of_the_others_is_said_in_gemini(path: Path, model: str) -> None:
    client, body = load(path)
    if "thread" in body:
        with pytest.raises(BadRequest):
            translate_request(client, "gemini", body, model=model, stream=True, max_output=None)
        return
    there = translate_request(client, "gemini", body, model=model, stream=True, max_output=None)
    judge(there.body)
    wire = json.dumps(there.body, ensure_ascii=False)
    for text in said(client, body):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in wire
    back = translate_request("gemini", client, there.body, model=body["model"], stream=True, max_output=None)
    judge_request(client, back.body)
    assert called(client, back.body) == called(client, body)
    assert answered(client, back.body) == answered(client, body)


@needs_wire
@every("client", ["openai", "claude", "gemini"])
@every("name", [p.name for p in sorted(WIRE.glob("answers/[acg]*.sse.txt"))])
def test_each_answer_is_said_from_and_to_gemini(name: str, client: str) -> None:
    upstream = {"anthropic": "claude", "chat": "openai", "gemini": "gemini"}[name.partition("-")[0]]
    if "gemini" not in (client, upstream) or client == upstream:
        return
    wire = (WIRE / "answers" / name).read_bytes()
    out = run(client, upstream, [wire])
    judge_stream(client, out)
    got, asked = read_stream(client, out), read_stream(upstream, wire)
    assert [meaning(part) for part in got.parts] == [meaning(part) for part in asked.parts]
    assert (got.reason, got.usage.input, got.usage.output) == (asked.reason, asked.usage.input, asked.usage.output)
    assert (got.usage.cache_read or 0) == (asked.usage.cache_read or 0)
    judge_reply(client, CODECS[client].write_reply(got, model="m"))


def meaning(part: Any) -> Any:
    return (part.id, part.name, json.loads(part.arguments)) if isinstance(part, ToolCall) else part
