"""Request bodies under way: how slow they may be, how much of a refused one is read, what is kept."""

import json
from dataclasses import replace

import pytest
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, answer, good

from omniroute.config.server_limits import ServerLimits
from omniroute.mitm import client_upload
from omniroute.mitm.body_buffer import BodyBuffer
from omniroute.mitm.client_stream import RoutedStream

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1000\r\n\r\n"


def play(**limits: float) -> Play:
    desk = ScriptedDesk(["one"], stream=False)
    desk.server_limits = replace(ServerLimits(header_timeout=10.0, body_min_rate=10), **limits)
    return Play(desk)


def check_slow(played: Play) -> None:
    reply = answer(played.answered)
    assert reply.status == 408
    assert reply.headers["connection"] == "close"
    assert "server.body_min_rate" in json.loads(reply.body)["error"]["message"]
    assert (played.fired["requestheaders"], played.fired["request"]) == (1, 0)
    assert (played.fired["response"], played.fired["error"]) == (1, 0)
    assert not played.dials


@pytest.mark.parametrize("received", [0, 50, 200])
def test_a_slow_body_ends_with_408_and_a_close(received: int) -> None:
    played = play()
    played.ask(HEAD + b"x" * received)
    played.pass_time(9.9 + received / 10)
    assert not played.answered
    played.pass_time(0.2)
    check_slow(played)
    played.pass_time(1.1)
    assert played.left
    assert not played.leaks()


def test_a_body_at_the_least_rate_is_taken() -> None:
    played = play()
    played.ask(HEAD)
    for _ in range(99):
        played.pass_time(1)
        played.ask(b"x" * 10)
        assert not played.answered
    played.ask(b"x" * 10)
    played.open().say(good(False))
    assert answer(played.answered).status == 200
    assert not played.leaks()


def test_a_fast_body_may_not_pause_for_ever() -> None:
    played = play(idle_timeout=30.0)
    played.ask(HEAD + b"x" * 999)
    played.pass_time(29)
    assert not played.answered
    played.pass_time(2)
    check_slow(played)


def test_without_a_least_rate_only_pauses_count() -> None:
    played = play(body_min_rate=0, idle_timeout=60.0)
    played.ask(HEAD)
    for _ in range(10):
        played.pass_time(59)
        played.ask(b"x")
    assert not played.answered
    played.pass_time(61)
    check_slow(played)


def test_a_change_of_the_rate_acts_on_a_body_under_way() -> None:
    played = play()
    played.ask(HEAD + b"x" * 900)
    played.desk.server_limits = replace(played.desk.server_limits, body_min_rate=1000)
    played.pass_time(101)
    check_slow(played)


def test_a_slow_client_that_leaves_is_no_leak() -> None:
    played = play()
    played.ask(HEAD)
    played.hang_up()
    played.pass_time(20)
    assert not played.answered
    assert played.fired["error"] == 1
    assert not played.leaks()


def test_a_refused_body_is_drained_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_upload, "MAX_DRAINED", 5000)
    played = play()
    played.ask(HEAD.replace(b"1000", b"100000"))
    assert answer(played.answered).status == 413
    played.ask(b"x" * 5000)
    assert not played.left
    played.ask(b"x")
    assert played.left
    assert not played.leaks()


def test_nothing_is_kept_of_a_refused_body() -> None:
    played = play()
    played.ask(HEAD.replace(b"content-length: 1000", b"transfer-encoding: chunked"))
    played.ask(b"3e9\r\n" + b"x" * 1001)
    assert answer(played.answered).status == 413
    (refused,) = {each for each in played.layer.streams.values() if isinstance(each, RoutedStream)}
    assert not refused.request_body_buf


def test_a_request_that_has_ended_is_released() -> None:
    played = play()
    played.ask(ASK)
    played.open().say(good(False))
    played.ask(ASK)
    assert len(played.desk.ended) == 1
    played.hang_up()
    assert len(set(played.desk.ended)) == 2


@pytest.mark.parametrize("pieces", [[], [b"a"], [b"a", b"b"], [b"x" * 70_000] * 50])
def test_a_buffer_gives_what_it_took(pieces: list[bytes]) -> None:
    buffer = BodyBuffer()
    for piece in pieces:
        buffer += piece
    assert (bytes(buffer), len(buffer), bool(buffer)) == (b"".join(pieces), sum(map(len, pieces)), bool(pieces))
    buffer.clear()
    assert (bytes(buffer), len(buffer), bool(buffer)) == (b"", 0, False)
