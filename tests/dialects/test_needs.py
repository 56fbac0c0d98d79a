"""What a request asks of a model, in each client's words."""

import json
from pathlib import Path

import pytest
from cases import every

from omniroute.dialects.requirements import USUAL_OUTPUT, Needs

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}

PICTURES = {
    "openai": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
    "responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]},
    "responses, of a tool": {"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]},
    "claude": {"messages": [{"role": "user", "content": [PNG]}]},
    "claude, of a tool": {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [PNG]}]}]},
    "gemini": {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]},
    "gemini, in snake case": {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png"}}]}]},
    "gemini, a file": {"contents": [{"parts": [{"fileData": {"mimeType": "image/jpeg", "fileUri": "x"}}]}]},
}
NONE = {
    "text": {"messages": [{"role": "user", "content": "a picture of image_url"}]},
    "arguments that speak of one": {
        "messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "image_url"}}]}]
    },
    "a tool that takes one": {"tools": [{"parameters": {"properties": {"x": {"type": "image"}}}}], "messages": []},
    "a document": {"contents": [{"parts": [{"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}]}]},
    "kinds that are no text": {"messages": [{"type": []}, {"content": [{"type": {}, "inlineData": {"mimeType": []}}]}]},
    "odd shapes": {"messages": {"content": 3}, "input": "image", "contents": [None, [[]], {"parts": "x"}]},
}


@every("body", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_seen(body) -> None:
    assert Needs(body).images


@every("body", NONE.values(), ids=NONE)
def test_what_is_no_picture(body) -> None:
    assert not Needs(body).images


@every(
    ("body", "output"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_output_tokens": 7}, 7),
        ({"generationConfig": {"maxOutputTokens": 8}}, 8),
        ({"generation_config": {"max_output_tokens": 9}}, 9),
        ({"max_tokens": True}, USUAL_OUTPUT),
        ({"max_tokens": "5", "generationConfig": 3}, USUAL_OUTPUT),
        ({}, USUAL_OUTPUT),
    ],
)
def test_how_much_may_be_answered(body, output) -> None:
    assert Needs(body).output == output


def test_tools_and_tokens() -> None:
    assert Needs({"tools": [{}]}).tools
    assert Needs({"functions": [{}]}).tools
    assert not Needs({"tools": []}).tools
    assert Needs({"messages": [{"role": "user", "content": "word " * 100}], "metadata": "x" * 9999}).input < 200


def test_pictures_of_real_clients_are_seen() -> None:
    wire = Path(__file__).parents[3] / "shared" / "wire"
    if not wire.is_dir():
        pytest.skip("NO CAPTURES: ../shared/wire is absent")
    for folder in ("claude-code-opus-image", "codex-image", "gemini-cli-image", "opencode-image"):
        files = sorted(path for path in wire.rglob("*.json") if path.parent.name.startswith(folder))
        seen = [
            Needs(body).images for path in files if isinstance(body := json.loads(path.read_text()).get("body"), dict)
        ]
        assert any(seen), folder
        assert not all(seen), folder
