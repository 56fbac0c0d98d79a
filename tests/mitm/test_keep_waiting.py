"""A client that waits for a stream hears that it is not forgotten, and still gets one answer."""

import json
from collections import Counter
from typing import Any

import pytest
from cases import every
from h2_sides import H2Client
from mitmproxy import http
from mitmproxy.proxy import commands
from playbook import Peer, Play
from scripted_desk import ScriptedDesk
from upstream_bytes import (
    ASK,
    END,
    FAULT,
    HEAD,
    LAST,
    REFUSAL,
    ROLE,
    SAID,
    TEXT,
    WHOLE,
    answer,
    answers,
    chunk,
    chunked,
    sized,
)

from omniroute.dialects.sse import BOM

EVERY = 4.0
STILL = b": keep-alive\n\n"


def waiting(*hosts: str, stream: bool = True, hold: tuple[str, ...] = ()) -> Play:
    play = Play(ScriptedDesk(hosts or ["one", "two"], stream=stream, every=EVERY), hold=hold)
    play.ask(ASK)
    return play


def told(body: bytes) -> dict[str, Any]:
    """Read the error event that ends a stream."""
    *_, error, end, rest = body.split(b"\n\n")
    assert (end, rest) == (b"data: [DONE]", b"")
    found: dict[str, Any] = json.loads(error.removeprefix(b"data: "))["error"]
    return found


def check_end(play: Play) -> None:
    assert (play.fired["response"], play.fired["error"]) == (1, 0)
    assert play.fired["responseheaders"] == 1
    assert not play.leaks()


# before the answer


def test_a_quick_answer_hears_nothing_of_it() -> None:
    play = waiting()
    peer = play.open()
    play.pass_time(3.9)
    peer.say(chunked(SAID))
    assert answer(play.answered).body == SAID
    assert play.desk.told[0].flow.response
    assert play.desk.told[0].flow.response.headers["route"] == "one"
    check_end(play)


@pytest.mark.parametrize("said", [(), (HEAD,), (HEAD, chunk(ROLE)), (sized(REFUSAL, 429, missing=3),)])
def test_while_the_first_target_thinks(said: tuple[bytes, ...]) -> None:
    play = waiting("one", "two")
    play.open().say(*said)
    play.pass_time(EVERY)
    head, body = play.answered.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: text/event-stream; charset=utf-8" in head
    assert b"cache-control: no-cache" in head
    assert body == chunk(STILL)
    play.pass_time(EVERY)
    assert play.answered.endswith(chunk(STILL) * 2)
    assert play.fired["responseheaders"] == 1


def test_while_connecting_and_over_all_attempts() -> None:
    """Silence is counted from the request on, however often the target changes."""
    play = waiting("one", "two", "three")
    play.pass_time(3)
    play.refuse()
    assert not play.answered
    play.pass_time(1)
    assert play.answered.endswith(chunk(STILL))
    play.pass_time(3)
    play.open().say(sized(REFUSAL, 500))
    play.pass_time(1)
    assert play.answered.endswith(chunk(STILL) * 2)
    play.open().say(HEAD, chunk(ROLE), chunk(FAULT))
    assert len(play.desk.told[0].attempts) == 3
    assert len(play.desk.told[0].failures) == 3
    assert told(answer(play.answered).body)
    check_end(play)


def test_the_next_target_answers_behind_an_early_head() -> None:
    play = waiting("one", "two")
    play.open().say(HEAD, chunk(ROLE))
    play.pass_time(EVERY)
    play.pass_time(46)  # the first content is late
    assert play.desk.told[0].failures == ["deadline first content"]
    play.open().say(chunked(SAID))
    reply = answer(play.answered)
    assert reply.status == 200
    assert reply.body.replace(STILL, b"") == SAID
    assert reply.body.endswith(SAID)
    flow = play.desk.told[0].flow
    assert flow.response
    assert flow.response.raw_content == reply.body
    assert "route" not in flow.response.headers, "the client never got it"
    check_end(play)


