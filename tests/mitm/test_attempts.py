"""Every way in which an upstream fails before its first content, and the next target that makes up for it."""

from collections.abc import Callable

import pytest
from cases import every
from playbook import Play
from scripted_desk import SECRET, ScriptedDesk
from upstream_bytes import ASK, END, FAULT, HEAD, REFUSAL, ROLE, SAID, WHOLE, answer, chunk, chunked, good, sized

NO_TEXT = b'{"choices": [{"message": {"content": ""}}]}'

type Misdeed = Callable[[Play], object]

REFUSED = "[Errno 111] Connect call failed ('127.0.0.1', 80)"
NO_SUCH_HOST = "[Errno -2] Name or service not known"
TLS = "The remote server does not speak TLS."
CERTIFICATE = "Certificate verify failed: self-signed certificate"


def says(*pieces: bytes) -> Misdeed:
    return lambda play: play.open().say(*pieces)


def cuts(*pieces: bytes) -> Misdeed:
    return lambda play: play.open().say(*pieces).close()


def hangs(seconds: float, *pieces: bytes) -> Misdeed:
    def misdeed(play: Play) -> None:
        play.open().say(*pieces)
        attempts = len(play.desk.told[-1].attempts)
        play.pass_time(seconds - 1)
        assert len(play.desk.told[-1].failures) < attempts, "given up too early"
        play.pass_time(1)

    return misdeed


def never_opens(play: Play) -> None:
    play.pass_time(9)
    assert not play.desk.told[-1].failures
    play.pass_time(1)


BOTH: dict[str, tuple[Misdeed, str]] = {
    "refused": (lambda play: play.refuse(REFUSED), "connect"),
    "no such host": (lambda play: play.refuse(NO_SUCH_HOST), "connect"),
    "no TLS": (lambda play: play.refuse(TLS), "tls"),
    "certificate": (lambda play: play.refuse(CERTIFICATE), "tls"),
    "dials for ever": (never_opens, "deadline connect"),
    "429": (says(sized(REFUSAL, 429, b"retry-after: 7")), "429"),
    "500 in pieces": (says(sized(b"", 500)[:20], sized(b"", 500)[20:]), "500"),
    "404 without an end": (hangs(10, b"HTTP/1.1 404 So\r\ncontent-length: 9\r\n\r\nnot"), "404"),
    "503 that is cut": (cuts(b"HTTP/1.1 503 So\r\ncontent-length: 9\r\n\r\nnot"), "503"),
    "401 with a body over the limit": (says(sized(b"x" * 300_000, 401, missing=1)), "401"),
    "interim responses without end": (says(b"HTTP/1.1 100 Continue\r\n\r\n" * 17), "garbage"),
    "101": (says(b"HTTP/1.1 101 Switching\r\n\r\n"), "101"),
    "closes at once": (cuts(), "cut"),
    "not HTTP": (says(b"SSH-2.0-box\r\n\r\n"), "garbage"),
    "not HTTP and closes": (cuts(b"SSH-2.0-box"), "garbage"),
    "prose": (says(sized(b"once upon a time")), "garbage"),
    "an unknown encoding": (says(sized(b"x", 200, b"content-encoding: rot13")), "garbage"),
    "not in its encoding": (says(sized(b"not gzip at all", 200, b"content-encoding: gzip")), "garbage"),
    "no content, sized": (says(sized(b"")), "empty"),
    "no content, chunked": (says(HEAD, b"0\r\n\r\n"), "empty"),
}
WHOLES: dict[str, tuple[Misdeed, str]] = {
    "no first byte": (hangs(50), "deadline first content"),
    "no body": (hangs(50, HEAD), "deadline first content"),
    "half a body": (hangs(50, sized(WHOLE, missing=5)), "deadline first content"),
    "cut, sized": (cuts(sized(WHOLE, missing=1)), "cut"),
    "cut, chunked": (cuts(HEAD, chunk(WHOLE)), "cut"),
    "error in a 200": (says(sized(REFUSAL)), "fault"),
    "no text": (says(sized(NO_TEXT)), "empty"),
    "half a JSON": (says(sized(WHOLE[:-1])), "garbage"),
}
STREAMS: dict[str, tuple[Misdeed, str]] = {
    "no first byte": (hangs(20), "deadline first byte"),
    "no body": (hangs(50, HEAD), "deadline first content"),
    "the role, then nothing": (hangs(50, HEAD, chunk(ROLE)), "deadline first content"),
    "cut, sized": (cuts(sized(SAID, missing=len(SAID) - len(ROLE) - 5)), "cut"),
    "cut, chunked": (cuts(HEAD, chunk(ROLE)), "cut"),
    "an end without a word": (cuts(HEAD, chunk(ROLE + END)), "empty"),
    "an end too early": (says(chunked(ROLE)), "cut"),
    "error event": (says(HEAD, chunk(ROLE), chunk(FAULT)), "fault"),
    "error as a lone object": (says(sized(REFUSAL)), "fault"),
    "junk in a frame": (says(HEAD, chunk(b"data: {oops\n\n")), "garbage"),
    "a page": (says(sized(b"<html>Bad gateway</html>")), "garbage"),
}
CASES = [(name, stream, *case) for stream in (False, True) for name, case in BOTH.items()]
CASES += [(name, False, *case) for name, case in WHOLES.items()]
CASES += [(name, True, *case) for name, case in STREAMS.items()]


