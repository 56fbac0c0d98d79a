"""HTTP/1 heads and chunked bodies: refused by `SyntaxViolation` alone, and read as h11 reads them."""

import h11
from fuzz_kit import fuzz
from mutate import Mutator

from omniroute.mitm.http1_syntax import (
    ByteBuffer,
    ChunkedDecoder,
    HeadLimits,
    SyntaxViolation,
    check_request_head,
    check_response_head,
    split_lines,
)

LIMITS = HeadLimits(16 * 1024, 100)
CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADS = (
    b"POST /v1/chat/completions?key=a%20b HTTP/1.1\r\nHost: 127.0.0.1:20128\r\nAuthorization: Bearer sk-omni-1\r\n"
    b"content-type: application/json\r\nContent-Length: 12\r\nx-empty:\r\nx-tab:\t a \t\r\n\r\n",
    CHUNKED_HEAD,
    b"GET http://example.org/ HTTP/1.0\nConnection: keep-alive, upgrade\nUpgrade: websocket\nHost: example.org\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 100\r\n\r\n",
)
BODIES = (
    b"5\r\nhello\r\n0\r\n\r\n",
    b'1a;name="va\\"lue";x\r\nabcdefghijklmnopqrstuvwxyz\r\n000\r\nx-a: 1\r\nx-b:\r\n\r\n',
    b"A \r\n0123456789\r\n" * 40 + b"0;last\r\n\r\nGET / HTTP/1.1\r\n\r\n",
)
WORDS = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b": ", b" :", b"\r\n ", b"\r\nHost: b", b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: identity", b"0x5", b"-5", b"+5", b"5_0",
    b"\xef\xbc\x95", b"fffffffffffffffff", b"ffffffffffffffff\r\n",
    b"0\r\n\r\n", b";" * 5000, b";a=\n", b"\x00", b"\x0b", b"HTTP/9.9",
)  # fmt: skip


def make(mutator: Mutator) -> bytes:
    """Make a head or a chunked body; the first byte decides how it is cut."""
    samples = HEADS if mutator.random.randrange(2) else BODIES
    data = mutator.bytes_of(mutator.pick(samples), samples, words=WORDS)
    return bytes([samples is HEADS, mutator.random.randrange(256)]) + data


def check(data: bytes) -> None:
    is_head, seed, data = data[0], data[1], data[2:]
    (check_head if is_head else check_body)(data, Mutator(seed).cuts(data))


def check_head(data: bytes, pieces: list[bytes]) -> None:
    buffer, taken, violation = ByteBuffer(), None, False
    try:
        for piece in pieces:
            buffer += piece
            if taken is None:
                taken = buffer.take_head(LIMITS)
    except SyntaxViolation as error:
        assert error.status == 431
        violation = True
    whole = ByteBuffer()
    whole += data
    try:
        expected = whole.take_head(LIMITS)
    except SyntaxViolation:
        assert violation, "what is refused at once is refused in pieces too"
        return
    assert violation or taken == expected
    if expected is None:
        return
    assert expected + bytes(whole) == data
    for judge in (check_request_head, check_response_head):
        try:
            judge(expected)
        except SyntaxViolation as error:
            assert error.status == 400
            assert error.message.isprintable()
        else:
            check_with_h11(expected, request=judge is check_request_head)


def check_with_h11(head: bytes, *, request: bool) -> None:
    """Compare the header lines of an accepted head with those that h11 finds: nothing hides in one of them."""
    lines = split_lines(head)
    ours = [(name.lower(), value.strip(b"\t ")) for name, _, value in (line.partition(b":") for line in lines[1:])]
    peer = h11.Connection(h11.SERVER if request else h11.CLIENT, max_incomplete_event_size=1 << 20)
    if not request:
        peer.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        peer.send(h11.EndOfMessage())
    peer.receive_data(head)
    try:
        event = peer.next_event()
    except h11.RemoteProtocolError:
        return  # lengths, codings and a missing Host are checked behind the syntax
    if isinstance(event, h11.Request | h11.Response | h11.InformationalResponse):
        theirs = [(name.lower(), value) for name, value in event.headers]
        # h11 joins equal lengths and lowers the name of a coding.
        special = (b"content-length", b"transfer-encoding")
        assert [each for each in theirs if each[0] not in special] == [each for each in ours if each[0] not in special]


def check_body(data: bytes, pieces: list[bytes]) -> None:
    whole, in_pieces = decode([data]), decode(pieces)
    assert in_pieces[1:] == whole[1:] or whole[1] is None or in_pieces[1] is None
    assert in_pieces[0] == whole[0], "content does not depend on how the bytes are cut"
    assert len(whole[0]) <= len(data)
    if whole[1] is not None:
        check_body_with_h11(data, whole[0], whole[1])


def decode(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    """Give the content, and what follows the body; None where there is no end or a violation."""
    decoder, waiting, content = ChunkedDecoder(LIMITS), bytearray(), bytearray()
    try:
        for piece in pieces:
            waiting += piece
            if not decoder.ended:
                for part in decoder.pieces(waiting):
                    content += part
    except SyntaxViolation as error:
        assert error.status in (400, 431)
        return bytes(content), None
    assert decoder.ended or len(waiting) <= LIMITS.size, "no more than a header of a chunk is kept"
    return bytes(content), bytes(waiting) if decoder.ended else None


def check_body_with_h11(data: bytes, content: bytes, rest: bytes) -> None:
    peer, found = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), bytearray()
    peer.receive_data(CHUNKED_HEAD + data)
    try:
        while not isinstance(event := peer.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, "the body has an end for h11 too"
            if isinstance(event, h11.Data):
                found += event.data
    except h11.RemoteProtocolError:
        return  # it takes no white space before an extension, for one
    assert bytes(found) == content
    assert bytes(peer.trailing_data[0]) == rest


def test_http1_heads_and_chunked_bodies() -> None:
    fuzz("http1", make, check)
