"""Whatever happens in whatever order: one whole answer for each request, one end for each flow, nothing kept."""

import gzip
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
    answers,
    chunk,
    chunked,
    sized,
)

from omniroute.config.server_limits import ServerLimits

ZIPPED = b"content-encoding: gzip"
CLOSE = b"connection: close"
REPLIES = [
    chunked(SAID),
    sized(SAID),
    sized(SAID, 200, CLOSE),
    sized(WHOLE),
    chunked(WHOLE),
    sized(WHOLE, 200, CLOSE),
    b"HTTP/1.0 200 OK\r\n\r\n" + SAID,
    b"HTTP/1.1 200 OK\r\n\r\n" + WHOLE,
    sized(gzip.compress(SAID), 200, ZIPPED),
    sized(gzip.compress(WHOLE), 200, ZIPPED),
    sized(gzip.compress(SAID)[:-20] + b"no deflate, surely", 200, ZIPPED),
    HEAD + chunk(ROLE) + chunk(FAULT) + LAST,
    HEAD + chunk(ROLE + TEXT) + chunk(FAULT) + LAST,
    HEAD + chunk(ROLE + TEXT) + LAST,
    HEAD + chunk(ROLE + END) + LAST,
    HEAD + chunk(SAID) + b"no chunk\r\n",
    HEAD + LAST,
    sized(b""),
    sized(REFUSAL),
    sized(REFUSAL, 429, b"retry-after: 1"),
    sized(REFUSAL, 500, CLOSE),
    sized(b"", 404),
    b"HTTP/1.1 204 So\r\n\r\n",
    b"HTTP/1.1 304 So\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + sized(WHOLE),
    b"HTTP/1.1 101 Switching\r\n\r\n",
    b"no HTTP\r\n\r\n",
    b"\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
]
STILL = b": keep-alive"
END_MARK = b"data: [DONE]\n\n"
HOOKS = ["requestheaders", "request", "next_attempt", "hedge", "responseheaders", "response", "error"]


class Stage:
    """Does one thing after another; a number chooses among what can be done now."""

    def __init__(self, play: Play, asks: bytes) -> None:
        self.play, self.asks = play, asks
        self.asked = 0
        self.away = False
        self.peers: list[tuple[Peer, bytearray]] = []
        """Upstreams, each with what it has yet to say."""

    @property
    def live(self) -> list[tuple[Peer, bytearray]]:
        return [pair for pair in self.peers if not pair[0].closed]

    def do(self, steps: list[tuple[str, int]]) -> None:
        for what, number in steps:
            getattr(self, what)(number)

    def go(self, number: int) -> None:
        """Do what would come next if nothing went wrong."""
        if self.play.dials:
            self.open(number)
        elif self.play.layer.streams and self.live:
            (self.say if any(ready for _, ready in self.live) else self.reply)(number)
        else:
            self.ask(number)

    def ask(self, number: int) -> None:
        if not self.away:
            size = number % 200 if number % 2 else len(ASK) - self.asked % len(ASK)
            self.play.ask(self.asks[self.asked : self.asked + size])
            self.asked = min(self.asked + size, len(self.asks))

    def open(self, number: int) -> None:
        if self.play.dials:
            self.peers.append((self.play.open(), bytearray()))

    def refuse(self, number: int) -> None:
        if self.play.dials:
            self.play.refuse()

    def reply(self, number: int) -> None:
        for _, ready in self._one_of_two(number):
            ready += REPLIES[number // 2 % len(REPLIES)]
            self.say(number)

    def _one_of_two(self, number: int) -> list[tuple[Peer, bytearray]]:
        """Give the newest upstream, or in a race now and then the one before it."""
        live = self.live
        return live[-2:-1] if self.play.desk.hedge_after and len(live) > 1 and number % 3 == 0 else live[-1:]

    def say(self, number: int) -> None:
        for peer, ready in self._one_of_two(number):
            size = number % 400 if number % 2 else len(ready)
            said = bytes(ready[:size])
            del ready[:size]
            peer.say(said)

    def close(self, number: int) -> None:
        if live := self.live:
            live[number % len(live)][0].close()

    def wait(self, number: int) -> None:
        self.play.pass_time((0.1, 1, 12, 25, 45)[number % 5])

    def turn(self, number: int) -> None:
        """Tell some request that its turn has come, whether it waits for one or not."""
        if told := self.play.desk.told:
            self.play.turn(told[number % len(told)].flow)

    def hold(self, number: int) -> None:
        self.play.hold ^= {HOOKS[number % len(HOOKS)]}

    def end_hook(self, number: int) -> None:
        if self.play.held:
            self.play.end_hook()

    def leave(self) -> None:
        self.away = True
        self.play.hang_up()

    def settle(self) -> int:
        """Let everything come to its end without help from upstreams; give the number of requests."""
        for _ in range(20):
            self.play.end_hooks()
            while self.play.dials:
                self.play.refuse()
            self.play.pass_time(60)
        return self.asked // len(ASK)


ACTIONS = ["go"] * 12 + ["ask", "open", "refuse", "reply", "say", "close", "wait", "turn", "hold", "end_hook"]
type Steps = list[tuple[str, int]]

STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 10_000)), min_size=10, max_size=60)
STAYS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_ends(play: Play) -> None:
    assert not play.leaks()
    for fired in play.flows.values():
        assert fired["requestheaders"] == 1
        assert fired["response"] + fired["error"] == 1, fired
        assert fired["responseheaders"] <= 1
    for told in play.desk.told:
        assert not told.flow.live
        assert all(attempt.ended for attempt in told.attempts if attempt.started)
        assert sum(attempt.content_at is not None for attempt in told.attempts) <= 1


