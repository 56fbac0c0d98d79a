"""Reply heads of upstreams: what must not be passed on is a failure of the target, and the next one is asked."""

import pytest
from cases import every
from h2_sides import H2Upstream
from hypothesis import given, settings
from hypothesis import strategies as st
from playbook import Play
from scripted_desk import ScriptedDesk
from test_http1_syntax import BAD_REPLIES
from upstream_bytes import ASK, HEAD, LAST, SAID, WHOLE, answer, chunk, good

HEADS = {
    **BAD_REPLIES,
    "a long line": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000,
    "many lines": b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * 1001,
    "not HTTP": b"SSH-2.0-box\r\n\r\n",
    "interim responses": b"HTTP/1.1 103 Early\r\n\r\n" * 17,
    "a long interim response": b"HTTP/1.1 103 Early\r\nx: " + b"a" * 300_000,
    "a bad interim response": b"HTTP/1.1 103 Early\r\nx: a\rb\r\n\r\n",
}


@every("stream", [False, True])
@every("name", HEADS)
def test_a_head_that_is_refused_is_hidden_by_the_next_target(name: str, stream: bool) -> None:
    head = HEADS[name]
    size = 1 if len(head) < 200 else 60_000
    play = Play(ScriptedDesk(["one", "two"], stream=stream))
    play.ask(ASK)
    one = play.open()
    for at in range(0, len(head), size):
        one.say(head[at : at + size])
    assert one.closed
    assert play.desk.told[0].failures == ["garbage"]
    play.open().say(good(stream))
    reply = answer(play.answered)
    assert (reply.status, reply.headers["route"]) == (200, "two")
    assert reply.body == (SAID if stream else WHOLE)
    assert not play.leaks()


@pytest.mark.parametrize("stream", [False, True])
def test_trailers_of_a_reply_are_dropped_and_the_connection_stays(stream: bool) -> None:
    body = SAID if stream else WHOLE
    raw = HEAD + chunk(body[:9]) + chunk(body[9:]) + b"0\r\nx-checksum: 1\r\n\r\n"
    for at in range(len(HEAD), len(raw)):
        play = Play(ScriptedDesk(["one"], stream=stream))
        play.ask(ASK)
        one = play.open().say(raw[:at])
        one.say(raw[at:])
        assert answer(play.answered).body == body
        assert not one.closed
        assert not play.leaks()


@pytest.mark.parametrize("bad", [b"zz\r\n", b"-1\r\n", b"4\nabcd", b"0\r\nx y\r\n\r\n", b"0\r\nx: " + b"a" * 300_000])
def test_bad_chunks_of_a_reply_are_a_cut(bad: bytes) -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = play.open().say(HEAD, chunk(WHOLE), bad)
    assert one.closed
    assert play.desk.told[0].failures == ["cut"]
    play.open().say(HEAD, chunk(WHOLE), LAST)
    assert answer(play.answered).body == WHOLE
    assert not play.leaks()


def refused_by_h2(one: H2Upstream, headers: list[tuple[str, str]]) -> None:
    one.h2.config.validate_outbound_headers = one.h2.config.normalize_outbound_headers = False
    one.h2.send_headers(1, headers)
    one.flush()


@pytest.mark.parametrize(
    "headers",
    [
        [(":status", "200"), ("x", "a\rb")],
        [(":status", "200"), ("x", "a\x0bb")],
        [(":status", "200"), *[("x", "1")] * 1001],
        [(":status", "200"), ("x", "a" * 300_000)],
        [(":status", "many")],
    ],
)
def test_an_http2_head_that_is_refused(headers: list[tuple[str, str]]) -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    refused_by_h2(H2Upstream(play.open(b"h2")), headers)
    assert play.desk.told[0].failures == ["garbage"]
    play.open().say(good(False))
    assert answer(play.answered).status == 200
    assert not play.leaks()


def test_interim_responses_without_end_over_http2() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = H2Upstream(play.open(b"h2"))
    for _ in range(17):
        one.h2.send_headers(1, [(":status", "103")])
    one.flush()
    assert play.desk.told[0].failures == ["garbage"]
    play.open().say(good(False))
    assert answer(play.answered).status == 200
    assert not play.leaks()


@given(
    st.sampled_from([good(False), HEAD + chunk(WHOLE) + b"0\r\nx: 1\r\n\r\n"]),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=4)), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_mutated_replies_have_a_clean_end(raw: bytes, changes: list[tuple[int, bytes]]) -> None:
    for at, junk in changes:
        at %= len(raw)
        raw = raw[:at] + junk + raw[at + len(junk) :]
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = play.open()
    for at in range(0, len(raw), 9):
        one.say(raw[at : at + 9])
    one.close()
    if play.dials:
        play.open().say(good(False))
    reply = answer(play.answered)
    assert reply.status in (200, 503)
    assert not any(ord(char) < 32 and char != "\t" for value in reply.headers.values() for char in value)
    assert not play.leaks()
