"""Many requests on one client connection, with failures between them."""

import pytest
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import (
    ASK,
    END,
    HEAD,
    LAST,
    REFUSAL,
    ROLE,
    SAID,
    TEXT,
    WHOLE,
    answers,
    chunk,
    chunked,
    good,
    sized,
)


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_connection_serves_again(stream: bool) -> None:
    play = Play(ScriptedDesk(["one"], stream=stream))
    play.ask(ASK)
    peer = play.open().say(good(stream))
    play.ask(ASK)
    assert not play.dials
    peer.say(good(stream))
    assert [reply.status for reply in answers(play.answered, 2)] == [200, 200]
    assert peer.heard.count(b"POST ") == 2
    assert not play.leaks()


def test_a_refusal_leaves_the_connection_of_use() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = play.open().say(sized(REFUSAL, 429))
    play.open().say(good(False))
    play.ask(ASK)
    assert not play.dials
    one.say(good(False))
    assert [reply.headers["route"] for reply in answers(play.answered, 2)] == ["two", "one"]


def test_a_failed_host_is_reachable_again() -> None:
    play = Play(ScriptedDesk(["one"], stream=False))
    for _ in range(3):
        play.ask(ASK)
        play.refuse()
    play.ask(ASK)
    play.pass_time(10)
    play.ask(ASK)
    play.open().say(b"no HTTP\r\n\r\n")
    play.ask(ASK)
    play.open().say(good(False))
    assert [reply.status for reply in answers(play.answered, 6)] == [503] * 5 + [200]
    assert not play.leaks()


def test_failures_between_good_answers() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    play.ask(ASK)
    play.open().say(HEAD, chunk(ROLE)).close()
    play.open().say(HEAD, chunk(ROLE + TEXT)).close()
    play.ask(ASK)
    play.refuse()
    play.refuse()
    play.ask(ASK)
    play.refuse()
    play.open().say(chunked(SAID))
    first, second, third = answers(play.answered, 3)
    assert first.body.startswith(ROLE + TEXT)
    assert b"error" in first.body
    assert second.status == 503
    assert third.body == SAID
    assert (play.fired["response"], play.fired["error"]) == (3, 0)
    assert not play.leaks()


def test_requests_that_are_sent_ahead_are_answered_in_their_order() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK * 3)
    one = play.open()
    one.say(good(False))
    one.say(sized(REFUSAL, 500))
    play.open().say(good(False))
    one.say(good(False))
    assert [reply.headers["route"] for reply in answers(play.answered, 3)] == ["one", "two", "one"]


def test_a_connection_that_closes_as_it_is_used_again_is_no_failure() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    stale = play.open().say(good(False))
    play.ask(ASK)
    stale.close()
    [dial] = play.dials
    assert dial.connection.address == ("one", 80)
    play.open().say(good(False))
    assert [reply.headers["route"] for reply in answers(play.answered, 2)] == ["one", "one"]
    assert play.desk.told[1].failures == ["cut"]
    assert not play.leaks()


def test_a_fresh_connection_that_closes_is_a_failure() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    stale = play.open().say(good(False))
    play.ask(ASK)
    stale.close()
    play.open().close()
    assert play.dials[0].connection.address == ("two", 80)
    play.open().say(good(False))
    assert answers(play.answered, 2)[1].headers["route"] == "two"


@pytest.mark.parametrize("said", [b"HTTP/1.1 2", b"no HTTP\r\n\r\n", HEAD])
def test_a_used_connection_that_says_something_first_is_not_stale(said: bytes) -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    peer = play.open().say(good(False))
    play.ask(ASK)
    peer.say(said).close()
    assert play.dials[0].connection.address == ("two", 80)


def test_a_connection_that_closes_while_idle_is_not_used_again() -> None:
    play = Play(ScriptedDesk(["one"], stream=False))
    play.ask(ASK)
    play.open().say(good(False)).close()
    assert not play.leaks()
    play.ask(ASK)
    play.open().say(good(False))
    assert len(answers(play.answered, 2)) == 2
    assert play.desk.told[1].failures == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_reply_that_ends_by_closing(version: bytes, stream: bool) -> None:
    play = Play(ScriptedDesk(["one"], stream=stream))
    for _ in range(2):
        play.ask(ASK)
        peer = play.open().say(b"HTTP/%b 200 OK\r\n\r\n" % version + (SAID if stream else WHOLE))
        peer.close()
        assert peer.closed
    assert [reply.body for reply in answers(play.answered, 2)] == [SAID if stream else WHOLE] * 2
    assert not play.leaks()


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_that_says_close(stream: bool) -> None:
    play = Play(ScriptedDesk(["one"], stream=stream))
    play.ask(ASK)
    assert play.open().say(sized(SAID if stream else WHOLE, 200, b"connection: close")).closed
    assert answers(play.answered)[0].status == 200
    assert not play.leaks()


