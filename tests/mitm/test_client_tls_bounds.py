"""TLS of clients: a bounded ClientHello, and a deadline for the handshake."""

from collections.abc import Callable

import pytest
from mitmproxy import options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from scripted_desk import ScriptedDesk

from omniroute.mitm.client_tls import MAX_CLIENT_HELLO, BoundedClientTLS


class Stage:
    def __init__(self) -> None:
        opts = options.Options()
        Proxyserver().load(opts)  # type: ignore[arg-type]
        self.desk = ScriptedDesk(["one"], stream=False)
        self.client = Client(
            peername=("127.0.0.1", 5), sockname=("127.0.0.1", 6), timestamp_start=0.0, state=ConnectionState.OPEN
        )
        context = Context(self.client, opts)
        context.layers.append(layer.NextLayer(context))
        self.layer = BoundedClientTLS(context, self.desk)
        self.given: list[commands.Command] = []
        self.feed(events.Start())

    def feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            self.given.append(command)
            if isinstance(command, commands.StartHook):
                self.feed(events.HookCompleted(command))

    def say(self, data: bytes) -> None:
        self.feed(events.DataReceived(self.client, data))

    @property
    def closed(self) -> bool:
        return any(isinstance(command, commands.CloseConnection) for command in self.given)


def record(payload: bytes) -> bytes:
    return b"\x16\x03\x01" + len(payload).to_bytes(2) + payload


def test_a_client_hello_without_end() -> None:
    stage = Stage()
    stage.say(record(b"\x01\xff\xff\xff" + b"a" * 16000))
    for _ in range(2):
        stage.say(record(b"a" * 16384))
        assert not stage.closed
    for _ in range(2):
        stage.say(record(b"a" * 16384))
    assert stage.closed
    assert len(stage.layer.recv_buffer) <= MAX_CLIENT_HELLO
    assert stage.desk.protocol_errors == {"tls_size": 1}


@pytest.mark.parametrize("begin", [lambda: b"", lambda: b"\x16", lambda: record(b"\x01\0\1\0abc")])
def test_a_handshake_that_does_not_end_in_time(begin: Callable[[], bytes]) -> None:
    stage = Stage()
    stage.say(begin())
    (wakeup,) = (each for each in stage.given if isinstance(each, commands.RequestWakeup))
    assert wakeup.delay == 10.0
    assert not stage.closed
    stage.feed(events.Wakeup(wakeup))
    assert stage.closed
    assert stage.desk.protocol_errors == {"tls_timeout": 1}
