"""Dials through a network proxy: what is said to it, what fails with it, and that nothing of it stays."""

from itertools import product

import pytest
from cases import every
from h2_sides import H2Client
from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.tls import TlsStartServerHook
from OpenSSL import SSL
from playbook import Peer, Play
from scripted_desk import ScriptedDesk
from upstream_bytes import ASK, SAID, answer, answers, chunked, good, sized

from omniroute.mitm.tunnel import ProxiedServer
from omniroute.netproxy.proxy_url import Proxy, read_proxy

HTTP = read_proxy("http://user:Okapi9mN3b@proxy:3128")
SOCKS = read_proxy("socks5://user:Okapi9mN3b@proxy:1080")
OTHER = read_proxy("http://user:other-password@proxy:3128")
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
GREETED, LET_IN, REPLIED = b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x01" + bytes(6)


class Desk(ScriptedDesk):
    """Sends each attempt through the next of the proxies; the last stays."""

    def __init__(
        self, proxies: list[Proxy | None], hosts: list[str], *, stream: bool = False, tls: bool = False
    ) -> None:
        super().__init__(hosts, stream=stream, tls=tls)
        self.proxies = proxies
        self.other = start_tls

    def _ask(self, told) -> None:  # type: ignore[no-untyped-def]
        super()._ask(told)
        if told.attempts and told.at < len(self.hosts):
            told.attempts[-1].proxy = self.proxies[min(told.at, len(self.proxies) - 1)]


def start_tls(hook: commands.StartHook) -> None:
    if isinstance(hook, TlsStartServerHook):
        hook.data.ssl_conn = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
        hook.data.ssl_conn.set_connect_state()


def asked(*proxies: Proxy | None, hosts: tuple[str, ...] = ("one", "two"), **how: bool) -> Play:
    play = Play(Desk(list(proxies), list(hosts), **how))
    play.ask(ASK)
    return play


def let_through(peer: Peer, proxy: Proxy) -> Peer:
    return peer.say(GREETED, LET_IN, REPLIED) if proxy is SOCKS else peer.say(OPENED)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("proxy", [HTTP, SOCKS])
def test_a_request_goes_through_and_the_tunnel_serves_again(proxy: Proxy, stream: bool) -> None:
    play = asked(proxy, stream=stream)
    [dial] = play.dials
    assert tuple(dial.connection.address or ()) == (proxy.host, proxy.port)
    peer = play.open()
    assert b"POST" not in peer.heard
    let_through(peer, proxy).say(good(stream))
    play.ask(ASK)
    assert not play.dials
    peer.say(good(stream))
    assert [reply.status for reply in answers(play.answered, 2)] == [200, 200]
    assert peer.heard.count(b"POST /v1/chat/completions HTTP/1.1\r\n") == 2
    assert not play.leaks()
    peer.close()
    assert not [each for each in play.layer.connections if isinstance(each, Server)]
    assert not play.leaks()


@pytest.mark.parametrize("proxy", [HTTP, SOCKS])
def test_what_opens_the_proxy_is_not_in_the_flow(proxy: Proxy) -> None:
    play = asked(proxy)
    let_through(play.open(), proxy).say(good(False))
    flow = play.desk.told[0].flow
    assert isinstance(flow.server_conn, ProxiedServer)
    assert flow.server_conn.via is not None
    assert flow.server_conn.via[1] == ("proxy", proxy.port)
    for shown in (flow.get_state(), flow.server_conn, flow, flow.copy().get_state(), play.desk.told[0].attempts):
        assert "Okapi" not in repr(shown)
        assert str(HTTP.authorization) not in repr(shown)


