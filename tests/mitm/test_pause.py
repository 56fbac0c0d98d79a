"""Before a target is asked there may be a pause, or a turn to wait for: nothing is dialled, the client may leave."""

import pytest
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, REFUSAL, SAID, WHOLE, answer, good, sized


def pausing(stream: bool, every: float | None = None) -> Play:
    """Bring a play to its pause of 3 s."""
    desk = ScriptedDesk(["one", "two"], stream=stream, every=every)
    desk.pause = 3.0
    play = Play(desk)
    play.ask(ASK)
    play.open().say(sized(REFUSAL, 503))
    return play


@pytest.mark.parametrize("stream", [False, True])
def test_the_next_attempt_begins_when_its_pause_is_over(stream: bool) -> None:
    play = pausing(stream)
    play.pass_time(2.5)
    assert not play.dials
    play.pass_time(0.5)
    [dial] = play.dials
    attempt = play.desk.told[0].attempts[1]
    assert attempt.started == play.now, "the pause is no part of the attempt"
    play.pass_time(9.5)
    assert play.dials == [dial], "the deadline for connecting counts from the dial"
    play.open().say(good(stream))
    assert answer(play.answered).body == (SAID if stream else WHOLE)
    assert (play.fired["response"], play.fired["error"]) == (1, 0)
    assert not play.leaks()


def test_a_client_that_leaves_in_the_pause_ends_it() -> None:
    play = pausing(True)
    play.pass_time(1)
    play.hang_up()
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.pass_time(60)
    assert not play.dials
    play.end()
    assert not play.leaks()


def test_who_waits_for_a_stream_is_told_so_in_a_pause_too() -> None:
    play = pausing(True, every=1.0)
    play.pass_time(2.5)
    assert play.answered.count(b": keep-alive") == 2
    play.pass_time(0.5)
    play.open().say(good(True))
    assert SAID in play.answered
    assert (play.fired["responseheaders"], play.fired["response"]) == (1, 1)
    assert not play.leaks()


def queueing(stream: bool, every: float | None = None) -> Play:
    """Bring a play to where its first attempt waits for its turn, for 30 s at most."""
    desk = ScriptedDesk(["one"], stream=stream, every=every)
    desk.pause, desk.turns = 30.0, True
    play = Play(desk)
    play.ask(ASK)
    assert not play.dials
    return play


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_that_comes_early_ends_the_wait(stream: bool) -> None:
    play = queueing(stream)
    play.pass_time(7)
    play.turn(play.desk.told[0].flow)
    play.turn(play.desk.told[0].flow)
    assert play.fired["next_attempt"] == 1, "it comes once"
    play.open().say(good(stream))
    assert play.desk.told[0].attempts[0].started == 1007.0
    assert answer(play.answered).body == (SAID if stream else WHOLE)
    assert (play.fired["response"], play.fired["error"]) == (1, 0)
    assert not play.leaks()


def test_the_end_of_the_wait_cuts_nothing_that_was_asked() -> None:
    play = queueing(False)
    play.pass_time(29)
    play.turn(play.desk.told[0].flow)
    upstream = play.open()
    play.pass_time(40)
    assert play.desk.told[0].attempts[0].failure is None
    upstream.say(good(False))
    assert answer(play.answered).body == WHOLE
    assert not play.leaks()


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_while_waiting_for_a_turn_is_never_asked_for(stream: bool) -> None:
    play = queueing(stream, every=1.0)
    play.pass_time(3)
    play.hang_up()
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.turn(play.desk.told[0].flow)
    play.pass_time(60)
    assert not play.dials
    assert play.fired["next_attempt"] == 0
    play.end()
    assert not play.leaks()


def test_a_turn_that_comes_while_a_hook_runs_is_not_lost() -> None:
    play = Play(queue := ScriptedDesk(["one"], stream=True, every=1.0), hold=["responseheaders"])
    queue.pause, queue.turns = 30.0, True
    play.ask(ASK)
    play.pass_time(1)
    assert [hook.name for hook in play.held] == ["responseheaders"], "the early head of a stream"
    play.turn(queue.told[0].flow)
    assert not play.dials
    play.end_hook()
    play.open().say(good(True))
    assert SAID in play.answered
    play.end()
    assert not play.leaks()


def test_only_the_flow_whose_turn_it_is_goes() -> None:
    play = queueing(False)
    other = queueing(False)
    play.turn(other.desk.told[0].flow)
    assert not play.dials