@every(("stream", "misdeed", "label"), [case[1:] for case in CASES], ids=[f"{c[0]}-{'stream' * c[1]}" for c in CASES])
def test_a_failure_before_content_is_hidden_by_the_next_target(stream: bool, misdeed: Misdeed, label: str) -> None:
    play = Play(ScriptedDesk(["bad", "good"], stream=stream))
    play.ask(ASK)
    misdeed(play)
    told = play.desk.told[0]
    assert told.failures == [label]
    assert not play.answered
    assert play.dials[0].connection.address == ("good", 80)
    play.open().say(good(stream))
    reply = answer(play.answered)
    assert (reply.status, reply.headers["route"]) == (200, "good")
    assert reply.body == (SAID if stream else WHOLE)
    assert play.hooks == ["requestheaders", "request", "next_attempt", "responseheaders", "response"]
    assert not play.leaks()


@every(("stream", "misdeed", "label"), [case[1:] for case in CASES], ids=[f"{c[0]}-{'stream' * c[1]}" for c in CASES])
def test_a_failure_of_the_last_target_is_one_answer(stream: bool, misdeed: Misdeed, label: str) -> None:
    play = Play(ScriptedDesk(["bad"], stream=stream))
    play.ask(ASK)
    misdeed(play)
    reply = answer(play.answered)
    if reply.status == 200:
        assert reply.body in (NO_TEXT, ROLE + END)  # a whole but empty reply is better than none
    else:
        assert play.desk.told[0].failures == [label]
        assert (reply.status, reply.headers["content-type"]) == (503, "application/json")
    assert play.fired["response"] == 1
    assert not play.fired["error"]
    assert not play.leaks()


def test_what_an_upstream_said_of_its_error_is_kept() -> None:
    play = Play(ScriptedDesk(["bad"], stream=True))
    play.ask(ASK)
    play.open().say(sized(REFUSAL, 429, b"retry-after: 7"))
    failure = play.desk.told[0].attempts[0].failure
    assert failure
    assert (failure.status, failure.retry_after, failure.body) == (429, 7.0, REFUSAL)


@pytest.mark.parametrize("stream", [False, True])
def test_six_failing_targets_then_a_good_one(stream: bool) -> None:
    names = ["refused", "429", "not HTTP", "closes at once", "no first byte", "no content, sized"]
    play = Play(ScriptedDesk([*names, "good"], stream=stream))
    play.ask(ASK)
    cases = BOTH | (STREAMS if stream else WHOLES)
    for name in names:
        cases[name][0](play)
    play.open().say(good(stream))
    assert answer(play.answered).headers["route"] == "good"
    assert play.desk.told[0].failures == [cases[name][1] for name in names]
    assert play.fired == {"requestheaders": 1, "request": 1, "next_attempt": 6, "responseheaders": 1, "response": 1}
    assert not play.leaks()


def test_the_credential_is_sent_and_never_kept() -> None:
    play = Play(ScriptedDesk(["one", "two"], stream=False))
    play.ask(ASK)
    first = play.open()
    first.say(sized(b"", 500))
    second = play.open()
    second.say(good(False))
    for peer in (first, second):
        assert f"authorization: Bearer {SECRET}".encode() in peer.heard
        assert peer.heard.endswith(b"\r\n\r\n{}")
    assert SECRET not in repr(play.desk.told[0].flow.get_state())
    assert SECRET not in repr(play.desk.told[0].attempts)


def test_times_are_noted() -> None:
    play = Play(ScriptedDesk(["one"], stream=True))
    start = play.now
    play.ask(ASK)
    play.pass_time(1)
    peer = play.open()
    play.pass_time(1)
    peer.say(HEAD, chunk(ROLE))
    play.pass_time(1)
    peer.say(chunk(SAID))
    play.pass_time(1)
    peer.say(b"0\r\n\r\n")
    attempt = play.desk.told[0].attempts[0]
    noted = (attempt.started, attempt.head_at, attempt.content_at, attempt.ended)
    assert noted == (start, start + 2, start + 3, start + 4)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_trailers_end_a_reply_as_its_end_does(stream: bool) -> None:
    """mitmproxy raises on trailers in HTTP/1, which would leave the client to its deadline."""
    play = Play(ScriptedDesk(["one"], stream=stream))
    play.ask(ASK)
    whole = good(stream)
    assert whole.endswith(b"0\r\n\r\n") or not stream
    if not stream:
        head, _, body = whole.partition(b"\r\n\r\n")
        whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(body) + b"0\r\n\r\n"
        assert head
    play.open().say(whole.removesuffix(b"\r\n") + b"x-checksum: 1\r\n\r\n")
    assert answer(play.answered).status == 200
    assert play.fired["response"] == 1
    play.end()
    assert not play.leaks()
