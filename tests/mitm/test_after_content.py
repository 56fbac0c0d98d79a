"""What happens once the client has heard something: no second attempt, and always an end."""

import gzip
import json
import zlib

import pytest
from cases import every
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, END, FAULT, HEAD, LAST, ROLE, SAID, TEXT, WHOLE, answer, chunk, chunked, sized


def streaming(*hosts: str) -> Play:
    play = Play(ScriptedDesk(hosts or ["one", "two"], stream=True))
    play.ask(ASK)
    return play


def told(body: bytes) -> dict[str, str]:
    """Read the error event that ends a broken stream."""
    last = next(frame for frame in reversed(body.split(b"\n\n")) if frame and b"[DONE]" not in frame)
    error: dict[str, str] = json.loads(last.removeprefix(b"data: "))["error"]
    return error


@every("end", ["cut", "garbled", "hang", "fault", "junk", "early end"])
def test_the_client_reads_the_failure_inside_its_stream(end: str) -> None:
    play = streaming()
    peer = play.open().say(HEAD, chunk(ROLE), chunk(TEXT))
    assert play.answered.endswith(chunk(ROLE + TEXT))
    match end:
        case "cut":
            peer.close()
        case "garbled":
            peer.say(b"this is no chunk\r\n")
        case "hang":
            play.pass_time(29)
            assert not play.desk.told[0].failures
            play.pass_time(1)
        case "fault":
            peer.say(chunk(FAULT))
        case "junk":
            peer.say(chunk(b"data: {oops\n\n"))
        case "early end":
            peer.say(LAST)
    reply = answer(play.answered)
    assert reply.status == 200
    assert reply.body.startswith(ROLE + TEXT)
    assert told(reply.body)["message"]
    label = {"hang": "deadline idle", "fault": "fault", "junk": "garbage"}.get(end, "cut")
    assert play.desk.told[0].failures == [label]
    assert play.fired["response"] == 1
    assert not play.fired["next_attempt"] + play.fired["error"] + len(play.dials)
    assert peer.closed or end == "early end"
    assert not play.leaks()


def chat(text: str) -> bytes:
    return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"' + text.encode() + b'"}}]}\n\n'


BEGUN = "Once upon a time there was a gateway that"
"""Long enough for half of it to be known again."""


def resuming(*hosts: str) -> Play:
    play = Play(ScriptedDesk(hosts, stream=True))
    play.desk.resume = True
    play.ask(ASK)
    return play


def text_of(body: bytes) -> str:
    said = [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
    return "".join(c["delta"].get("content") or "" for chunk in said for c in chunk.get("choices", []))


@pytest.mark.parametrize("end", ["cut", "hang", "fault", "junk", "early end"])
def test_another_goes_on_with_the_same_stream(end: str) -> None:
    play = resuming("one", "two")
    peer = play.open().say(HEAD, chunk(ROLE), chunk(chat(BEGUN)))
    match end:
        case "cut":
            peer.close()
        case "hang":
            play.pass_time(30)
        case "fault":
            peer.say(chunk(FAULT))
        case "junk":
            peer.say(chunk(b"data: {oops\n\n"))
        case "early end":
            peer.say(LAST)
    play.open().say(HEAD, chunk(ROLE), chunk(chat(BEGUN[20:] + " goes on")), chunk(END), LAST)
    reply = answer(play.answered)
    assert reply.status == 200
    assert text_of(reply.body) == BEGUN + " goes on"
    assert reply.body.count(b"[DONE]") == 1
    assert b'"error"' not in reply.body
    assert play.fired["response"] == 1
    assert play.fired["next_attempt"] == 1
    assert not play.leaks()


@pytest.mark.parametrize("end", ["refused", "status", "cut", "cut again"])
def test_who_cannot_go_on_ends_the_stream_as_before(end: str) -> None:
    play = resuming("one", "two")
    play.open().say(HEAD, chunk(ROLE), chunk(chat(BEGUN))).close()
    match end:
        case "refused":
            play.refuse()
        case "status":
            play.open().say(sized(b"{}", 500))
        case "cut":
            play.open().say(HEAD).close()
        case "cut again":
            play.open().say(HEAD, chunk(chat(" goes on and on, ")), chunk(chat("and"))).close()
    reply = answer(play.answered)
    assert text_of(reply.body) == BEGUN + (" goes on and on, and" if end == "cut again" else "")
    assert told(reply.body)["message"]
    assert play.fired["response"] == 1
    assert not play.leaks()


def test_each_piece_puts_the_idle_deadline_off() -> None:
    play = streaming()
    peer = play.open().say(HEAD, chunk(ROLE + TEXT))
    for _ in range(10):
        play.pass_time(29)
        peer.say(chunk(TEXT))
    peer.say(chunk(END), LAST)
    assert answer(play.answered).body == ROLE + TEXT * 11 + END
    assert not play.desk.told[0].failures


@pytest.mark.parametrize("end", ["cut", "hang", "garbled"])
def test_a_reply_that_is_whole_stays_whole_whatever_comes_after(end: str) -> None:
    play = streaming()
    peer = play.open().say(HEAD, chunk(SAID))
    match end:
        case "cut":
            peer.close()
        case "hang":
            play.pass_time(30)
        case "garbled":
            peer.say(b"this is no chunk\r\n")
    assert answer(play.answered).body == SAID
    assert not play.desk.told[0].failures
    assert play.fired["response"] == 1
    assert peer.closed
    assert not play.leaks()


def test_a_compressed_stream_is_passed_on_as_it_reads() -> None:
    play = streaming()
    body = gzip.compress(SAID)
    play.open().say(sized(body, 200, b"content-encoding: gzip")[:-5], body[-5:])
    assert answer(play.answered).body == SAID


def test_a_compressed_whole_reply_is_passed_on_as_it_reads() -> None:
    play = Play(ScriptedDesk(["one"], stream=False))
    play.ask(ASK)
    play.open().say(sized(gzip.compress(WHOLE), 200, b"content-encoding: gzip"))
    assert answer(play.answered).body == WHOLE


def test_a_compression_that_breaks_ends_the_stream() -> None:
    play = streaming()
    packer = zlib.compressobj(wbits=31)
    begun = packer.compress(ROLE + TEXT) + packer.flush(2)
    peer = play.open().say(HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), chunk(begun))
    assert play.answered.endswith(chunk(ROLE + TEXT))
    peer.say(chunk(b"\xffno deflate\n\n"))
    reply = answer(play.answered)
    assert b"no deflate" not in reply.body
    assert told(reply.body)
    assert play.desk.told[0].failures == ["garbage"]
    assert peer.closed


def test_an_http_1_0_client_gets_a_stream_that_ends_by_closing() -> None:
    play = Play(ScriptedDesk(["one"], stream=True))
    play.ask(ASK.replace(b"HTTP/1.1", b"HTTP/1.0"))
    play.open().say(chunked(SAID))
    assert play.left
    assert play.answered.endswith(b"\r\n\r\n" + SAID)


def test_what_was_said_stays_with_the_flow() -> None:
    play = streaming()
    play.open().say(chunked(SAID))
    response = play.desk.told[0].flow.response
    assert response
    assert response.raw_content == SAID
