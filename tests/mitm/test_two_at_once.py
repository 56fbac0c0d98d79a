"""An attempt that is late gets another one beside it: one answer, whichever is first, and nothing of the other."""

import h2.errors
import pytest
from cases import every
from h2_sides import H2Client, H2Upstream
from hypothesis import given
from hypothesis import strategies as st
from playbook import Peer, Play
from scripted_desk import ScriptedDesk
from test_any_order import REPLIES, STAYS, check_ends, check_stream
from upstream_bytes import ASK, END, FAULT, HEAD, LAST, REFUSAL, ROLE, SAID, TEXT, WHOLE, answer, chunk, chunked, sized

LATE = 2.0
CANCEL = h2.errors.ErrorCodes.CANCEL


def late(*hosts: str, stream: bool = True, **more: float | None) -> Play:
    play = Play(ScriptedDesk(hosts or ["one", "two", "three"], stream=stream, every=more.get("every")))
    play.desk.hedge_after = LATE
    play.ask(ASK)
    return play


def both(play: Play) -> tuple[Peer, Peer]:
    """Let the first be late, and the second be there."""
    first = play.open()
    play.pass_time(LATE)
    return first, play.open()


def check(play: Play, by: str, *failures: str) -> bytes:
    """Give the body of the one answer, which is by that host, after these failures."""
    reply = answer(play.answered)
    assert reply.status == 200
    assert b"route: " + by.encode() in play.answered
    assert play.desk.told[0].failures == [*failures]
    assert play.desk.told[0].flow.server_conn.address == (by, 80)
    assert play.fired["response"] == 1
    assert not play.fired["error"]
    assert not play.dials
    assert not play.leaks()
    return reply.body


def test_nobody_is_asked_beside_one_that_is_in_time() -> None:
    play = late()
    first = play.open()
    play.pass_time(LATE - 0.1)
    first.say(HEAD, chunk(ROLE), chunk(TEXT))
    play.pass_time(LATE)
    first.say(chunk(END), LAST)
    assert check(play, "one") == SAID
    assert not play.fired["hedge"]


@every("head", [b"", HEAD, HEAD + chunk(ROLE)])
@every("wins", [0, 1])
def test_what_says_something_first_is_the_answer(wins: int, head: bytes) -> None:
    play = late()
    peers = both(play)
    peers[1 - wins].say(*([head] if head else []))
    peers[wins].say(HEAD, chunk(ROLE), chunk(TEXT))
    assert peers[1 - wins].closed
    assert not peers[wins].closed
    peers[1 - wins].say(HEAD, chunk(SAID), LAST)
    peers[wins].say(chunk(END), LAST)
    assert check(play, ["one", "two"][wins], "hedged") == SAID


@pytest.mark.parametrize("wins", [0, 1])
def test_a_whole_reply_is_content_when_it_is_complete(wins: int) -> None:
    play = late(stream=False)
    peers = both(play)
    reply = sized(WHOLE)
    peers[1 - wins].say(reply[:-1])
    peers[wins].say(reply)
    assert peers[1 - wins].closed
    assert check(play, ["one", "two"][wins], "hedged") == WHOLE


def test_each_is_sent_its_own_request() -> None:
    play = late()
    first, second = both(play)
    assert b"host: one" in first.heard
    assert b"host: two" in second.heard
    assert first.heard.partition(b"\r\n\r\n")[2] == second.heard.partition(b"\r\n\r\n")[2] != b""
    second.say(HEAD, chunk(SAID), LAST)
    check(play, "two", "hedged")
    assert play.desk.told[0].flow.request.host == "two"


def test_two_at_one_place_have_a_connection_each() -> None:
    play = late("one", "one")
    first, second = both(play)
    assert first.conn is not second.conn
    first.say(HEAD, chunk(SAID), LAST)
    assert second.closed
    assert check(play, "one", "hedged") == SAID


def test_a_dial_that_takes_long_is_given_up_too() -> None:
    play = late()
    play.pass_time(LATE)
    assert len(play.dials) == 2
    slow = play.dials.pop(0)
    play.open().say(HEAD, chunk(SAID), LAST)
    play.dials.insert(0, slow)
    assert slow.connection.error == "given up"
    play.refuse("connection cancelled")
    assert check(play, "two", "hedged") == SAID


