"""Handshakes that fail, by way of mitmproxy's own TLS layer."""

import pytest
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.tls import TlsStartServerHook
from OpenSSL import SSL
from playbook import Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, answer


def start_tls(hook: commands.StartHook) -> None:
    if isinstance(hook, TlsStartServerHook):
        hook.data.ssl_conn = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
        hook.data.ssl_conn.set_connect_state()


def asked() -> Play:
    desk = ScriptedDesk(["one", "two"], stream=True, tls=True)
    desk.other = start_tls
    play = Play(desk)
    play.ask(ASK)
    return play


@pytest.mark.parametrize("end", ["prose", "closes", "hangs", "refuses"])
def test_a_handshake_that_fails(end: str) -> None:
    play = asked()
    for _ in range(2):
        if end == "refuses":
            play.refuse()
            continue
        peer = play.open()
        assert peer.heard.startswith(b"\x16\x03"), "no ClientHello"
        match end:
            case "prose":
                peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case "closes":
                peer.close()
            case "hangs":
                play.pass_time(10)
        assert peer.closed
    assert answer(play.answered).status == 503
    label = {"refuses": "connect", "hangs": "deadline connect", "closes": "connect"}.get(end, "tls")
    assert play.desk.told[0].failures == [label] * 2
    assert not play.leaks()


def test_a_client_that_leaves_during_the_handshake() -> None:
    play = asked()
    peer = play.open()
    play.hang_up()
    assert peer.closed
    assert (play.fired["error"], play.fired["response"]) == (1, 0)
    play.end()
    assert not play.leaks()


def test_a_handshake_that_fails_while_its_hook_runs() -> None:
    play = asked()
    play.hold.add("tls_failed_server")
    peer = play.open()
    peer.close()
    play.pass_time(10)
    play.end_hooks()
    assert len(play.desk.told[0].failures) == 1
    play.refuse()
    assert answer(play.answered).status == 503
    assert not play.leaks()
