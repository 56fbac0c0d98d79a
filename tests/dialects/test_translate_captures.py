"""What real clients send, said in the other dialect: nobody here wrote these requests."""

import json
from pathlib import Path
from typing import Any

import pytest
from cases import every
from translate_kit import MODELS, OTHER, judge_reply, judge_request, judge_stream, read_stream, run

from omniroute.dialects.translate import CODECS, translate_request
from omniroute.errors import BadRequest

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"
FORMATS = {"chat": "openai", "anthropic": "claude"}
BESIDE = {"reasoning_content", "reasoning_details"}


def captured() -> list[Path]:
    found = WIRE.glob("*/*.json")
    return sorted(path for path in found if path.name.endswith(("-messages.json", "-completions.json")))


def load(path: Path) -> tuple[str, dict[str, Any]]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return FORMATS[record["format"]], record["body"]


CAPTURED = captured()
ABSENT = f"NOT TESTED: there are no captured requests at {WIRE}"
needs_wire = pytest.mark.skipif(not WIRE.is_dir(), reason=ABSENT)


def test_there_is_something_to_test(capsys: pytest.CaptureFixture[str]) -> None:
    if not WIRE.is_dir():
        with capsys.disabled():
            print(f"\n{ABSENT}")
        pytest.skip(ABSENT)
    assert len(CAPTURED) > 60
    assert {load(path)[0] for path in CAPTURED} == {"openai", "claude"}


@needs_wire
@every("path", CAPTURED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_request_is_said_in_the_other_dialect(path: Path) -> None:
    client, body = load(path)
    upstream = OTHER[client]
    before = json.dumps(body)
    if "thread" in body:
        with pytest.raises(BadRequest) as refused:
            translate_request(client, upstream, body, model="m", stream=False, max_output=None)
        assert (refused.value.param, refused.value.code) == ("thread", "thread_unsupported_request")
        return
    streamed = bool(body.get("stream"))
    written = translate_request(client, upstream, body, model=MODELS[upstream], stream=streamed, max_output=None)
    assert json.dumps(body) == before
    judge_request(upstream, written.body)
    # Nothing that was said is missing, whatever it is said with.
    said = json.dumps(written.body, ensure_ascii=False)
    for text in texts(body):
        assert json.dumps(text, ensure_ascii=False)[1:-1].strip() in said or text.isspace()
    # And back: the same calls, results and tools.
    back = translate_request(upstream, client, written.body, model=body["model"], stream=streamed, max_output=None)
    assert back.names == {}
    asked, again = CODECS[client].read_request(body), CODECS[client].read_request(back.body)
    assert [tool.name for tool in again.tools] == [tool.name for tool in asked.tools]  # type: ignore[union-attr]
    assert [(c.id, c.name, json.loads(c.arguments)) for c in parts(again, "ToolCall")] == [
        (c.id, c.name, json.loads(c.arguments)) for c in parts(asked, "ToolCall")
    ]
    assert {r.call_id for r in parts(again, "ToolResult")} == {r.call_id for r in parts(asked, "ToolResult")}


def parts(request: Any, kind: str) -> list[Any]:
    return [part for message in request.messages for part in message.parts if type(part).__name__ == kind]


def texts(body: dict[str, Any]) -> list[str]:
    """Give all that is said in a request but for the thinking, which belongs to its own provider."""
    found: list[str] = []

    def visit(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            for item in value:
                visit(item["text"] if "text" in item else item.get("content", ""))

    for holder in [{"content": body.get("system", "")}, *body["messages"]]:
        visit(holder["content"])
    found += [tool.get("function", tool).get("description", "") for tool in body.get("tools", [])]
    return [text for text in found if text]


@needs_wire
@every("name", [p.name for p in sorted(WIRE.glob("answers/[ac]*.sse.txt"))])
def test_each_answer_is_said_in_the_other_dialect(name: str) -> None:
    upstream = "claude" if name.startswith("anthropic") else "openai"
    client = OTHER[upstream]
    wire = (WIRE / "answers" / name).read_bytes()
    said = run(client, upstream, [wire])
    judge_stream(client, said)
    got, asked = read_stream(client, said), read_stream(upstream, wire)
    assert got.parts == asked.parts
    assert (got.reason, got.usage.input, got.usage.output) == (asked.reason, asked.usage.input, asked.usage.output)
    assert got.usage.cache_read == asked.usage.cache_read
    judge_reply(client, CODECS[client].write_reply(got, model="m"))