FAILS = {
    "status": ("500", [sized(REFUSAL, 500)]),
    "fault": ("fault", [HEAD, chunk(ROLE), chunk(FAULT), LAST]),
    "empty": ("empty", [HEAD, chunk(ROLE + END), LAST]),
    "cut": ("cut", [HEAD, chunk(ROLE)]),
}


@every("how", FAILS)
@every("fails", [0, 1])
def test_where_one_fails_the_other_goes_on_alone(how: str, fails: int) -> None:
    play = late()
    peers = both(play)
    label, says = FAILS[how]
    peers[fails].say(*says)
    if how == "cut":
        peers[fails].close()
    assert not play.fired["next_attempt"]
    assert not play.dials
    peers[1 - fails].say(HEAD, chunk(SAID), LAST)
    assert check(play, ["two", "one"][fails], label) == SAID


def test_a_second_that_cannot_be_reached_leaves_the_first_alone() -> None:
    play = late()
    first = play.open()
    play.pass_time(LATE)
    play.refuse()
    first.say(HEAD, chunk(SAID), LAST)
    assert check(play, "one", "connect") == SAID


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_both_fail_the_plan_goes_on(order: tuple[int, int]) -> None:
    play = late()
    peers = both(play)
    for which in order:
        peers[which].say(sized(REFUSAL, 500))
    assert play.fired["next_attempt"] == 1
    play.open().say(HEAD, chunk(SAID), LAST)
    assert check(play, "three", "500", "500") == SAID
    assert play.fired["hedge"] == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_empty_reply_is_better_than_none_only_where_nobody_else_can_answer(order: tuple[int, int]) -> None:
    play = late("one", "two")
    peers = both(play)
    for which in order:
        peers[which].say(HEAD, chunk(ROLE + END), LAST)
    assert check(play, ["one", "two"][order[1]], "empty") == ROLE + END


def test_the_deadlines_of_each_are_its_own() -> None:
    play = late()
    first, second = both(play)
    play.pass_time(20 - LATE)
    assert play.desk.told[0].failures == ["deadline first byte"]
    assert first.closed
    second.say(HEAD)
    play.pass_time(31)
    assert not second.closed
    second.say(chunk(SAID), LAST)
    assert check(play, "two", "deadline first byte") == SAID


def test_the_deadline_of_the_whole_request_ends_both() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True))
    play.desk.hedge_after, play.desk.until = LATE, play.now + 5
    play.ask(ASK)
    first, second = both(play)
    play.pass_time(5 - LATE)
    assert first.closed
    assert second.closed
    assert play.desk.told[0].failures == ["deadline total"] * 2
    assert answer(play.answered).status == 503
    assert not play.leaks()


@pytest.mark.parametrize("when", ["dialling", "asked", "heads", "won by the first", "won by the second"])
def test_a_client_that_leaves_ends_both(when: str) -> None:
    play = late()
    first = play.open()
    play.pass_time(LATE)
    peers = [first] if when == "dialling" else [first, play.open()]
    match when:
        case "heads":
            for peer in peers:
                peer.say(HEAD, chunk(ROLE))
        case "won by the first":
            first.say(HEAD, chunk(ROLE + TEXT))
        case "won by the second":
            peers[1].say(HEAD, chunk(ROLE + TEXT))
    play.hang_up()
    assert all(peer.closed for peer in peers)
    assert not play.dials
    assert play.fired["error"] == 1
    assert not play.fired["response"]
    failures = play.desk.told[0].failures
    assert sorted(failures) == (["client_gone", "hedged"] if "won" in when else ["client_gone"] * 2)
    play.end()
    assert not play.leaks()


def test_a_client_that_leaves_while_the_second_is_chosen_has_nobody_else_asked() -> None:
    play = late()
    first = play.open()
    play.hold.add("hedge")
    play.pass_time(LATE)
    play.hang_up()
    play.end_hooks()
    assert first.closed
    assert not play.dials
    assert play.fired["error"] == 1
    play.end()
    assert not play.leaks()


