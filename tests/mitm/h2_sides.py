"""The other side of an HTTP/2 connection, as server or as client, on the stage of the playbook."""

from collections import defaultdict
from collections.abc import Callable

import h2.config
import h2.connection
import h2.errors
import h2.events
from playbook import Peer, Play

ASK = [(":method", "POST"), (":scheme", "http"), (":authority", "gateway"), (":path", "/v1/chat/completions")]


class Side:
    """Keeps what it was told; `pump` reads what has come since the last time."""

    def __init__(self, *, client: bool) -> None:
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client))
        self.h2.initiate_connection()
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.bodies: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.terminated: int | None = None
        self._read = 0

    def take(self, heard: bytes) -> None:
        for event in self.h2.receive_data(heard[self._read :]):
            match event:
                case h2.events.RequestReceived() | h2.events.ResponseReceived():
                    self.heads[event.stream_id] = dict(event.headers)
                case h2.events.DataReceived():
                    self.bodies[event.stream_id] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case h2.events.StreamEnded():
                    self.ended.add(event.stream_id)
                case h2.events.StreamReset():
                    self.resets[event.stream_id] = event.error_code
                case h2.events.ConnectionTerminated():
                    self.terminated = event.error_code
        self._read = len(heard)


class H2Upstream(Side):
    def __init__(self, peer: Peer) -> None:
        super().__init__(client=False)
        self.peer = peer
        self.flush()

    def flush(self) -> None:
        """Say what is to be said and hear what is to be heard, until both are quiet."""
        while True:
            self.take(self.peer.heard)
            if not (data := self.h2.data_to_send()):
                return
            self.peer.say(data)

    def head(self, stream: int, status: int = 200, *, end: bool = False) -> None:
        self.h2.send_headers(stream, [(":status", str(status))], end_stream=end)
        self.flush()

    def body(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.h2.send_data(stream, data, end_stream=end)
        self.flush()

    def reset(self, stream: int, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.INTERNAL_ERROR) -> None:
        self.h2.reset_stream(stream, code)
        self.flush()

    def goodbye(self) -> None:
        self.h2.close_connection()
        self.flush()


class H2Client(Side):
    def __init__(self, play: Play) -> None:
        super().__init__(client=True)
        self.play = play
        self.flush()

    def flush(self, act: Callable[[], object] = lambda: None) -> None:
        act()
        while True:
            self.take(self.play.answered)
            if not (data := self.h2.data_to_send()):
                return
            self.play.ask(data)

    def ask(self, body: bytes = b"{}", *, end: bool = True) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [*ASK, ("content-length", str(len(body)))])
        self.h2.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        self.flush()