def test_a_stale_connection_is_asked_again_behind_an_early_head() -> None:
    play = waiting("one", "two")
    first = play.open().say(chunked(SAID))
    play.ask(ASK)
    play.pass_time(EVERY)
    first.close()
    assert play.dials[0].connection.address == ("one", 80)
    play.open().say(chunked(SAID))
    assert [reply.body for reply in answers(play.answered, 2)] == [SAID, STILL + SAID]
    assert play.desk.told[1].at == 0
    assert not play.leaks()


def test_an_empty_reply_of_the_last_target_is_still_better_than_none() -> None:
    play = waiting("one")
    peer = play.open().say(HEAD, chunk(ROLE))
    play.pass_time(EVERY)
    peer.say(chunk(END), LAST)
    assert answer(play.answered).body == STILL + ROLE + END
    assert not play.desk.told[0].failures
    check_end(play)


def test_a_mark_of_the_bytes_order_does_not_get_into_the_middle() -> None:
    play = waiting("one")
    peer = play.open()
    play.pass_time(EVERY)
    peer.say(chunked(BOM + SAID))
    assert answer(play.answered).body == STILL + SAID


# when nothing comes of it


def test_a_refusal_is_said_inside_the_stream() -> None:
    play = waiting("one")
    peer = play.open()
    play.pass_time(EVERY)
    peer.say(sized(REFUSAL, 429))
    reply = answer(play.answered)
    assert reply.status == 200
    assert reply.body.startswith(STILL)
    assert told(reply.body)["message"] == "every target failed"
    response = play.desk.told[0].flow.response
    assert response
    assert (response.status_code, response.raw_content) == (200, reply.body)
    check_end(play)
    play.ask(ASK)
    peer.say(chunked(SAID))
    assert answers(play.answered, 2)[1].body == SAID


def test_an_honest_status_as_long_as_nothing_was_said() -> None:
    play = waiting("one")
    play.open().say(sized(REFUSAL, 429))
    assert answer(play.answered).status == 503
    play.pass_time(60)
    assert answer(play.answered).status == 503
    check_end(play)


def test_a_deadline_goes_before_a_keep_alive_of_the_same_moment() -> None:
    play = Play(ScriptedDesk(["one"], stream=True, every=10))
    play.ask(ASK)
    play.pass_time(10)
    assert play.desk.told[0].failures == ["deadline connect"]
    assert answer(play.answered).status == 503


def test_nothing_decided_is_said_inside_the_stream_too() -> None:
    play = waiting("one", "two")
    peer = play.open()
    play.pass_time(EVERY)
    play.desk.undecided.add("next_attempt")
    peer.close()
    assert "did not decide" in told(answer(play.answered).body)["message"]
    check_end(play)


# after the first content


def test_silence_within_a_stream() -> None:
    play = waiting()
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(EVERY)
    half = len(TEXT) // 2
    peer.say(chunk(TEXT[:half]))  # half a frame is kept back, so nothing can get into it
    play.pass_time(EVERY)
    peer.say(chunk(TEXT[half:]))
    peer.say(chunk(END), LAST)
    assert answer(play.answered).body == ROLE + TEXT + STILL * 2 + TEXT + END
    check_end(play)


def test_what_is_sent_puts_it_off() -> None:
    play = waiting()
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    for _ in range(5):
        play.pass_time(3)
        peer.say(chunk(TEXT))
    peer.say(chunk(END), LAST)
    assert STILL not in answer(play.answered).body


def test_it_does_not_put_off_the_idle_deadline() -> None:
    play = waiting("one")
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    play.pass_time(29)
    assert not peer.closed
    play.pass_time(1)
    assert peer.closed
    assert play.desk.told[0].failures == ["deadline idle"]
    assert answer(play.answered).body.startswith(ROLE + TEXT + STILL * 7)
    assert told(answer(play.answered).body)
    check_end(play)


def test_nothing_follows_the_end_mark() -> None:
    play = waiting()
    play.open().say(HEAD, chunk(SAID))
    play.pass_time(29)
    assert play.answered.endswith(chunk(SAID))
    play.pass_time(1)
    assert answer(play.answered).body == SAID
    check_end(play)


# who hears it