def check_stream(body: bytes) -> None:
    """Whole frames up to the end, with nothing but keep-alives between them, and none of these after it.

    The end is the mark, but for an upstream that has gone before it when all was said.
    """
    said, mark, rest = body.partition(END_MARK)
    *frames, half = said.split(b"\n\n")
    if mark:
        assert not half
    else:
        assert END_MARK.startswith(half)
        assert b'"finish_reason": "stop"' in next(frame for frame in reversed(frames) if frame != STILL)
    assert all(frame == STILL or json.loads(frame.removeprefix(b"data: ")) for frame in frames)
    assert STILL not in rest


EVERY = st.sampled_from([None, 0.5, 10.0])
"""Seconds of silence before a keep-alive: none, before all that can happen, and at the moment of a deadline."""
PAUSE = st.sampled_from([0.0, 11.0])
"""Seconds that each attempt waits for its turn."""


HEDGE = st.sampled_from([None, 0.0, 1.0, 12.0])
"""Seconds after which another is asked, too."""


def desk(hosts: int, stream: bool, every: float | None, pause: float, hedge: float | None) -> ScriptedDesk:
    made = ScriptedDesk(["a", "b", "a", "c"][:hosts], stream=stream, every=every)
    made.pause, made.turns, made.hedge_after = pause, True, hedge
    made.server_limits = ServerLimits(header_timeout=86400.0, idle_timeout=86400.0)  # requests are cut, and time passes
    return made


@given(st.booleans(), EVERY, PAUSE, HEDGE, st.integers(1, 4), STEPS)
@STAYS
def test_a_client_that_stays_gets_one_whole_answer_to_each_request(
    stream: bool, every: float | None, pause: float, hedge: float | None, hosts: int, steps: Steps
) -> None:
    play = Play(desk(hosts, stream, every, pause, hedge))
    stage = Stage(play, ASK * 3)
    stage.do(steps)
    asked = stage.settle()
    assert not play.left
    read = answers(play.answered, asked)
    assert all(reply.status in (200, 503) for reply in read)
    for reply in read:
        if stream and reply.status == 200:
            check_stream(reply.body)
    assert len(play.desk.told) == asked
    if stage.asked % len(ASK) == 0:
        check_ends(play)
    play.end()
    check_ends(play)


@given(st.booleans(), EVERY, PAUSE, HEDGE, st.integers(1, 4), STEPS, STEPS)
@STAYS
def test_a_client_that_leaves_gets_nothing_more(
    stream: bool, every: float | None, pause: float, hedge: float | None, hosts: int, steps: Steps, rest: Steps
) -> None:
    play = Play(desk(hosts, stream, every, pause, hedge))
    stage = Stage(play, ASK * 3)
    stage.do(steps)
    busy = play.held or play.hold
    stage.leave()
    before = play.answered
    if not busy:
        assert not play.dials
        assert not play.layer.streams
    stage.do(rest)
    assert play.answered == before
    play.end()
    assert play.answered == before
    check_ends(play)
