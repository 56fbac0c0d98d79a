"""Texts of upstreams end up in logs, terminals and the panel: they are cut, and hold nothing that commands these."""

import unicodedata
from typing import Any

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.dialects.hub import Stream, read_whole
from omniroute.dialects.ir import Fault
from omniroute.dialects.json_edit import dump
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.upstream_errors import MAX_MESSAGE, find, one_line, read_error

NASTY = "no \x1b[31mroom\x1b[0m \x1b]0;owned\x07left\x00\x08 \x9b2J\u202efor\u2066 you\r\nx-a: b"
CLEAN = "no room left for you x-a: b"


def is_plain(text: str) -> bool:
    return not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)


@given(st.text(st.characters(), max_size=300))
def test_a_line_holds_no_control_characters(text: str) -> None:
    line = one_line(text)
    assert is_plain(line)
    assert one_line(line) == line
    line.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=300))
def test_what_is_printable_stays(text: str) -> None:
    assert one_line(text) == text


def test_commands_to_a_terminal_go_with_what_belongs_to_them() -> None:
    assert one_line(NASTY) == CLEAN
    assert one_line("\x1b[1" + "0" * 5000 + "mx") == "x"
    assert len(one_line("\x1b[31m" * 100_000 + "x" * 100_000)) <= MAX_MESSAGE


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_errors_are_plain_in_every_field(dialect: str) -> None:
    for body in (
        {"error": {"message": NASTY, "type": NASTY, "code": NASTY, "status": NASTY}},
        {"error": NASTY, "message": NASTY},
        {"detail": [{"loc": [NASTY], "msg": NASTY}]},
        {"error": {"message": "x", "metadata": {"raw": NASTY}}},
    ):
        for status in (200, 429, 500):
            fault = DIALECTS[dialect].read_error(status, dump(body))
            assert all(is_plain(text) for text in (fault.kind, fault.message, fault.code or ""))
    fault = read_error(500, NASTY.encode())
    assert fault.message == CLEAN


STREAMED: dict[str, list[Any]] = {
    "openai": [{"error": {"message": NASTY, "code": NASTY}}, {"choices": [{"delta": {}, "finish_reason": "error"}]}],
    "claude": [{"type": "error", "error": {"type": NASTY, "message": NASTY}}],
    "responses": [
        {"type": "error", "message": NASTY, "code": NASTY},
        {"type": "response.failed", "response": {"status": NASTY}},
        {"type": "response.failed", "response": {"status": "x" * 100_000}},
        {"type": "response.failed", "response": {"error": {"message": NASTY, "code": NASTY}}},
    ],
    "gemini": [
        {"error": {"message": NASTY, "status": NASTY}},
        {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": NASTY}]},
    ],
}


@every("client", sorted(DIALECTS))
@every("upstream", sorted(DIALECTS))
def test_faults_of_streams_and_whole_replies_are_plain(client: str, upstream: str) -> None:
    for event in [*STREAMED[upstream], [NASTY], {NASTY: NASTY}]:
        stream = Stream(client, upstream, model="m")
        stream.feed(b"data: " + dump(event) + b"\n\n")
        stream.finish()
        faults = [stream.fault, read_whole(client, upstream, dump(event), model="m").fault]
        for fault in filter(None, faults):
            assert is_plain(fault.message)
            assert len(fault.message) <= MAX_MESSAGE
            assert is_plain(fault.kind)
    stream = Stream(client, upstream, model="m")
    stream.feed(b"data: {" + NASTY.encode() + b"\n\n")
    assert stream.fault is not None
    assert is_plain(stream.fault.message)


def test_a_kind_of_control_characters_alone_is_an_error_all_the_same() -> None:
    assert find({"error": {"message": "m", "type": "\x00\x1b"}}) == Fault("error", "m")
