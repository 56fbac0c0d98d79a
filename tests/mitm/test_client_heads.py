"""Heads and framing of HTTP/1 clients: bounds, strictness, the deadline of a head, one clean end."""

import json
from collections.abc import Iterator

import pytest
from cases import every
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mitmproxy.connection import ConnectionState
from playbook import Play
from scripted_desk import ScriptedDesk
from test_http1_syntax import BAD, BAD_CHUNKS
from upstream_bytes import ASK, HEAD, ROLE, TEXT, WHOLE, Answer, answer, answers, chunk, good

from omniroute.config.server_limits import ServerLimits
from omniroute.mitm.http1_server import LINGER_BYTES, LINGER_SECONDS

CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n"
CONTENT = b'2;a=b\r\n{"\r\n3\r\n":1\r\n1\r\n}\r\n'
TRAILED = CHUNKED + CONTENT + b"0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"
PATHS = [b"/v1/chat/completions", b"/v1/messages", b"/v1beta/models/a:generateContent", b"/nothing/here"]


def stage(**limits: float) -> Play:
    made = ScriptedDesk(["one", "two"], stream=False)
    made.server_limits = ServerLimits(**limits)  # type: ignore[arg-type]
    return Play(made)


def check_refused(play: Play, status: int, reason: str) -> Answer:
    """One whole answer, after which nothing is read or sent any more."""
    reply = answer(play.answered)
    assert reply.status == status, reply
    assert reply.headers["connection"] == "close"
    assert json.loads(reply.body)["error"]["message"]
    assert play.desk.protocol_errors == {reason: 1}
    assert not play.dials
    assert play.client.state & ConnectionState.CAN_WRITE == ConnectionState.CLOSED
    said = play.answered
    play.ask(ASK)
    assert play.answered == said
    play.hang_up()
    assert play.left
    assert not play.leaks()
    return reply


def pieces(data: bytes) -> Iterator[list[bytes]]:
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))
    yield [data[at : at + 1] for at in range(len(data))]


@every("name", BAD)
def test_a_head_that_is_not_valid_is_refused_before_any_hook(name: str) -> None:
    for each in pieces(BAD[name]):
        play = stage()
        for piece in each:
            play.ask(piece)
        assert not play.hooks
        check_refused(play, 400, "head_syntax")


@pytest.mark.parametrize("path", PATHS)
def test_a_refusal_in_the_dialect_of_the_path(path: bytes) -> None:
    play = stage()
    play.ask(b"POST " + path + b" HTTP/1.1\r\nx : 1\r\n\r\n")
    body = json.loads(check_refused(play, 400, "head_syntax").body)
    assert "colon" in body["error"]["message"]
    assert ("type" in body) == (path == b"/v1/messages")
    assert ("status" in body["error"]) == (b":generate" in path)


@pytest.mark.parametrize(
    ("piece", "times", "reason"),
    [
        (b"a" * 65535, 300, "head_size"),
        (b"x: 1\r\n" * 10_000, 20, "head_lines"),
        (b"x: 1\r\n", 200, "head_lines"),
        (b"\x00" * 65535, 10, "head_size"),
    ],
)
def test_a_head_without_end(piece: bytes, times: int, reason: str) -> None:
    play = stage()
    play.ask(b"POST /v1/messages HTTP/1.1\r\nx: ")
    most = 0
    for _ in range(times):
        play.ask(piece)
        most = max(most, len(play.layer.connections[play.client].buf))  # type: ignore[attr-defined]
    assert most <= 65536
    assert not play.hooks
    check_refused(play, 431, reason)


def test_the_bounds_are_settings_that_act_at_once() -> None:
    play = stage(header_bytes=100, header_lines=2)
    play.ask(ASK)
    play.open().say(good(False))
    assert answer(play.answered).status == 200
    play.desk.server_limits = ServerLimits(header_lines=1)
    play.ask(ASK)
    assert [reply.status for reply in answers(play.answered, 2)] == [200, 431]


def test_empty_lines_before_a_request() -> None:
    for lines in (b"\r\n", b"\n", b"\r\n\r\n\n"):
        for each in pieces(lines + ASK):
            play = stage()
            for piece in each:
                play.ask(piece)
            play.open().say(good(False))
            assert answer(play.answered).status == 200
    play = stage()
    play.ask(b"\r\n" * 40)
    check_refused(play, 400, "head_syntax")


@every("name", BAD_CHUNKS)
def test_bad_chunks_are_refused(name: str) -> None:
    for body in ([BAD_CHUNKS[name]], [CONTENT, BAD_CHUNKS[name]]):
        play = stage(header_bytes=200, header_lines=5)
        play.desk.max_body = 100_000
        play.ask(CHUNKED)
        for piece in body:
            play.ask(piece)
        assert play.fired["request"] == 0
        assert (play.fired["requestheaders"], play.fired["error"]) == (1, 1)
        status = 431 if name in ("many trailers", "a long trailer") else 400
        check_refused(play, status, "head_size" if status == 431 else "chunk_syntax")


def test_trailers_are_dropped_however_the_request_is_cut() -> None:
    for each in pieces(TRAILED):
        play = stage()
        for piece in each:
            play.ask(piece)
        heard = play.open().say(good(False)).heard
        assert heard.endswith(b'\r\n\r\n{"":1}')
        assert b"x-a" not in heard
        assert answer(play.answered).body == WHOLE
        play.ask(ASK)
        assert play.fired["request"] == 2


