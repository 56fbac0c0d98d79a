"""Upstreams that send too much, too little, or what only looks like an answer."""

import gzip
import itertools
import zlib

import brotli
import pytest
from cases import every
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, END, FAULT, HEAD, LAST, ROLE, SAID, TEXT, WHOLE, answer, chunk, chunked, sized

from omniroute.dialects import stream_framing
from omniroute.mitm import upstream_reply
from omniroute.mitm.decompress import PIECE, zstd

PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}
CROWD = b"data: {}\n\n" * 6000
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'


def asking(*hosts: str, stream: bool = True) -> Play:
    play = Play(ScriptedDesk(hosts or ["one"], stream=stream))
    play.ask(ASK)
    return play


def zipped_head(encoding: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ntransfer-encoding: chunked\r\n\r\n" % encoding.encode()


# ---- nothing that only looks like an answer

EMPTY = {
    "the end mark alone": DONE,
    "comments and the end mark": b": a\n\n" * 50 + DONE,
    "the role and the end mark": ROLE + DONE,
    "usage and the end mark": USAGE + DONE,
    "comments": b": a\n\n" * 50,
    "the role twice": ROLE + ROLE,
}


@every("said", EMPTY.values(), ids=EMPTY)
def test_a_stream_without_an_answer_is_a_failure_even_of_the_last_target(said: bytes) -> None:
    play = asking("one", "two")
    play.open().say(chunked(said))
    assert play.desk.told[0].failures[0] in ("empty", "cut")
    play.open().say(chunked(said))
    answered = answer(play.answered)
    assert answered.status == 503
    assert len(play.desk.told[0].failures) == 2
    assert not play.leaks()


@pytest.mark.parametrize("body", [b'{"choices": []}', b'{"choices": [{"message": {"content": ""}}]}'])
def test_so_is_a_whole_reply(body: bytes) -> None:
    play = asking(stream=False)
    play.open().say(sized(body))
    assert answer(play.answered).status == 503
    assert play.desk.told[0].failures == ["empty"]


def test_a_reply_that_is_empty_on_purpose_is_the_answer_of_the_last_target() -> None:
    play = asking(stream=False)
    body = b'{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}'
    play.open().say(sized(body))
    assert (answer(play.answered).status, answer(play.answered).body) == (200, body)


# ---- work in pieces


def test_a_crowded_chunk_lets_the_event_loop_go_on_in_between() -> None:
    play = asking()
    play.open().say(HEAD, chunk(ROLE + TEXT + CROWD), chunk(END), LAST)
    assert answer(play.answered).body == ROLE + TEXT + CROWD + END
    assert play.fired["next_piece"] == len(ROLE + TEXT + CROWD) // stream_framing.PIECE
    assert not play.leaks()


@pytest.mark.parametrize("how", ["leaves", "kill", "late"])
def test_a_flow_may_end_between_two_pieces(how: str) -> None:
    play = Play(ScriptedDesk(["one"], stream=True), hold=["next_piece"])
    play.ask(ASK)
    peer = play.open().say(HEAD, chunk(ROLE + TEXT + CROWD))
    assert len(play.held) == 1
    if how == "leaves":
        play.hang_up()
    elif how == "kill":
        play.held[0].args()[0].kill()
    else:
        play.pass_time(100)
    play.end_hooks()
    if how == "late":
        play.pass_time(100)
    assert peer.closed
    assert play.fired["response"] + play.fired["error"] == 1
    play.end()
    assert not play.leaks()


def test_a_fault_in_one_piece_ends_those_after_it() -> None:
    play = asking("one", "two")
    play.open().say(HEAD, chunk(FAULT + CROWD), LAST)
    assert play.desk.told[0].failures == ["fault"]
    assert not play.fired["next_piece"]
    play.open().say(chunked(SAID))
    assert answer(play.answered).body == SAID


# ---- bounds


@pytest.mark.parametrize("encoding", PACK)
def test_a_compressed_stream_without_content_is_bounded(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_reply, "MAX_PROBE", 1_000_000)
    monkeypatch.setattr(upstream_reply, "MAX_READ", 4_000_000)
    play = asking("one", "two")
    packed = PACK[encoding](b": nothing yet\n\n" * 1_000_000)
    assert len(packed) < 100_000
    play.open().say(zipped_head(encoding), chunk(packed), LAST)
    assert play.desk.told[0].failures == ["garbage"]
    assert play.fired["next_piece"] < 4_000_000 // PIECE * 10
    play.open().say(chunked(SAID))
    assert answer(play.answered).body == SAID


def test_a_translated_stream_without_content_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is held back, as nothing of it is said to the client."""
    monkeypatch.setattr(upstream_reply, "MAX_READ", 300_000)
    play = Play(ScriptedDesk(["one", "two"], stream=True, dialect="claude"))
    play.ask(ASK)
    peer = play.open().say(HEAD)
    for _ in range(10):
        peer.say(chunk(b'data: {"type":"ping"}\n\n' * 2000))
    assert play.desk.told[0].failures == ["garbage"]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("status", [200, 500])
def test_a_compressed_whole_reply_is_bounded(encoding: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_reply, "MAX_REPLY", 1_000_000)
    play = asking("one", "two", stream=False)
    packed = PACK[encoding](b" " * 8_000_000)
    head = zipped_head(encoding).replace(b"200 OK", b"%d So" % status)
    play.open().say(head, chunk(packed), LAST)
    assert play.desk.told[0].failures == ["garbage" if status == 200 else "500"]
    raw = play.desk.told[0].attempts[0].raw
    assert len(raw) < 1_000_000 + 10 * PIECE
    play.open().say(sized(WHOLE))
    assert answer(play.answered).body == WHOLE


@pytest.mark.parametrize("encoding", PACK)
def test_a_compressed_stream_arrives_whole(encoding: str) -> None:
    play = asking()
    packed = PACK[encoding](ROLE + TEXT + CROWD + END)
    peer = play.open().say(zipped_head(encoding))
    for start, end in itertools.pairwise([*range(0, len(packed), 50), len(packed)]):
        peer.say(chunk(packed[start:end]))
    peer.say(LAST)
    assert answer(play.answered).body == ROLE + TEXT + CROWD + END


def test_comments_alone_do_not_put_the_first_content_off() -> None:
    play = asking("one", "two")
    peer = play.open().say(HEAD)
    for _ in range(10):
        peer.say(chunk(b": still there\n\n"))
        play.pass_time(5)
    assert play.desk.told[0].failures == ["deadline first content"]
