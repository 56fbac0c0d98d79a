"""HTTP/1 heads and chunked bodies, read strictly and within bounds."""

import time
from itertools import pairwise

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.mitm.http1_syntax import (
    MAX_CHUNK_LINE,
    ByteBuffer,
    ChunkedDecoder,
    HeadLimits,
    SyntaxViolation,
    check_request_head,
    check_response_head,
    split_lines,
)

LIMITS = HeadLimits(size=200, lines=5)
GOOD = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\n\n",
    b"POST /v1/x?a=%20 HTTP/1.1\r\nHost: a\r\nx:\r\ny: \t tab\tand \xc3\xa9 \r\n\r\n",
    b"GET http://a/b HTTP/1.1\r\nhost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
]
BAD = {
    "bare CR in a value": b"GET / HTTP/1.1\r\nx-a: b\rcontent-length: 3\r\n\r\n",
    "bare CR in the target": b"GET /\rx HTTP/1.1\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    "vertical tab": b"GET / HTTP/1.1\r\nx: a\x0bb\r\n\r\n",
    "escape": b"GET / HTTP/1.1\r\nx: \x1b[2J\r\n\r\n",
    "DEL in the target": b"GET /\x7f HTTP/1.1\r\n\r\n",
    "control character in a name": b"GET / HTTP/1.1\r\nx\x01: a\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    "HTTP/2.0": b"PRI * HTTP/2.0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "lower case": b"GET / http/1.1\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n\r\n",
    "tab in the first line": b"GET\t/ HTTP/1.1\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n\r\n",
    "space at the end of the first line": b"GET / HTTP/1.1 \r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n",
    "folded": b"GET / HTTP/1.1\r\nx: a\r\n b\r\n\r\n",
    "folded with a tab": b"GET / HTTP/1.1\r\nx: a\r\n\tb\r\n\r\n",
    "begins folded": b"GET / HTTP/1.1\r\n x: a\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nx : a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nx\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "CONNECT": b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n",
}
BAD_REPLIES = {
    "injected": b"HTTP/1.1 200 OK\r\nx-b: q\rInjected: 1\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nx: a\x00\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nx: a\r\n b: 1\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "control character in the reason": b"HTTP/1.1 200 O\x08K\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nx : a\r\n\r\n",
}
CHUNKED = b'4\r\nabcd\r\n00003;a="b c";d\r\nefg\r\nA \r\n0123456789\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n'
BAD_CHUNKS = {
    "negative": b"-1\r\nx\r\n",
    "0x": b"0x4\r\nabcd\r\n",
    "plus": b"+4\r\nabcd\r\n",
    "underscore": b"1_0\r\nabcd\r\n",
    "over-long": b"0000000000000000000004\r\nabcd\r\n",
    "space before": b" 4\r\nabcd\r\n",
    "no digits": b"\r\nabcd\r\n",
    "bare LF": b"4\nabcd\r\n",
    "bare LF in an extension": b"4;a\nb\r\nabcd\r\n",
    "bare CR in an extension": b"4;a\rb\r\nabcd\r\n",
    "NUL in an extension": b"4;\x00\r\nabcd\r\n",
    "long extension": b"4;" + b"a" * 5000 + b"\r\nabcd\r\n",
    "more data than the chunk": b"4\r\nabcde\r\n0\r\n\r\n",
    "LF after the data": b"4\r\nabcd\n0\r\n\r\n",
    "bare LF in a trailer": b"0\r\nx: 1\n\r\n",
    "a trailer that is none": b"0\r\nx y\r\n\r\n",
    "folded trailer": b"0\r\nx: 1\r\n y\r\n\r\n",
    "many trailers": b"0\r\n" + b"x: 1\r\n" * 6 + b"\r\n",
    "a long trailer": b"0\r\nx: " + b"a" * 300 + b"\r\n\r\n",
    "only extensions": b"1;" + b"a" * 3000 + b"\r\nx\r\n" + (b"1;" + b"a" * 3000 + b"\r\nx\r\n") * 7,
}


def take(pieces: list[bytes], limits: HeadLimits = LIMITS) -> bytes | str | None:
    buffer = ByteBuffer()
    for piece in pieces:
        buffer += piece
        try:
            if (head := buffer.take_head(limits)) is not None:
                return head
        except SyntaxViolation as error:
            return error.reason
    return None


def cuts(data: bytes) -> list[list[bytes]]:
    found = [[data[:at], data[at:]] for at in range(len(data) + 1)]
    return [*found, [data[at : at + 1] for at in range(len(data))]]


def decode(pieces: list[bytes]) -> tuple[bytes, bool, bytes]:
    decoder, data, content = ChunkedDecoder(LIMITS), bytearray(), b""
    for piece in pieces:
        data += piece
        content += decoder.feed(data)
    return content, decoder.ended, bytes(data)


@pytest.mark.parametrize("head", GOOD)
def test_a_valid_head_is_taken_however_it_is_cut(head: bytes) -> None:
    check_request_head(head)
    for pieces in cuts(head + b"body")[: len(head) + 1]:
        assert take(pieces) == head
    assert split_lines(head)[-1] != b""