@every(
    ("proxy", "said", "why"),
    [
        (HTTP, b"HTTP/1.1 407 No\r\n\r\n", "it does not accept the user and the password (407)"),
        (HTTP, b"HTTP/1.1 502 No\r\n\r\n", "it cannot reach one:443 (502 Bad Gateway)"),
        (HTTP, b"HTTP/1.1 403 No\r\n\r\n", "it opens no tunnel to one:443 (403 Forbidden)"),
        (HTTP, b"\x05\x00", "what it says is not HTTP: is it a proxy of another kind?"),
        (SOCKS, GREETED + b"\x01\x01", "it does not accept the user and the password"),
        (SOCKS, b"HTTP/1.1 400", "what it says is not SOCKS5: is it a proxy of another kind?"),
        (SOCKS, GREETED + LET_IN + b"\x05\x05", "one:443 refuses its connection"),
    ],
)
def test_a_proxy_that_refuses_is_a_failure_of_the_path(proxy: Proxy, said: bytes, why: str) -> None:
    play = asked(proxy, None, tls=True)
    peer = play.open().say(said)
    assert peer.closed
    failure = play.desk.told[0].attempts[0].failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("proxy", f"proxy {proxy}: {why}")
    assert play.dials[0].connection.address == ("two", 443)
    play.refuse()
    assert play.desk.told[0].failures == ["proxy", "connect"]
    assert not play.leaks()


@every("proxy", [HTTP, SOCKS])
@every(
    ("when", "how"),
    [
        ("dialling", "refuses"),
        *product(["before a word", "in the middle", "after the login"], ["closes"]),
        *product(["dialling", "before a word", "in the middle", "after the login"], ["hangs", "client leaves"]),
    ],
)
def test_a_proxy_that_fails_while_it_is_reached(proxy: Proxy, when: str, how: str) -> None:
    play = asked(proxy, None)
    peer = None
    if when != "dialling":
        peer = play.open()
        if when == "in the middle":
            peer.say((GREETED if proxy is SOCKS else OPENED)[:1])
        elif when == "after the login":
            peer.say(GREETED + LET_IN if proxy is SOCKS else OPENED[:-1])
    if how == "client leaves":
        play.hang_up()
        assert play.fired["error"] == 1
        assert not play.dials
        assert peer is None or peer.closed
        play.end()
        assert not play.leaks()
        return
    match how:
        case "refuses":
            play.refuse()
        case "closes":
            assert peer
            peer.close()
        case "hangs":
            play.pass_time(10)
    failure = play.desk.told[0].attempts[0].failure
    assert failure is not None
    assert failure.kind == "proxy"
    assert failure.message.startswith(f"proxy {proxy}: ")
    assert (how == "hangs") == failure.message.endswith("no tunnel to one:80 within 10 s")
    assert peer is None or peer.closed
    [dial] = play.dials
    assert dial.connection.address == ("two", 80)
    play.open().say(good(False))
    assert answer(play.answered).headers["route"] == "two"
    assert not play.leaks()


def test_an_upstream_that_hangs_behind_a_tunnel_is_no_fault_of_the_proxy() -> None:
    play = asked(HTTP, None, tls=True)
    peer = play.open().say(OPENED)
    assert peer.heard.partition(b"\r\n\r\n")[2].startswith(b"\x16\x03"), "no ClientHello"
    play.pass_time(10)
    assert peer.closed
    assert play.desk.told[0].failures == ["deadline connect"]
    play.refuse()
    assert not play.leaks()


