"""Upstreams that speak HTTP/2."""

import h2.errors
import pytest
from h2_sides import H2Upstream
from playbook import Play
from scripted_desk import SECRET, ScriptedDesk
from upstream_bytes import ASK, END, REFUSAL, ROLE, SAID, TEXT, WHOLE, answer, answers

CANCEL = h2.errors.ErrorCodes.CANCEL


def asked(*hosts: str, stream: bool = True) -> tuple[Play, H2Upstream]:
    play = Play(ScriptedDesk(hosts or ["one", "two"], stream=stream))
    play.ask(ASK)
    return play, H2Upstream(play.open(b"h2"))


def test_a_stream() -> None:
    play, one = asked()
    assert one.heads[1][b":path"] == b"/v1/chat/completions"
    assert one.heads[1][b"authorization"] == f"Bearer {SECRET}".encode()
    assert (one.bodies[1], one.ended) == (b"{}", {1})
    one.head(1)
    one.body(1, ROLE + TEXT)
    assert TEXT in play.answered
    one.body(1, END, end=True)
    assert answer(play.answered).body == SAID
    assert not one.resets
    assert not play.leaks()


def test_a_whole_reply_and_a_second_one_on_the_same_connection() -> None:
    play, one = asked(stream=False)
    one.head(1)
    one.body(1, WHOLE, end=True)
    play.ask(ASK)
    one.flush()
    one.head(3)
    one.body(3, WHOLE, end=True)
    assert [reply.body for reply in answers(play.answered, 2)] == [WHOLE] * 2
    assert not play.leaks()


def test_refused_then_good_on_the_same_connection() -> None:
    play, one = asked("one", "one")
    one.head(1, 429)
    one.body(1, REFUSAL, end=True)
    assert not play.dials
    one.flush()
    one.head(3)
    one.body(3, SAID, end=True)
    assert answer(play.answered).body == SAID
    assert play.desk.told[0].failures == ["429"]
    assert not one.resets


@pytest.mark.parametrize("said", [None, b"", ROLE])
def test_reset_before_content(said: bytes | None) -> None:
    play, one = asked()
    if said is not None:
        one.head(1)
        one.body(1, said)
    one.reset(1)
    assert play.desk.told[0].failures == ["cut"]
    two = H2Upstream(play.open(b"h2"))
    two.head(1)
    two.body(1, SAID, end=True)
    assert answer(play.answered).headers["route"] == "two"
    assert not play.leaks()


def test_reset_after_content() -> None:
    play, one = asked()
    one.head(1)
    one.body(1, ROLE + TEXT)
    one.reset(1)
    assert b"error" in answer(play.answered).body
    assert play.desk.told[0].failures == ["cut"]
    assert not play.leaks()


def test_a_reset_on_a_used_connection_is_a_failure_and_not_stale() -> None:
    play, one = asked()
    one.head(1)
    one.body(1, SAID, end=True)
    play.ask(ASK)
    one.flush()
    one.reset(3)
    assert play.desk.told[1].failures == ["cut"]
    assert play.dials[0].connection.address == ("two", 80)


@pytest.mark.parametrize("used", [False, True])
def test_a_connection_that_says_goodbye(used: bool) -> None:
    play, one = asked()
    if used:
        one.head(1)
        one.body(1, SAID, end=True)
        play.ask(ASK)
        one.flush()
    one.goodbye()
    assert one.peer.closed
    [dial] = play.dials
    assert dial.connection.address == ("one" if used else "two", 80)
    two = H2Upstream(play.open(b"h2"))
    two.head(1)
    two.body(1, SAID, end=True)
    assert len(answers(play.answered, 1 + used)) == 1 + used
    assert not play.leaks()


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_giving_up_resets_the_stream_and_keeps_the_connection(pieces: int) -> None:
    play, one = asked("one", "one")
    if pieces:
        one.head(1)
        for piece in (ROLE, TEXT)[:pieces]:
            one.body(1, piece)
    play.pass_time((20, 50, 30)[pieces])
    one.flush()
    assert one.resets == {1: CANCEL}
    assert not one.peer.closed
    if pieces < 2:
        one.head(3)
        one.body(3, SAID, end=True)
    assert answer(play.answered).status == 200
    assert play.desk.told[0].failures == [("deadline first byte", "deadline first content", "deadline idle")[pieces]]
    assert not play.leaks()


def test_a_client_that_leaves_resets_the_stream() -> None:
    play, one = asked()
    one.head(1)
    one.body(1, ROLE + TEXT)
    play.hang_up()
    one.flush()
    assert one.resets == {1: CANCEL}
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.end()
    assert not play.leaks()


def test_late_words_of_a_stream_that_was_given_up() -> None:
    play, one = asked("one", "two")
    one.head(1)
    play.pass_time(50)
    one.peer.say(b"")
    before, hooks = play.answered, list(play.hooks)
    one.h2.send_data(1, SAID, end_stream=True)
    one.flush()
    assert (play.answered, play.hooks) == (before, hooks)
    two = H2Upstream(play.open(b"h2"))
    two.head(1)
    two.body(1, SAID, end=True)
    assert answer(play.answered).headers["route"] == "two"


def test_what_is_not_http_2() -> None:
    play = Play(ScriptedDesk(["one"], stream=True))
    play.ask(ASK)
    play.open(b"h2").say(b"\0\0\1\0\0\0\0\0\0x")  # data for no stream
    assert answer(play.answered).status == 503
    assert play.desk.told[0].failures == ["garbage"]
    assert not play.leaks()
