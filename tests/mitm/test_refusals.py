"""What the gateway answers itself, and for which it never dials."""

import json

import pytest
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, Answer, answer, good, sized

LONG = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1001\r\n\r\n"
CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n"


def desk() -> ScriptedDesk:
    return ScriptedDesk(["one", "two"], stream=False)


def check_too_large(play: Play) -> Answer:
    reply = answer(play.answered)
    assert reply.status == 413
    assert "1000 bytes" in json.loads(reply.body)["error"]["message"]
    assert (play.fired["requestheaders"], play.fired["request"]) == (1, 0)
    assert (play.fired["response"], play.fired["error"]) == (1, 0)
    assert not play.dials
    return reply


@pytest.mark.parametrize("rest", [b"", b"x" * 500, b"x" * 1001])
def test_a_body_that_says_it_is_over_the_limit(rest: bytes) -> None:
    play = Play(desk())
    play.ask(LONG)
    play.ask(rest)
    check_too_large(play)
    assert play.left == (len(rest) == 1001)
    play.end()
    check_too_large(play)
    assert not play.leaks()


def test_a_body_that_does_not_say_so() -> None:
    play = Play(desk())
    play.ask(CHUNKED)
    for _ in range(10):
        play.ask(b"64\r\n" + b"x" * 100 + b"\r\n")
    assert not play.answered
    play.ask(b"1\r\nx\r\n")
    check_too_large(play)
    play.ask(b"1\r\nx\r\n")
    play.ask(b"0\r\n\r\n")
    assert play.left
    check_too_large(play)
    assert not play.leaks()


def test_a_body_at_the_limit_is_taken() -> None:
    play = Play(desk())
    play.ask(LONG.replace(b"1001", b"1000") + b"x" * 1000)
    assert play.open().say(good(False)).heard.endswith(b"\r\n\r\n" + b"x" * 1000)
    assert answer(play.answered).status == 200


def test_an_upload_that_never_ends_is_closed() -> None:
    play = Play(desk())
    play.ask(LONG)
    play.pass_time(9)
    assert not play.left
    play.pass_time(1)
    assert play.left
    check_too_large(play)
    assert not play.leaks()


def test_a_client_that_waits_to_be_told_to_go_on_is_refused_at_once() -> None:
    play = Play(desk())
    play.ask(LONG.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))
    check_too_large(play)


@pytest.mark.parametrize("hook", ["requestheaders", "responseheaders", "response"])
def test_a_refused_client_that_leaves_while_a_hook_runs(hook: str) -> None:
    play = Play(desk(), hold=[hook])
    play.ask(LONG)
    play.hang_up()
    play.end_hooks()
    fired = (play.fired["error"], play.fired["response"])
    assert fired == ((0, 1) if hook == "response" else (1, 0))
    play.end()
    assert fired == (play.fired["error"], play.fired["response"])
    assert not play.leaks()


def test_hooks_that_decide_nothing_are_the_gateways_own_fault() -> None:
    play = Play(desk())
    play.desk.undecided.add("request")
    play.ask(ASK)
    reply = answer(play.answered)
    assert reply.status == 500
    assert "did not decide" in json.loads(reply.body)["error"]["message"]
    assert not play.dials
    assert (play.fired["response"], play.fired["error"]) == (1, 0)
    assert not play.leaks()


def test_a_next_attempt_that_nobody_decides_ends_the_request() -> None:
    play = Play(desk())
    play.desk.undecided.add("next_attempt")
    play.ask(ASK)
    play.open().say(sized(b"", 500))
    assert answer(play.answered).status == 500
    assert not play.dials
    assert not play.leaks()


def test_an_answer_that_a_hook_gives_is_sent_without_a_dial() -> None:
    play = Play(ScriptedDesk([], stream=True))
    play.ask(ASK * 2)
    assert [line for line in play.answered.split(b"\r\n") if b"503" in line]
    assert not play.dials
    assert play.fired["response"] == 2
    assert not play.leaks()


@pytest.mark.parametrize("dressed", [False, True])
def test_an_answer_of_an_addon_is_told_with_and_without_a_hook_for_its_head(
    dressed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = ScriptedDesk([], stream=False)
    monkeypatch.setattr(nobody, "try_apply_headers", lambda flow: dressed)
    play = Play(nobody)
    for turn in range(1, 3):
        play.ask(ASK)
        assert play.answered.count(b"HTTP/1.1 503") == turn
        assert (play.fired["request"], play.fired["response"], play.fired["error"]) == (turn, turn, 0)
        assert play.fired["responseheaders"] == (0 if dressed else turn)
    assert not play.dials
    assert not play.leaks()