@pytest.mark.parametrize(("dialect", "still"), [("claude", b'event: ping\ndata: {"type": "ping"}\n\n')])
def test_each_dialect_has_its_own_words(dialect: Any, still: bytes) -> None:
    play = Play(ScriptedDesk(["one"], stream=True, dialect=dialect, every=EVERY))
    play.ask(ASK)
    play.pass_time(2 * EVERY)
    assert play.answered.endswith(chunk(still) * 2)
    play.refuse()
    assert b"event: error\n" in answer(play.answered).body


@pytest.mark.parametrize(("stream", "every"), [(False, EVERY), (True, None)])
def test_others_hear_nothing_before_their_answer(stream: bool, every: float | None) -> None:
    play = Play(ScriptedDesk(["one"], stream=stream, every=every))
    play.ask(ASK)
    peer = play.open()
    play.pass_time(19)
    assert not play.answered
    peer.say(chunked(SAID) if stream else sized(WHOLE))
    assert answer(play.answered).body == (SAID if stream else WHOLE)


def test_an_http_1_0_client_reads_to_the_end() -> None:
    play = Play(ScriptedDesk(["one"], stream=True, every=EVERY))
    play.ask(ASK.replace(b"HTTP/1.1", b"HTTP/1.0"))
    peer = play.open()
    play.pass_time(EVERY)
    assert play.answered.startswith(b"HTTP/1.0 200")
    peer.say(chunked(SAID))
    assert play.left
    assert play.answered.endswith(b"\r\n\r\n" + STILL + SAID)


def test_an_http_2_client_hears_each_of_its_streams_apart() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True, every=EVERY), alpn=b"h2")
    client = H2Client(play)
    first = client.ask()
    play.pass_time(2)
    second = client.ask()
    peers = [play.open(), play.open()]
    play.pass_time(2)
    client.flush()
    assert set(client.heads) == {first}
    assert client.bodies[first] == STILL
    peers[1].say(chunked(SAID))
    play.pass_time(2)
    client.reset(first)
    assert peers[0].closed
    client.flush()
    assert client.bodies[second] == SAID
    assert client.ended == {second}
    assert client.heads[first][b"content-type"].startswith(b"text/event-stream")
    assert b"transfer-encoding" not in client.heads[first]
    assert (play.fired["error"], play.fired["response"]) == (1, 1)
    assert not play.leaks()


def test_an_http_2_client_reads_a_refusal_in_its_stream() -> None:
    play = Play(ScriptedDesk(["one"], stream=True, every=EVERY), alpn=b"h2")
    client = H2Client(play)
    first = client.ask()
    play.pass_time(EVERY)
    play.refuse()
    client.flush()
    assert client.ended == {first}
    assert told(client.bodies[first])
    assert not play.leaks()


# clients that leave, and people who kill


def early(play: Play, state: str) -> Peer | None:
    """Bring a flow to a state with its head out."""
    peer = None
    if state != "connecting":
        said = {"waiting": (), "probing": (HEAD, chunk(ROLE)), "draining": (sized(REFUSAL, 429, missing=3),)}
        peer = play.open().say(*said[state])
    play.pass_time(EVERY)
    assert play.answered.endswith(chunk(STILL))
    return peer


@pytest.mark.parametrize("state", ["connecting", "waiting", "probing", "draining"])
def test_a_client_that_leaves_takes_its_upstream_call_with_it(state: str) -> None:
    play = waiting("one", "two")
    peer = early(play, state)
    before = play.answered
    play.hang_up()
    assert not play.dials
    assert not peer or peer.closed
    assert play.desk.told[0].failures == ["client_gone"]
    assert not play.layer.streams
    play.pass_time(60)
    play.end()
    assert play.answered == before
    assert (play.fired["error"], play.fired["response"], play.fired["responseheaders"]) == (1, 0, 1)
    assert not play.leaks()
    assert not play.desk.told[0].flow.live


