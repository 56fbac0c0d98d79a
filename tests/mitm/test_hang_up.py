"""A client that leaves takes its upstream call with it, in whatever state that is."""

import pytest
from cases import every
from playbook import Peer, Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, HEAD, REFUSAL, ROLE, SAID, TEXT, WHOLE, chunk, sized

WAITING: dict[str, tuple[bool, tuple[bytes, ...]]] = {
    "waiting": (True, ()),
    "waiting whole": (False, ()),
    "half a head": (True, (HEAD[:20],)),
    "probing": (True, (HEAD, chunk(ROLE))),
    "streaming": (True, (HEAD, chunk(ROLE + TEXT))),
    "collecting": (False, (sized(WHOLE, missing=3),)),
    "draining": (True, (sized(REFUSAL, 429, missing=3),)),
}


def check_left(play: Play) -> None:
    """Exactly one `error`, no `response`, and nothing kept but the client's own connection."""
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    assert not play.layer.streams
    play.end()
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    assert not play.leaks()
    assert not play.desk.told or play.desk.told[0].flow.error
    assert not play.desk.told or not play.desk.told[0].flow.live


def test_while_connecting() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    play.ask(ASK)
    assert len(play.dials) == 1
    play.hang_up()
    assert not play.dials, "the dial goes on"
    assert not play.answered
    assert play.desk.told[0].failures == ["client_gone"]
    check_left(play)


@every("state", WAITING)
def test_while_the_upstream_speaks(state: str) -> None:
    stream, said = WAITING[state]
    play = Play(ScriptedDesk(["one", "two"], stream=stream))
    play.ask(ASK)
    peer = play.open().say(*said)
    before = play.answered
    play.hang_up()
    assert peer.closed
    assert play.answered == before
    assert not play.dials
    assert play.desk.told[0].failures == ["client_gone"]
    check_left(play)


@pytest.mark.parametrize("pending", ["waiting", "streaming"])
def test_the_upstream_is_closed_before_the_error_hook_ends(pending: str) -> None:
    stream, said = WAITING[pending]
    play = Play(ScriptedDesk(["one"], stream=stream), hold=["error"])
    play.ask(ASK)
    peer = play.open().say(*said)
    play.hang_up()
    assert peer.closed
    assert play.held
    play.end_hooks()
    check_left(play)


def fail(play: Play) -> Peer:
    return play.open().say(sized(REFUSAL, 429))


def begin(play: Play) -> Peer:
    return play.open().say(HEAD, chunk(ROLE + TEXT))


@pytest.mark.parametrize("hook", ["requestheaders", "request", "next_attempt", "responseheaders"])
def test_while_a_hook_runs(hook: str) -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True), hold=[hook])
    play.ask(ASK)
    peer = None
    if hook == "next_attempt":
        peer = fail(play)
    elif hook == "responseheaders":
        peer = begin(play)
    assert [held.name for held in play.held] == [hook]
    play.hang_up()
    if peer and hook == "responseheaders":
        assert play.fired["error"] == 0
    play.end_hooks()
    assert not play.dials
    assert not peer or peer.closed or hook == "next_attempt"
    check_left(play)


@pytest.mark.parametrize("hook", ["next_attempt", "responseheaders"])
def test_while_a_hook_runs_that_writes_the_last_answer(hook: str) -> None:
    play = Play(ScriptedDesk(["one"], stream=True), hold=[hook])
    play.ask(ASK)
    fail(play)
    play.hang_up()
    play.end_hooks()
    assert not play.answered
    check_left(play)


@pytest.mark.parametrize("stream", [True, False])
def test_while_the_response_hook_runs_nothing_is_said_of_an_error(stream: bool) -> None:
    play = Play(ScriptedDesk(["one"], stream=stream), hold=["response"])
    play.ask(ASK)
    peer = play.open()
    peer.say(HEAD, chunk(ROLE + TEXT), b"0\r\n\r\n") if stream else peer.say(sized(WHOLE))
    play.hang_up()
    play.end_hooks()
    assert (play.fired["error"], play.fired["response"]) == (0, 1)
    play.end()
    assert not play.leaks()


def test_before_the_body_is_whole() -> None:
    play = Play(ScriptedDesk(["one"], stream=True))
    play.ask(ASK[:-1])
    play.hang_up()
    assert not play.dials
    check_left(play)


def test_after_the_answer_nothing_is_wrong() -> None:
    play = Play(ScriptedDesk(["one"], stream=False))
    play.ask(ASK)
    play.open().say(sized(WHOLE))
    play.hang_up()
    play.end()
    assert (play.fired["error"], play.fired["response"]) == (0, 1)
    assert not play.leaks()


def test_at_the_end_mark_of_a_stream_the_client_is_answered() -> None:
    """SDKs close at the end mark, while the upstream has yet to end its body."""
    play = Play(ScriptedDesk(["one"], stream=True))
    play.ask(ASK)
    peer = play.open().say(HEAD, chunk(SAID))
    play.hang_up()
    assert peer.closed
    assert (play.fired["error"], play.fired["response"]) == (0, 1)
    [told] = play.desk.told
    assert told.failures == []
    assert told.flow.response
    assert told.flow.response.raw_content == SAID
    assert not told.flow.error
    play.end()
    assert (play.fired["error"], play.fired["response"]) == (0, 1)
    assert not play.leaks()


def test_the_server_takes_everything_down_at_any_time() -> None:
    for state, (stream, said) in WAITING.items():
        play = Play(ScriptedDesk(["one", "two"], stream=stream))
        play.ask(ASK)
        play.open().say(*said)
        play.end()
        assert (play.fired["error"], play.fired["response"]) == (1, 0), state
        assert not play.leaks()


@pytest.mark.parametrize("hook", ["request", "next_attempt", "responseheaders", "response"])
def test_a_person_may_kill_the_flow(hook: str) -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True), hold=[hook])
    play.ask(ASK)
    if hook == "next_attempt":
        fail(play)
    elif hook == "responseheaders":
        begin(play)
    elif hook == "response":
        begin(play).say(b"0\r\n\r\n")
    play.desk.hook(play.held[0]) if hook == "request" else None
    play.held[0].args()[0].kill()
    play.end_hooks()
    assert play.left
    assert not play.layer.streams
    assert play.fired["error"] == (hook != "response")
    play.end()
    assert not play.leaks()
