"""What a client is told again and again: between frames, from the head on, and never behind the end."""

from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, END, HEAD, LAST, ROLE, TEXT, answer, chunk

from omniroute.mitm.ports import ProgressTick

TICK = b"event: progress\ndata: {}\n\n"


def asked(*, every: float | None = None) -> Play:
    desk = ScriptedDesk(["one"], stream=True, every=every)
    desk.beats = ProgressTick(2.0, lambda: TICK)
    play = Play(desk)
    play.ask(ASK)
    return play


def test_they_begin_with_the_head_and_go_on_while_nothing_comes() -> None:
    play = asked()
    peer = play.open()
    play.pass_time(7)
    assert not play.answered
    peer.say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(1.9)
    assert TICK not in play.answered
    play.pass_time(0.1)
    assert play.answered.endswith(chunk(TICK))
    play.pass_time(2)
    peer.say(chunk(TEXT + END), LAST)
    play.pass_time(20)
    assert answer(play.answered).body == ROLE + TEXT + TICK * 2 + TEXT + END
    assert not play.leaks()


def test_half_a_frame_is_not_cut() -> None:
    play = asked()
    peer = play.open().say(HEAD, chunk(ROLE + TEXT + TEXT[:9]))
    play.pass_time(2)
    peer.say(chunk(TEXT[9:] + END), LAST)
    assert answer(play.answered).body == ROLE + TEXT + TICK + TEXT + END


def test_words_do_not_put_them_off_and_silence_is_not_broken_twice() -> None:
    play = asked(every=1.5)
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    for _ in range(4):
        play.pass_time(1)
        peer.say(chunk(TEXT))
    peer.say(chunk(END), LAST)
    body = answer(play.answered).body
    assert body.count(TICK) == 2
    assert b"keep-alive" not in body


def test_none_behind_the_end_while_the_upstream_lingers() -> None:
    play = asked()
    play.open().say(HEAD, chunk(ROLE + TEXT + END))
    play.pass_time(10)
    assert TICK not in play.answered