def test_late_words_of_an_abandoned_connection_change_nothing() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    play.ask(ASK)
    late = play.open()
    play.pass_time(20)
    assert late.closed
    two = play.open().say(HEAD, chunk(ROLE + TEXT))
    before, hooks = play.answered, list(play.hooks)
    late.say(chunked(SAID))
    late.close()
    assert (play.answered, play.hooks) == (before, hooks)
    two.say(chunk(END), LAST)
    assert answers(play.answered)[0].body == SAID


def test_words_that_come_while_a_hook_decides_change_nothing() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True), hold=["next_attempt"])
    play.ask(ASK)
    one = play.open().say(HEAD, chunk(b"data: {oops\n\n"))
    one.say(chunk(SAID), LAST)
    play.pass_time(1000)
    play.end_hooks()
    assert play.dials[0].connection.address == ("two", 80)
    play.open().say(chunked(SAID))
    assert answers(play.answered)[0].headers["route"] == "two"


def test_words_that_come_after_an_abandoned_dial_change_nothing() -> None:
    play = Play(ScriptedDesk(["one", "one"], stream=False))
    play.ask(ASK)
    play.pass_time(10)
    assert len(play.dials) == 1
    play.open().say(good(False))
    assert answers(play.answered)[0].status == 200
    assert not play.leaks()


def test_a_reply_that_comes_after_a_switch_of_protocols_answers_no_later_request() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = play.open().say(b"HTTP/1.1 101 Switching\r\n\r\n")
    assert one.closed
    play.open().say(good(False))
    play.ask(ASK)
    assert play.dials[0].connection.address == ("one", 80)


def test_interim_responses_are_dropped() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    one = play.open().say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", good(False))
    play.ask(ASK)
    one.say(good(False))
    assert [reply.status for reply in answers(play.answered, 2)] == [200, 200]
    assert not play.leaks()


def test_one_alarm_for_a_thousand_requests() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    peers = None
    most = 0
    for _ in range(1000):
        play.ask(ASK)
        peers = peers or (play.open(), None)
        peers[0].say(sized(REFUSAL, 429))
        peers = peers if peers[1] else (peers[0], play.open())
        assert peers[1]
        peers[1].say(HEAD, chunk(ROLE + TEXT))
        play.pass_time(0.01)
        peers[1].say(chunk(END), LAST)
        most = max(most, len(play.wakeups))
    assert len(answers(play.answered, 1000)) == 1000
    assert most <= 2
    assert len(play.layer.connections) == 3
    assert not play.leaks()
    play.pass_time(1000)
    assert not play.wakeups
    assert not play.layer.command_sources


def test_a_busy_hook_is_not_asked_without_rest() -> None:
    play = Play(ScriptedDesk(["one"], stream=True), hold=["responseheaders"])
    play.ask(ASK)
    play.open().say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(31)
    assert len(play.wakeups) <= 2
    play.end_hooks()
    assert play.desk.told[0].failures == ["deadline idle"]
    assert answers(play.answered)[0].body.startswith(ROLE + TEXT)


@pytest.mark.parametrize("fails", [False, True])
def test_a_big_whole_reply_is_read_by_a_hook(fails: bool) -> None:
    play = Play(ScriptedDesk(["one"], stream=False))
    if fails:
        play.desk.undecided.add("read_reply")
    play.ask(ASK)
    big = WHOLE.replace(b"hello", b"x" * 2_000_000)
    play.open().say(sized(big))
    assert play.fired["read_reply"] == 1
    if fails:
        assert play.desk.told[0].failures == ["garbage"]
        assert answers(play.answered)[0].status == 503
    else:
        assert answers(play.answered)[0].body == big


def test_no_deadline_passes_while_a_big_reply_is_read() -> None:
    play = Play(ScriptedDesk(["one"], stream=False), hold=["read_reply", "response"])
    play.ask(ASK)
    play.open().say(sized(WHOLE.replace(b"hello", b"x" * 2_000_000)))
    play.pass_time(100)
    play.end_hook()
    play.pass_time(100)
    play.end_hooks()
    assert play.desk.told[0].failures == []
    assert answers(play.answered)[0].status == 200


def test_a_late_head_leaves_less_time_for_the_first_content() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    play.ask(ASK)
    peer = play.open()
    play.pass_time(15)
    peer.say(HEAD, chunk(ROLE))
    play.pass_time(34)
    assert not play.desk.told[0].failures
    play.pass_time(1)
    assert play.desk.told[0].failures == ["deadline first content"]