@every("state", ["connecting", "waiting", "probing", "draining"])
@every("how", ["leaves", "kill"])
def test_an_end_while_the_hook_for_the_early_head_runs(state: str, how: str) -> None:
    play = waiting("one", "two", hold=("responseheaders",))
    peer = play.open() if state != "connecting" else None
    if peer and state != "waiting":
        peer.say(*((HEAD, chunk(ROLE)) if state == "probing" else (sized(REFUSAL, 429, missing=3),)))
    play.pass_time(EVERY)
    assert [held.name for held in play.held] == ["responseheaders"]
    play.hang_up() if how == "leaves" else play.held[0].args()[0].kill()
    play.end_hooks()
    assert play.left
    assert not play.answered
    assert not play.dials
    assert not peer or peer.closed
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.end()
    assert not play.leaks()


@pytest.mark.parametrize("how", ["leaves", "kill"])
@pytest.mark.parametrize("hosts", [["one"], ["one", "two"]])
def test_an_end_while_the_next_attempt_is_decided(hosts: list[str], how: str) -> None:
    play = waiting(*hosts, hold=("next_attempt",))
    peer = play.open()
    play.pass_time(EVERY)
    peer.say(sized(REFUSAL, 429))
    play.hang_up() if how == "leaves" else play.held[0].args()[0].kill()
    play.end_hooks()
    assert play.left
    assert not play.dials
    assert play.answered.endswith(chunk(STILL))
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.end()
    assert not play.leaks()


def test_a_hook_that_takes_long_holds_up_what_is_said_and_no_more() -> None:
    play = waiting("one", "two", hold=("next_attempt",))
    play.refuse()
    play.pass_time(3 * EVERY)
    assert not play.answered
    play.end_hooks()
    play.pass_time(0.1)
    assert play.answered.endswith(b"\r\n\r\n" + chunk(STILL))
    play.open().say(chunked(SAID))
    assert answer(play.answered).body == STILL + SAID
    check_end(play)


def test_the_upstream_may_answer_while_the_hook_for_the_early_head_runs() -> None:
    play = waiting("one", hold=("responseheaders",))
    play.pass_time(EVERY)
    play.open()
    play.end_hooks()
    [[connection, heard]] = [pair for pair in play.sent.items() if pair[0] is not play.client]
    assert b"POST" in heard
    Peer(play, connection).say(chunked(SAID))  # type: ignore[arg-type]
    assert answer(play.answered).body == STILL + SAID
    check_end(play)


def test_so_may_its_connection_close() -> None:
    play = waiting("one", "two", hold=("responseheaders",))
    play.pass_time(EVERY)
    play.open().close()
    play.end_hooks()
    assert play.desk.told[0].failures == ["connect"]
    play.open().say(chunked(SAID))
    assert answer(play.answered).body == STILL + SAID
    check_end(play)


def test_so_may_its_connection_after_the_reply() -> None:
    play = waiting("one", hold=("responseheaders",))
    peer = play.open()
    play.pass_time(EVERY)
    peer.say(chunked(SAID)).close()
    play.end_hooks()
    assert answer(play.answered).body == STILL + SAID
    check_end(play)


@pytest.mark.parametrize("early_head", [True, False])
def test_a_hook_may_put_a_whole_answer_in_the_place_of_a_head(early_head: bool) -> None:
    play = waiting("one")
    decide = play.desk.hook

    def answering(hook: commands.StartHook) -> None:
        decide(hook)
        if hook.name == "responseheaders":
            hook.args()[0].response = http.Response.make(500, b"no")

    play.desk.hook = answering  # type: ignore[method-assign]
    peer = play.open()
    play.pass_time(EVERY) if early_head else peer.say(HEAD, chunk(ROLE + TEXT))
    assert (answer(play.answered).status, answer(play.answered).body) == (500, b"no")
    assert peer.closed
    play.pass_time(60)
    check_end(play)


# what it costs


def test_many_requests_on_a_connection_share_one_alarm() -> None:
    play = waiting("one", "two")
    asked: Counter[float] = Counter()
    carry_out = play._carry_out

    def count(command: commands.Command) -> None:
        asked["wakeups"] += isinstance(command, commands.RequestWakeup)
        carry_out(command)

    play._carry_out = count  # type: ignore[method-assign]
    peer = play.open().say(chunked(SAID))
    for _ in range(50):
        play.ask(ASK)
        peer.say(chunked(SAID))
    assert len(answers(play.answered, 51)) == 51
    assert not asked["wakeups"]