def test_a_handshake_that_fails_behind_a_tunnel_is_the_upstreams() -> None:
    play = asked(HTTP, None, tls=True)
    play.open().say(OPENED, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert play.desk.told[0].failures == ["tls"]
    play.refuse()
    assert not play.leaks()


def test_connections_are_kept_apart_by_proxy_and_what_opens_it() -> None:
    desk = Desk([HTTP], ["one"])
    play = Play(desk)
    peers = []
    for proxy in (HTTP, OTHER, SOCKS, None):
        desk.proxies = [proxy]
        play.ask(ASK)
        peers.append(play.open())
        if proxy:
            let_through(peers[-1], proxy)
        peers[-1].say(good(False))
    for proxy, peer in zip((HTTP, OTHER, SOCKS, None), peers, strict=True):
        desk.proxies = [proxy]
        play.ask(ASK)
        assert not play.dials
        peer.say(good(False))
    assert len(answers(play.answered, 8)) == 8
    assert not play.leaks()


def test_a_tunnel_that_closes_as_it_is_used_again_is_no_failure() -> None:
    play = asked(HTTP)
    stale = play.open().say(OPENED, good(False))
    play.ask(ASK)
    stale.close()
    play.open().say(OPENED, good(False))
    assert [reply.headers["route"] for reply in answers(play.answered, 2)] == ["one", "one"]
    assert play.desk.told[1].failures == ["cut"]
    assert not play.leaks()


def test_a_client_that_leaves_in_the_middle_of_a_stream_closes_the_tunnel() -> None:
    play = asked(SOCKS, stream=True)
    peer = play.open().say(GREETED, LET_IN, REPLIED, good(True)[:-20])
    play.hang_up()
    assert peer.closed
    play.end()
    assert not play.leaks()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_proxy_that_opens_no_tunnel_is_asked_to_forward(status: int) -> None:
    play = asked(HTTP)
    first = play.open().say(b"HTTP/1.1 %d No\r\n\r\n" % status)
    assert first.closed
    peer = play.open()
    assert peer.heard.startswith(b"POST http://one/v1/chat/completions HTTP/1.1\r\n")
    assert f"proxy-authorization: {HTTP.authorization}".encode() in peer.heard
    peer.say(good(False))
    play.ask(ASK)
    assert not play.dials
    peer.say(good(False)).close()
    play.ask(ASK)
    play.open().say(good(False))  # no tunnel is asked for any more
    assert [reply.status for reply in answers(play.answered, 3)] == [200] * 3
    flow = play.desk.told[0].flow
    assert "proxy-authorization" not in flow.request.headers
    assert flow.request.data.authority == b""
    assert not play.leaks()


@pytest.mark.parametrize(("status", "why"), [(403, "forwards nothing to it"), (407, "does not accept the user")])
def test_what_a_forwarding_proxy_refuses_is_not_the_upstreams_word(status: int, why: str) -> None:
    play = asked(HTTP, None)
    play.open().say(b"HTTP/1.1 403 No\r\n\r\n")
    play.open().say(sized(b"no", status))
    failure = play.desk.told[0].attempts[0].failure
    assert failure is not None
    assert failure.kind == "proxy"
    assert why in failure.message
    play.refuse()
    assert not play.leaks()


def test_what_is_encrypted_is_never_forwarded() -> None:
    play = asked(HTTP, None, tls=True)
    play.open().say(b"HTTP/1.1 405 No\r\n\r\n")
    assert play.desk.told[0].failures == ["proxy"]
    assert play.dials[0].connection.address == ("two", 443)
    play.refuse()
    assert not play.leaks()


def test_many_upstreams_of_one_proxy_do_not_wait_for_each_other() -> None:
    """mitmproxy counts connections by address, five to each."""
    outers = [ProxiedServer((f"host{n}", 443), HTTP, forwarded=None).outer.address for n in range(9)]
    again = ProxiedServer(("host0", 443), HTTP, forwarded=None).outer.address
    assert len(set(outers)) == 9
    assert again == outers[0]
    assert hash(again) == hash(outers[0])
    assert {tuple(address or ()) for address in outers} == {("proxy", 3128)}


def test_requests_at_once_wait_for_one_tunnel_and_then_dig_their_own() -> None:
    play = Play(Desk([HTTP], ["one"], stream=True), alpn=b"h2")
    client = H2Client(play)
    both = {client.ask(), client.ask()}
    assert len(play.dials) == 1
    play.open().say(OPENED, chunked(SAID))
    play.open().say(OPENED, chunked(SAID))
    client.flush()
    assert client.ended == both
    assert not play.leaks()


def test_requests_at_once_fail_together_with_their_tunnel() -> None:
    play = Play(Desk([HTTP], ["one"], stream=True), alpn=b"h2")
    client = H2Client(play)
    first, second = client.ask(), client.ask()
    client.flush(lambda: client.reset(first))
    peer = play.open()
    assert not peer.closed, "somebody waits for it still"
    peer.say(b"HTTP/1.1 502 No\r\n\r\n")
    client.flush()
    assert client.heads[second][b":status"] == b"503"
    assert not play.leaks()
