"""Who pastes something need not know what it is."""

import json
from pathlib import Path

from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.detect import Detection, detect_dialect

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = json.loads((ROOT / "web/samples.json").read_text("utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["messages", "content", "type", "error", "code", "status", "choices", "tools", "role", "input", "model"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@every("sample", SAMPLES, ids=lambda each: f"{each['dialect']}-{each['title']}")
def test_every_sample_of_the_playground_is_known(sample) -> None:
    text = sample["text"] if "text" in sample else json.dumps(sample["body"])
    found = detect_dialect(text.encode())
    assert found
    assert found.kind == sample["kind"]
    # A refusal looks the same in both of OpenAI's dialects.
    told = "openai" if sample["kind"] == "error" and sample["dialect"] == "responses" else sample["dialect"]
    assert found.dialect == told


@every("path", sorted((ROOT / "tests/wire").iterdir()), ids=lambda path: path.name)
def test_every_sample_of_the_wire_is_known(path: Path) -> None:
    found = detect_dialect(path.read_bytes())
    assert found
    assert found.dialect == path.name.partition("-")[0]
    assert found.kind == ("reply" if path.name.endswith("-whole.json") else "stream")


SAID = [{"role": "user", "content": "hi"}]


@every(
    ("body", "dialect"),
    [
        ({"messages": SAID}, "openai"),
        ({"messages": SAID, "max_tokens": 5}, "openai"),
        ({"messages": [{"role": "system", "content": "x"}, *SAID], "top_k": 3}, "openai"),
        ({"messages": SAID, "thinking": {"type": "enabled"}, "stream_options": {}}, "openai"),
        ({"messages": SAID, "system": "x"}, "claude"),
        ({"messages": SAID, "tools": [{"name": "t", "input_schema": {}}]}, "claude"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "cache_control": {}}]}]}, "claude"),
        ({"model": "m", "input": "hi"}, "responses"),
        ({"contents": []}, "gemini"),
    ],
)
def test_requests_are_told_apart_by_what_one_alone_says(body, dialect) -> None:
    assert detect_dialect(json.dumps(body).encode()) == Detection("request", dialect)


@every("raw", [b"", b"hello", b"{", b"{}", b"[]", b"null", b"[1]", b"data: [DONE]\n\n", b"\xff", b"[" * 100000])
def test_what_is_nothing_is_nothing(raw: bytes) -> None:
    assert detect_dialect(raw) is None


@given(JSON)
def test_nothing_makes_it_stumble(value) -> None:
    detect_dialect(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_no_bytes_make_it_stumble(raw: bytes) -> None:
    detect_dialect(b"data: " + raw + b"\n\n")
