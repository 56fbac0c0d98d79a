"""Header lists and framing of HTTP/2 clients: bounds, strictness, deadlines, exceptions."""

import json
from typing import Any

import h2.errors
import pytest
from cases import every
from h2_sides import ASK, H2Client
from hypothesis import given, settings
from hypothesis import strategies as st
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import SAID, chunked, good

from omniroute.config.server_limits import ServerLimits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def stage(*, stream: bool = False, **limits: float) -> Play:
    made = ScriptedDesk(["one", "two"], stream=stream)
    made.server_limits = ServerLimits(**limits)  # type: ignore[arg-type]
    return Play(made, alpn=b"h2")


def ask(client: H2Client, *more: tuple[str, str], trailers: bool = False, end: bool = True) -> int:
    stream: int = client.h2.get_next_available_stream_id()
    client.h2.config.validate_outbound_headers = client.h2.config.normalize_outbound_headers = False
    client.h2.send_headers(stream, [*ASK, *more])
    if trailers:
        client.h2.send_data(stream, b"{}")
        client.h2.send_headers(stream, [("x-a", "1")], end_stream=True)
    elif end:
        client.h2.send_data(stream, b"{}", end_stream=True)
    client.flush()
    return stream


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


@every(
    ("more", "status"),
    [
        ([("x", "1")] * 101, 431),
        ([("x", "a" * 70_000)], 431),
        ([("x", "a\rb")], 400),
        ([("x", "a\x0bb")], 400),
        ([("x\x01", "a")], 400),
        ([("host", "gateway"), ("host", "gateway")], 400),
    ],
)
@every("end", [True, False])
def test_a_header_list_that_is_refused_on_its_stream(more: Any, status: int, end: bool) -> None:
    play = stage()
    client = H2Client(play)
    stream = ask(client, *more, end=end)
    if stream not in client.heads:  # h2 itself has refused it, with the connection
        assert play.left
        assert play.desk.protocol_errors == {"http2": 1}
        assert not play.hooks
        return
    assert client.heads[stream][b":status"] == b"%d" % status
    assert json.loads(client.bodies[stream])["error"]["message"]
    assert stream in client.ended
    assert not play.hooks
    second = ask(client)
    play.open().say(good(False))
    client.flush()
    assert client.heads[second][b":status"] == b"200"
    assert not play.leaks()


def test_a_header_list_far_over_the_limit_ends_the_connection() -> None:
    play = stage()
    client = H2Client(play)
    client.h2.max_outbound_frame_size = 16384
    client.h2.send_headers(1, [*ASK, *[("x", "a" * 1000)] * 500])
    play.ask(client.h2.data_to_send())
    assert play.left
    assert not play.hooks
    assert play.desk.protocol_errors == {"http2": 1}
    assert not play.leaks()


def test_the_limits_are_announced() -> None:
    client = H2Client(stage(header_bytes=12_345))
    assert client.h2.remote_settings.max_header_list_size == 12_345


@pytest.mark.parametrize("size", [0, 1, 16_000])
def test_a_flood_of_continuations(size: int) -> None:
    play = stage()
    play.ask(PREFACE + frame(1, 0, 1, b"\x82"))
    for _ in range(100):
        play.ask(frame(9, 0, 1, b"\x82" * size))
    assert play.left
    assert play.desk.protocol_errors == {"http2": 1}
    assert not play.leaks()


@pytest.mark.parametrize("begin", [PREFACE[:1], PREFACE[:10], PREFACE[:24]])
def test_a_preface_that_does_not_end_in_time(begin: bytes) -> None:
    play = stage(header_timeout=10.0)
    play.ask(begin)
    play.pass_time(9)
    assert not play.left
    play.pass_time(2)
    assert play.left
    assert not play.leaks()


@pytest.mark.parametrize("block", [frame(1, 0, 1, b"\x82"), frame(1, 4, 1, b"\x82" * 99)[:20]])
def test_a_header_block_that_does_not_end_in_time(block: bytes) -> None:
    play = stage(header_timeout=10.0)
    play.ask(PREFACE)
    play.pass_time(100)
    play.ask(block)
    play.pass_time(9)
    assert not play.left
    play.pass_time(1)
    assert play.left
    assert not play.leaks()


def test_an_idle_connection_has_no_deadline_of_a_head() -> None:
    play = stage(header_timeout=10.0)
    play.ask(PREFACE)
    play.pass_time(1000)
    assert not play.left
    assert not play.wakeups


def test_trailers_are_dropped() -> None:
    play = stage(stream=True)
    client = H2Client(play)
    stream = ask(client, trailers=True)
    one = play.open()
    assert one.heard.endswith(b"\r\n\r\n{}")
    one.say(chunked(SAID))
    client.flush()
    assert client.ended == {stream}
    assert not play.leaks()


def test_an_exception_of_one_stream_is_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    play = stage()
    client = H2Client(play)
    first = ask(client)
    monkeypatch.setattr(play.desk, "attempt", lambda flow: 1 / 0)
    second = ask(client)
    monkeypatch.undo()
    assert client.heads[second][b":status"] == b"500"
    assert "gateway failed" in json.loads(client.bodies[second])["error"]["message"]
    play.open().say(good(False))
    client.flush()
    assert client.heads[first][b":status"] == b"200"
    assert client.ended == {first, second}
    assert not play.leaks()


def test_an_exception_of_the_parser_ends_with_goaway(monkeypatch: pytest.MonkeyPatch) -> None:
    play = stage()
    client = H2Client(play)
    connection: Any = play.layer.connections[play.client]
    monkeypatch.setattr(connection.h2_conn, "receive_data", lambda data: {}["x"])
    client.h2.ping(b"01234567")
    play.ask(client.h2.data_to_send())
    assert play.left
    assert play.desk.protocol_errors == {"http2": 1}
    client.take(play.answered)
    assert client.terminated == h2.errors.ErrorCodes.PROTOCOL_ERROR


@given(st.lists(st.tuples(st.integers(0, 500), st.binary(min_size=1, max_size=3)), max_size=5))
@settings(max_examples=200, deadline=None)
def test_mutated_frames_have_a_clean_end(changes: list[tuple[int, bytes]]) -> None:
    writer = H2Client(stage())
    raw = bytearray(PREFACE)
    for stream in (1, 3):
        writer.h2.send_headers(stream, [*ASK, ("x-a", "b" * 40)])
        writer.h2.send_data(stream, b"{}", end_stream=True)
        raw += writer.h2.data_to_send()
    for at, junk in changes:
        at %= len(raw)
        raw[at : at + len(junk)] = junk
    play = stage()
    for at in range(0, len(raw), 11):
        play.ask(bytes(raw[at : at + 11]))
    while play.dials:
        play.open().say(good(False).replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
    play.pass_time(1000)
    play.end()
    assert "internal" not in play.desk.protocol_errors
    assert not play.leaks()
