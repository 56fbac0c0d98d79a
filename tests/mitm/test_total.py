"""The deadline of the whole request, in every phase of an attempt."""

import pytest
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, END, HEAD, LAST, ROLE, TEXT, WHOLE, answer, chunk, good, sized

PHASES: dict[str, tuple[bytes, ...] | None] = {
    "dialling": None,
    "waiting": (),
    "probing": (HEAD, chunk(ROLE)),
    "streaming": (HEAD, chunk(ROLE + TEXT)),
}


def asked(*hosts: str, stream: bool = True) -> Play:
    desk = ScriptedDesk(hosts, stream=stream)
    play = Play(desk)
    desk.until = play.now + 5
    play.ask(ASK)
    return play


@pytest.mark.parametrize("phase", PHASES)
def test_it_passes_before_the_deadline_of_any_phase(phase: str) -> None:
    play, said = asked("one"), PHASES[phase]
    peer = play.open().say(*said) if said is not None else None
    play.pass_time(4)
    assert not play.desk.told[0].failures
    play.pass_time(1)
    assert play.desk.told[0].failures == ["deadline total"]
    failure = play.desk.told[0].attempts[0].failure
    assert failure
    assert failure.message == "the deadline for the whole request of 5 s has passed"
    reply = answer(play.answered)
    if phase == "streaming":
        assert reply.status == 200
        assert reply.body.startswith(ROLE + TEXT)
        assert b"stream timed out" in reply.body
    else:
        assert reply.status == 503, "what the desk says when nobody is left"
    assert peer is None or peer.closed
    assert not play.leaks()


def test_a_whole_reply_that_takes_too_long() -> None:
    play = asked("one", stream=False)
    play.open().say(sized(WHOLE, missing=5))
    play.pass_time(5)
    assert play.desk.told[0].failures == ["deadline total"]


def test_pieces_do_not_put_it_off() -> None:
    play = asked("one")
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    for _ in range(5):
        play.pass_time(1)
        peer.say(chunk(TEXT))
    assert play.desk.told[0].failures == ["deadline total"]
    assert peer.closed


def test_who_is_whole_in_time_hears_nothing_of_it() -> None:
    play = asked("one")
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(4)
    peer.say(chunk(END), LAST)
    play.pass_time(100)
    assert answer(play.answered).body == ROLE + TEXT + END
    assert not play.desk.told[0].failures
    assert not play.leaks()


def test_the_next_attempt_has_a_time_of_its_own() -> None:
    play = asked("one", "two")
    play.desk.until = play.now + 50
    play.pass_time(5)
    assert play.desk.told[0].failures == ["deadline total"]
    play.open().say(good(stream=True))
    assert answer(play.answered).status == 200
    assert not play.leaks()
