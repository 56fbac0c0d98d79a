"""What real clients of OpenAI Responses send, said in the other dialects: nobody here wrote these requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from cases import every
from responses_kit import MODELS, judge
from translate_kit import judge_reply, judge_request, judge_stream, read_stream, run

from omniroute.dialects.ir import ToolCall
from omniroute.dialects.translate import CODECS, translate_request
from omniroute.errors import BadRequest

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"
OTHERS = ["openai", "claude"]
SENT = {"chat": "openai", "anthropic": "claude"}
ABSENT = f"NOT TESTED: there are no captured requests at {WIRE}"
needs_wire = pytest.mark.skipif(not WIRE.is_dir(), reason=ABSENT)
LEFT_OUT = {"client_metadata", "prompt_cache_key", "text.verbosity", "reasoning.summary", "reasoning.context"}
LEFT_OUT |= {"tools.web_search", "tools.tool_search", "tools.format", "tools.namespace.description", "detail"}
"""What Codex and opencode say beside the conversation, which they can do without."""


def captured(*formats: str) -> list[Path]:
    # The records of a websocket hold more than a request: its messages have a type of their own.
    found = []
    for path in sorted(WIRE.glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.get("format") in formats and isinstance(record.get("body"), dict) and "type" not in record["body"]:
            found.append(path)
    return [path for path in found if not path.name.endswith(("models.json", "count_tokens.json"))]


def load(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["body"]
    return body


RESPONSES = [path for path in captured("responses") if "input" in load(path)]


def test_there_is_something_to_test(capsys: pytest.CaptureFixture[str]) -> None:
    if not WIRE.is_dir():
        with capsys.disabled():
            print(f"\n{ABSENT}")
        pytest.skip(ABSENT)
    assert len(RESPONSES) > 20


@needs_wire
@every("upstream", OTHERS)
@every("path", RESPONSES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_request_is_said_in_the_other_dialect(path: Path, upstream: str) -> None:
    body = load(path)
    before = json.dumps(body)
    if "previous_response_id" in body:
        with pytest.raises(BadRequest, match="send the whole conversation"):
            translate_request("responses", upstream, body, model="m", stream=False, max_output=None)
        return
    written = translate_request("responses", upstream, body, model=MODELS[upstream], stream=True, max_output=None)
    assert json.dumps(body) == before
    judge_request(upstream, written.body)
    lost = {name for name in written.dropped if not name.startswith("input.")}
    assert lost <= LEFT_OUT | {"input", "max_output_tokens", "store", "reasoning.effort"}, written.dropped
    assert {name for name in written.dropped if name.startswith("input.")} <= {"input.thinking", "input.reasoning"}
    # Nothing that was said is missing, whatever it is said with.
    all_said = json.dumps(written.body, ensure_ascii=False)
    for text in texts(body):
        assert json.dumps(text, ensure_ascii=False)[1:-1].strip() in all_said
    asked, again = CODECS["responses"].read_request(body), CODECS[upstream].read_request(written.body)
    assert [tool.name for tool in again.tools] == [tool.name for tool in asked.tools]  # type: ignore[union-attr]
    assert calls(again) == calls(asked)
    # And to a Responses upstream from there: the same conversation.
    back = translate_request(upstream, "responses", written.body, model="gpt-4o", stream=True, max_output=None)
    judge(back.body)
    assert calls(CODECS["responses"].read_request(back.body)) == calls(asked)


def calls(request: Any) -> list[Any]:
    parts = [part for message in request.messages for part in message.parts]
    return [(part.id, part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)]


def texts(body: dict[str, Any]) -> list[str]:
    """Give all that is said in a request but for the reasoning, which belongs to its own provider."""
    found = [body.get("instructions") or ""]

    def visit(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            for part in value:
                found.append(part.get("text", ""))

    if isinstance(body["input"], str):
        return [body["input"]]
    for item in body["input"]:
        visit(item.get("content"))
        visit(item.get("output"))
    return [text for text in found if text.strip()]


@needs_wire
@every("path", captured(*SENT), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_request_of_others_is_said_in_responses(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    client, body = SENT[record["format"]], record["body"]
    if "messages" not in body or "thread" in body:
        pytest.skip("no conversation, or one that its provider keeps")
    written = translate_request(client, "responses", body, model="gpt-5.1", stream=True, max_output=None)
    judge(written.body)
    asked, again = CODECS[client].read_request(body), CODECS["responses"].read_request(written.body)
    assert calls(again) == calls(asked)
    assert [tool.name for tool in again.tools] == [tool.name for tool in asked.tools]  # type: ignore[union-attr]


@needs_wire
@every("client", OTHERS)
@every("name", [p.name for p in sorted(WIRE.glob("answers/responses-*.sse.txt"))])
def test_each_answer_is_said_in_the_other_dialect(name: str, client: str) -> None:
    wire = (WIRE / "answers" / name).read_bytes()
    said = run(client, "responses", [wire])
    judge_stream(client, said)
    got, asked = read_stream(client, said), read_stream("responses", wire)
    assert got.parts == asked.parts
    assert (got.reason, got.usage) == (asked.reason, got.usage)
    assert (got.usage.input, got.usage.output, got.usage.cache_read, got.usage.reasoning) == (
        *(asked.usage.input, asked.usage.output, asked.usage.cache_read, asked.usage.reasoning),
    )
    assert all(run(client, "responses", [wire[:i], wire[i:]]) == said for i in range(0, len(wire), 97))


@needs_wire
@every("name", [p.name for p in sorted(WIRE.glob("answers/[ac]*.sse.txt"))])
def test_each_answer_of_others_is_said_in_responses(name: str) -> None:
    upstream = "claude" if name.startswith("anthropic") else "openai"
    wire = (WIRE / "answers" / name).read_bytes()
    said = run("responses", upstream, [wire])
    judge_stream("responses", said)
    got, asked = read_stream("responses", said), read_stream(upstream, wire)
    assert got.parts == asked.parts
    assert (got.reason, got.usage.input, got.usage.output) == (asked.reason, asked.usage.input, asked.usage.output)
    judge_reply("responses", CODECS["responses"].write_reply(got, model="m"))