def test_small_chunks_of_one_read_are_one_event() -> None:
    play = stage()
    play.ask(CHUNKED)
    play.ask(b"1\r\n1\r\n" * 900 + b"0\r\n\r\n")
    assert play.open().say(good(False)).heard.endswith(b"1" * 900)


def test_a_client_that_leaves_in_the_middle_of_a_chunked_body() -> None:
    for at in range(len(CHUNKED) + 1, len(TRAILED)):
        play = stage()
        play.ask(TRAILED[:at])
        play.hang_up()
        assert not play.answered
        assert play.left
        assert (play.fired["request"], play.fired["error"]) == (0, 1)
        assert not play.leaks()


def test_a_head_that_does_not_end_in_time() -> None:
    play = stage(header_timeout=10.0)
    play.ask(ASK[:30])
    play.pass_time(9)
    play.ask(ASK[30:50])
    assert not play.answered
    play.pass_time(1)
    check_refused(play, 408, "head_timeout")


def test_the_deadline_begins_with_each_head() -> None:
    play = stage(header_timeout=10.0)
    play.ask(ASK[:30])
    play.pass_time(6)
    play.ask(ASK[30:])
    one = play.open().say(good(False))
    for _ in range(5):
        play.pass_time(6)
        play.ask(ASK[:30])
        assert len(play.wakeups) <= 2
        play.pass_time(9)
        play.ask(ASK[30:])
        one.say(good(False))
    play.pass_time(100)
    assert not play.left
    play.ask(ASK[:30])
    play.pass_time(10)
    assert [reply.status for reply in answers(play.answered, 7)] == [200] * 6 + [408]


def test_a_slow_body_has_no_deadline_of_the_head() -> None:
    play = stage(header_timeout=10.0, body_min_rate=0)
    play.ask(CHUNKED[:9])
    play.ask(CHUNKED[9:])
    play.pass_time(100)
    assert not play.answered
    assert not play.left


def test_the_drain_of_a_refused_client_is_bounded() -> None:
    play = stage()
    play.ask(BAD["NUL"])
    play.pass_time(LINGER_SECONDS - 1)
    assert not play.left
    play.pass_time(1)
    assert play.left
    play = stage()
    play.ask(BAD["NUL"])
    piece = b"x" * (1 << 20)
    for _ in range(LINGER_BYTES >> 20):
        play.ask(piece)
    assert not play.left
    play.ask(b"x")
    assert play.left
    assert not play.leaks()


def test_requests_behind_the_current_one_are_bounded() -> None:
    play = stage(header_bytes=1000)
    play.ask(ASK)
    for _ in range(100):
        play.ask(b"x" * 1000)
    assert len(play.layer.connections[play.client].buf) <= 1000  # type: ignore[attr-defined]
    play.open().say(good(False))
    assert answer(play.answered).status == 200
    assert play.left
    assert not play.leaks()


def test_a_second_request_behind_the_current_one_is_answered() -> None:
    play = stage()
    play.ask(ASK + ASK)
    one = play.open()
    one.say(good(False))
    one.say(good(False))
    assert len(answers(play.answered, 2)) == 2


def test_lengths_that_contradict_each_other() -> None:
    play = stage()
    play.ask(ASK.replace(b"\r\n\r\n", b"\r\ncontent-length: 3\r\n\r\n"))
    assert answer(play.answered).status == 400
    assert json.loads(answer(play.answered).body)["error"]["message"]


@given(st.sampled_from([ASK, TRAILED, ASK + TRAILED]), st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=4))))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_requests_have_a_clean_end(raw: bytes, changes: list[tuple[int, bytes]]) -> None:
    for at, junk in changes:
        at %= len(raw)
        raw = raw[:at] + junk + raw[at + len(junk) :]
    play = stage()
    for at in range(0, len(raw), 7):
        play.ask(raw[at : at + 7])
    while play.dials:
        play.open().say(good(False).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
    play.pass_time(1000)
    play.end()
    assert "internal" not in play.desk.protocol_errors
    assert not play.leaks()
    for fired in play.flows.values():
        assert fired["response"] + fired["error"] == 1, fired


def test_an_exception_before_the_response_is_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    play = stage()
    monkeypatch.setattr(play.desk, "attempt", lambda flow: 1 / 0)
    play.ask(ASK)
    reply = answer(play.answered)
    assert reply.status == 500
    assert "gateway failed" in json.loads(reply.body)["error"]["message"]
    assert play.fired["error"] == 1
    play.hang_up()
    assert play.left
    assert not play.leaks()


def test_an_exception_after_the_head_ends_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ScriptedDesk(["one"], stream=True)
    play = Play(made)
    play.ask(ASK)
    one = play.open().say(HEAD, chunk(ROLE + TEXT))
    attempt = made.told[0].attempts[0]
    assert attempt.stream
    monkeypatch.setattr(type(attempt.stream), "feed", lambda self, data: 1 / 0)
    one.say(chunk(TEXT))
    assert play.left
    assert one.closed
    assert play.fired["error"] == 1
    assert not play.leaks()


def test_an_exception_of_the_connection_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    play = stage()
    monkeypatch.setattr(play.layer.connections[play.client], "state", lambda event: 1 / 0)
    play.ask(ASK)
    assert play.left
    assert play.desk.protocol_errors == {"internal": 1}