def test_what_the_first_says_while_the_second_is_chosen_wins() -> None:
    play = late()
    first = play.open()
    play.hold.add("hedge")
    play.pass_time(LATE)
    first.say(HEAD, chunk(SAID), LAST)
    play.end_hooks()
    assert check(play, "one", "hedged") == SAID


def test_a_choice_of_nobody_changes_nothing() -> None:
    play = late("one")
    first = play.open()
    play.pass_time(LATE)
    assert play.fired["hedge"] == 1
    assert not play.dials
    first.say(HEAD, chunk(SAID), LAST)
    assert check(play, "one") == SAID


def test_a_person_who_kills_the_flow_ends_both() -> None:
    play = late()
    first, second = both(play)
    flow = play.desk.told[0].flow
    flow.kill()
    play.turn(flow)
    assert first.closed
    assert second.closed
    assert play.fired["error"] == 1
    play.end()
    assert not play.leaks()


@pytest.mark.parametrize("wins", [0, 1])
def test_the_client_is_kept_meanwhile(wins: int) -> None:
    play = late(every=1.0)
    peers = both(play)
    play.pass_time(1)
    peers[wins].say(HEAD, chunk(SAID), LAST)
    body = answer(play.answered).body
    assert body.startswith(b": keep-alive\n\n")
    assert body.replace(b": keep-alive\n\n", b"") == SAID
    assert play.desk.told[0].failures == ["hedged"]
    assert not play.leaks()


def chat(text: str) -> bytes:
    return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"' + text.encode() + b'"}}]}\n\n'


@pytest.mark.parametrize("wins", [0, 1])
def test_another_goes_on_with_what_the_first_of_two_has_begun(wins: int) -> None:
    play = Play(ScriptedDesk(["one", "two", "three"], stream=True))
    play.desk.hedge_after, play.desk.resume = LATE, True
    play.ask(ASK)
    both(play)[wins].say(HEAD, chunk(ROLE), chunk(chat("Once upon a time there was"))).close()
    play.open().say(HEAD, chunk(ROLE), chunk(chat(" a gateway.")), chunk(END), LAST)
    body = answer(play.answered).body
    assert b"there was" in body
    assert b" a gateway." in body
    assert body.count(b"[DONE]") == 1
    assert b'"error"' not in body
    assert sorted(play.desk.told[0].failures) == ["cut", "hedged"]
    assert not play.leaks()


def test_the_next_request_of_the_client_finds_all_as_it_was() -> None:
    play = late()
    _, second = both(play)
    second.say(HEAD, chunk(SAID), LAST)
    play.ask(ASK)
    play.open().say(chunked(SAID))
    assert play.answered.count(b"[DONE]") == 2
    assert not play.leaks()


@pytest.mark.parametrize("wins", [0, 1])
def test_who_speaks_http2_keeps_its_connection_and_has_its_stream_reset(wins: int) -> None:
    play = late()
    peers = [H2Upstream(play.open(b"h2"))]
    play.pass_time(LATE)
    peers.append(H2Upstream(play.open(b"h2")))
    peers[wins].head(1)
    peers[wins].body(1, SAID, end=True)
    peers[1 - wins].flush()
    assert peers[1 - wins].resets == {1: CANCEL}
    assert not peers[1 - wins].peer.closed
    assert check(play, ["one", "two"][wins], "hedged") == SAID


def test_two_requests_on_one_connection_are_hedged_apart() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=True), alpn=b"h2")
    play.desk.hedge_after = LATE
    client = H2Client(play)
    asked = [client.ask(), client.ask()]
    ones = [play.open() for _ in asked]
    play.pass_time(LATE)
    twos = [play.open() for _ in asked]
    twos[1].say(HEAD, chunk(SAID), LAST)
    assert sorted(peer.closed for peer in ones) == [False, True]  # their times are over in any order
    next(peer for peer in ones if not peer.closed).say(HEAD, chunk(SAID), LAST)
    assert twos[0].closed
    client.flush()
    assert [client.bodies[stream] for stream in asked] == [SAID] * 2
    assert [told.failures for told in play.desk.told] == [["hedged"]] * 2
    assert not play.leaks()


