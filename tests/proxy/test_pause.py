"""A target that is asked again waits its time: nothing is dialled before, and the client may leave."""

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
