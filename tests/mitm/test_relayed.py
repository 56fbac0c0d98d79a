"""Requests about the gateway itself: passed on as they are, with no hook, and a word about who asks."""

import pytest
from mitmproxy import http
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, answers, good, sized

from omniroute.mitm.management_relay import PEER, Relay
from omniroute.routing.endpoints import is_managed

RELAY = Relay("127.0.0.1", 4, "the-secret")
GET = b"GET /api/keys HTTP/1.1\r\nhost: my.name:20128\r\ncookie: a=b\r\n\r\n"


class Desk(ScriptedDesk):
    def relay(self, request: http.Request) -> Relay | None:  # type: ignore[override]
        return RELAY if is_managed(request.path) else None


def play() -> Play:
    return Play(Desk(["one"], stream=False))


def test_no_hook_fires_and_the_head_arrives() -> None:
    stage = play()
    stage.ask(b"GET /api/keys HTTP/1.1\r\nhost: my.name\r\nX-OmniRoute-Peer: 1.2.3.4\r\nx-omniroute-peer: x 5\r\n\r\n")
    assert stage.dials[0].connection.address == ("127.0.0.1", 4)
    server = stage.open().say(sized(b"{}", 200))
    heard = server.heard.lower()
    assert b"host: my.name\r\n" in heard
    assert heard.count(PEER.encode()) == 1
    assert b"x-omniroute-peer: the-secret 127.0.0.1\r\n" in heard
    (reply,) = answers(stage.answered, 1)
    assert (reply.status, reply.body) == (200, b"{}")
    assert not stage.hooks
    assert not stage.leaks()


def test_bodies_pass_as_they_come() -> None:
    stage = play()
    stage.ask(b"POST /api/keys HTTP/1.1\r\nhost: h\r\ncontent-length: 6\r\n\r\nabc")
    server = stage.open()
    assert server.heard.endswith(b"abc")
    stage.ask(b"def")
    assert server.heard.endswith(b"abcdef")
    server.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi")
    assert stage.answered.endswith(b"fi")
    server.say(b"rs")
    assert stage.answered.endswith(b"firs")
    assert not stage.hooks


def test_both_kinds_of_request_on_one_connection() -> None:
    stage = play()
    stage.ask(GET)
    panel = stage.open().say(sized(b"{}"))
    stage.ask(ASK)
    stage.open().say(good(False))
    stage.ask(GET)
    panel.say(sized(b"[]"))
    assert [reply.status for reply in answers(stage.answered, 3)] == [200] * 3
    assert stage.hooks.count("request") == 1
    assert not stage.leaks()


@pytest.mark.parametrize("leaves", ["before", "during"])
def test_the_client_may_leave(leaves: str) -> None:
    stage = play()
    stage.ask(GET)
    if leaves == "during":
        stage.open().say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi")
    stage.hang_up()
    assert not stage.hooks


def test_a_server_that_is_not_there() -> None:
    stage = play()
    stage.ask(GET)
    stage.refuse()
    assert answers(stage.answered, 1)[0].status == 502
    assert not stage.hooks


def test_a_websocket_passes_as_bytes() -> None:
    stage = play()
    stage.ask(
        b"GET /api/live HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    server = stage.open().say(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    stage.ask(b"\x81\x85\x00\x00\x00\x00hello")
    assert server.heard.endswith(b"\x81\x85\x00\x00\x00\x00hello")
    server.say(b"\x81\x03all")
    assert stage.answered.endswith(b"\x81\x03all")
    server.close()
    assert not stage.hooks