SPOKEN = ["say"] * 8 + ["open", "open", "refuse", "close", "wait", "hold", "end_hook"]
type Steps = list[tuple[str, int]]
STEPS = st.lists(st.tuples(st.sampled_from(SPOKEN), st.integers(0, 10_000)), max_size=25)
SAYS = st.lists(st.one_of(st.sampled_from([chunked(SAID), sized(WHOLE)]), st.sampled_from(REPLIES)), min_size=4)


class Race:
    """Two upstreams that say what they say piece by piece, in turns that numbers choose."""

    def __init__(self, play: Play, says: list[bytes], *, both_there: bool) -> None:
        self.play, self.says = play, [bytearray(said) for said in says]
        self.peers: list[Peer] = []
        self.open(0)
        play.pass_time(LATE)
        if both_there:
            self.open(0)

    def do(self, steps: Steps) -> None:
        for what, number in steps:
            getattr(self, what)(number)

    def open(self, number: int) -> None:
        if self.play.dials and len(self.peers) < len(self.says):
            self.peers.append(self.play.open())

    def refuse(self, number: int) -> None:
        if self.play.dials:
            self.play.refuse()

    def say(self, number: int) -> None:
        live = [(peer, left) for peer, left in zip(self.peers, self.says, strict=False) if not peer.closed and left]
        if live:
            peer, left = live[number % len(live)]
            size = number % 400 if number % 3 else len(left)
            said = bytes(left[:size])
            del left[:size]
            peer.say(said)

    def close(self, number: int) -> None:
        self.peers[number % len(self.peers)].close()

    def wait(self, number: int) -> None:
        self.play.pass_time((0.1, 1, 12, 25)[number % 4])

    def hold(self, number: int) -> None:
        self.play.hold ^= {("hedge", "next_attempt", "responseheaders", "response", "read_reply")[number % 5]}

    def end_hook(self, number: int) -> None:
        if self.play.held:
            self.play.end_hook()

    def settle(self) -> None:
        for _ in range(10):
            self.play.end_hooks()
            while self.play.dials:
                self.play.refuse()
            self.play.pass_time(60)


@given(st.booleans(), st.booleans(), st.sampled_from([None, 0.5]), st.integers(2, 4), SAYS, STEPS)
@STAYS
def test_whatever_both_say_there_is_one_whole_answer(
    stream: bool, both_there: bool, every: float | None, hosts: int, says: list[bytes], steps: Steps
) -> None:
    play = late(*["one", "two", "one", "three"][:hosts], stream=stream, every=every)
    race = Race(play, says, both_there=both_there)
    race.do(steps)
    race.settle()
    reply = answer(play.answered)
    assert reply.status in (200, 503)
    if stream and reply.status == 200:
        check_stream(reply.body)
    told = play.desk.told[0]
    assert play.fired["hedge"]
    [shown] = [attempt for attempt in told.attempts if attempt.content_at is not None] or [None]
    assert all(attempt.failure for attempt in told.attempts if attempt is not shown)
    assert [attempt.failure.kind for attempt in told.attempts if attempt.failure].count("hedged") <= (shown is not None)
    if shown:
        assert told.flow.request.host == told.hosts[told.attempts.index(shown)]
    check_ends(play)
    play.end()
    check_ends(play)


@given(st.booleans(), st.booleans(), st.integers(2, 4), SAYS, STEPS, STEPS)
@STAYS
def test_whenever_the_client_leaves_both_are_ended(
    stream: bool, both_there: bool, hosts: int, says: list[bytes], steps: Steps, rest: Steps
) -> None:
    play = late(*["one", "two", "one", "three"][:hosts], stream=stream)
    race = Race(play, says, both_there=both_there)
    race.do(steps)
    busy = play.held or play.hold
    play.hang_up()
    if not busy:
        assert not play.dials
        assert not play.layer.streams
    before = play.answered
    race.do(rest)
    play.end()
    assert play.answered == before
    check_ends(play)