@every("name", BAD)
def test_a_head_that_is_not_valid(name: str) -> None:
    with pytest.raises(SyntaxViolation) as caught:
        check_request_head(BAD[name])
    assert (caught.value.status, caught.value.reason) == (400, "head_syntax")
    assert not any(ord(char) < 32 for char in caught.value.message)


@every("name", BAD_REPLIES)
def test_a_reply_head_that_is_not_valid(name: str) -> None:
    with pytest.raises(SyntaxViolation):
        check_response_head(BAD_REPLIES[name])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\na/b: 1\r\nc: d\te\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.0 404 \r\nx:\n\n",
        b"HTTP/1.1 200 \xe9t\xe9\r\n\r\n",
    ],
)
def test_reply_heads_that_servers_do_send(head: bytes) -> None:
    check_response_head(head)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 300 + b"\r\n\r\n", "head_size"),
        (b"GET /" + b"a" * 300, "head_size"),
        (b"GET / HTTP/1.1\r\n" + b"x: 1\r\n" * 6 + b"\r\n", "head_lines"),
        (b"GET / HTTP/1.1\n" + b"x:1\n" * 6, "head_lines"),
    ],
)
def test_a_head_over_a_bound_is_refused_however_it_is_cut(head: bytes, reason: str) -> None:
    for pieces in cuts(head):
        assert take(pieces) == reason


def test_a_head_at_its_bounds() -> None:
    lines = b"GET / HTTP/1.1\r\n" + b"x: 1\r\n" * 5 + b"\r\n"
    size = b"GET / HTTP/1.1\r\nx: " + b"a" * (200 - 16 - 3 - 4) + b"\r\n\r\n"
    assert len(size) == 200
    for head in (lines, size):
        for pieces in cuts(head + b"x" * 300)[: len(head) + 1]:
            assert take(pieces) == head


def test_a_chunked_body_however_it_is_cut() -> None:
    for pieces in cuts(CHUNKED + b"rest")[: len(CHUNKED) + 1]:
        assert decode(pieces) == (b"abcdefg0123456789", True, b"rest")
    for pieces in cuts(CHUNKED):
        assert decode(pieces) == (b"abcdefg0123456789", True, b"")


@every("name", BAD_CHUNKS)
def test_bad_chunks_however_they_are_cut(name: str) -> None:
    body = BAD_CHUNKS[name]
    for pieces in cuts(body) if len(body) < 500 else [[body], [body[at : at + 7] for at in range(0, len(body), 7)]]:
        with pytest.raises(SyntaxViolation):
            decode(pieces)


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 400)), st.binary(max_size=9))
def test_what_is_chunked_is_decoded(contents: list[bytes], places: list[int], rest: bytes) -> None:
    body = b"".join(b"%X\r\n%b\r\n" % (len(each), each) for each in contents if each) + b"0\r\n\r\n"
    whole = body + rest
    edges = sorted({0, *(place % (len(whole) + 1) for place in places), len(whole)})
    pieces = [whole[begin:end] for begin, end in pairwise(edges)]
    assert decode(pieces) == (b"".join(contents), True, rest)


def test_what_follows_a_chunked_body_is_left_alone_by_later_feeds() -> None:
    assert decode([b"0\r\n\r\n", b"\n", b"GET"]) == (b"", True, b"\nGET")


@given(st.sampled_from([*GOOD, *BAD.values()]), st.integers(0, 400), st.binary(max_size=3))
def test_a_mutated_head_is_taken_or_refused(head: bytes, at: int, junk: bytes) -> None:
    head = head[: at % len(head)] + junk + head[at % len(head) + len(junk) :]
    taken = take([head])
    if isinstance(taken, bytes):
        try:
            check_request_head(taken)
        except SyntaxViolation:
            return
        assert not set(taken) & {*range(9), 11, 12, *range(14, 32), 127}
        assert b"\r" not in taken.replace(b"\r\n", b"")


@given(st.integers(0, len(CHUNKED) - 1), st.binary(max_size=3), st.booleans())
def test_a_mutated_body_is_decoded_or_refused(at: int, junk: bytes, bytewise: bool) -> None:
    body = CHUNKED[:at] + junk + CHUNKED[at + len(junk) :]
    try:
        content, ended, rest = decode([body[i : i + 1] for i in range(len(body))] if bytewise else [body])
    except SyntaxViolation:
        return
    assert len(content) + len(rest) <= len(body)
    assert ended or len(rest) <= MAX_CHUNK_LINE


def test_the_cost_of_small_pieces_is_linear() -> None:
    def seconds(size: int) -> float:
        buffer, limits = ByteBuffer(), HeadLimits(size=1 << 30, lines=1 << 30)
        begin = time.process_time()
        for _ in range(size // 64):
            buffer += b"x: 567890123456789012345678901234567890123456789012345678901234\n"
            assert buffer.take_head(limits) is None
        return time.process_time() - begin

    seconds(1 << 16)
    assert seconds(8 << 20) < 100 * max(seconds(1 << 18), 0.001)  # 32 times the bytes; squared it would be 1024
