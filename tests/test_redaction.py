import base64
import json
import logging
import sys
import time
import urllib.parse
from collections.abc import Callable

import pytest
from cases import every
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.redaction import LONGEST_SECRET, MAX_RECORD, KnownSecrets, Redactor, redact

LONG = "abcdefghijklmnopqrstuvwxyz0123456789"
PIECES = st.sampled_from([
    "sk-", "sk-ant-api03-", "gsk_", "xai-", "AIza", "Bearer ", "bearer", "Basic ", "x-api-key: ", "x-api-key",
    "authorization: ",    "?key=", "&key=", "key=", "api_key=", "[hidden]", "[hidden:", "]",
    " ", "\n", '"', "=", ":", "-", "abcdefgh", LONG,
    "secret-word",
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)
SECRETS = st.lists(
    st.text("abcdefgh0123-_", min_size=8, max_size=40) | st.sampled_from([LONG, "secret-word"]), max_size=3
)


@every(
    ("text", "shown"),
    [
        (f"key sk-proj-{LONG} refused", "key [hidden:6789] refused"),
        ("sk-12345678", "[hidden]"),
        (f"Authorization: Bearer {LONG}", "Authorization: Bearer [hidden:6789]"),
        (f"{{'authorization': 'Bearer {LONG}'}}", "{'authorization': 'Bearer [hidden:6789]'}"),
        ("authorization: opensesame", "authorization: [hidden]"),
        (f"x-api-key: {LONG}", "x-api-key: [hidden:6789]"),
        ('"x-goog-api-key": "abcdef"', '"x-goog-api-key": "[hidden]"'),
        ("GET /v1beta/models?key=abc&alt=sse", "GET /v1beta/models?key=[hidden]&alt=sse"),
        ("/v1?alt=sse&key=%41bc#top", "/v1?alt=sse&key=[hidden]#top"),
        (f"AIza{LONG}", "[hidden:6789]"),
        (f"(gsk_{LONG})", "([hidden:6789])"),
        (f"xai-{LONG}", "[hidden:6789]"),
        (f"sk-omni-{LONG}", "[hidden:6789]"),
        (f"((b'x-api-key', b'{LONG}'), (b'te', b'x'))", "((b'x-api-key', b'[hidden:6789]'), (b'te', b'x'))"),
        ("POST /token?password=hunter22", "POST /token?password=[hidden]"),
        ('{"password": "correct horse"}', '{"password": "[hidden]"}'),
        ("Cookie: omniroute_session=abc.def; theme=dark", "Cookie: omniroute_session=[hidden]; theme=dark"),
        ("via socks5://me:hunter22@127.0.0.1:9", "via socks5://me:[hidden]@127.0.0.1:9"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown


@every(
    "text",
    [
        "task-force-elevens",
        "the bearer of news",
        "a key=value pair",
        "sk-short",
        "max_tokens: 4096",
        "basic idea",
        "",
        "see http://127.0.0.1:9/a@b",
        "http://[::1]:80/",
        "a password: none",
        "no authorization, sorry",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@given(TEXTS, SECRETS)
def test_no_known_secret_is_left(text: str, secrets: list[str]) -> None:
    shown = redact(text.join(["", *secrets, ""]), secrets)
    assert not [secret for secret in secrets if secret in shown]


@given(TEXTS, SECRETS)
def test_twice_is_once(text: str, secrets: list[str]) -> None:
    once = redact(text, secrets)
    assert redact(once, secrets) == once


def test_a_placeholder_is_no_secret() -> None:
    assert redact("none of the models", ["none", ""]) == "none of the models"


@given(st.lists(PIECES, min_size=1, max_size=4).map("".join))
@settings(deadline=None)  # the processor's time counts here, not the wall's
def test_time_is_linear(piece: str) -> None:
    text = (piece * (100_000 // len(piece) + 1))[:100_000]
    began = time.process_time()
    redact(text, [LONG])
    assert time.process_time() - began < 1  # a quadratic reading of this takes minutes


def record_of(message: str, *args: object, exc_info: object = None) -> logging.LogRecord:
    return logging.LogRecord("x", logging.ERROR, __file__, 1, message, args, exc_info)  # type: ignore[arg-type]


def test_a_record_is_redacted_whole() -> None:
    secret = "correct horse battery"
    try:
        raise ValueError(f"bad {secret}")
    except ValueError:
        record = record_of("asked with %s", secret, exc_info=sys.exc_info())
    record.stack_info = f"stack {secret}"
    Redactor(lambda: KnownSecrets([secret])).redact(record)
    shown = logging.Formatter().format(record)
    assert secret not in shown
    assert shown.startswith("asked with [hidden]\nTraceback")
    assert "ValueError: bad [hidden]" in shown
    assert record.exc_info is None


def test_the_secrets_are_asked_for_anew() -> None:
    known = [KnownSecrets()]
    redacting = Redactor(lambda: known[-1])
    known.append(KnownSecrets(["opensesame"]))
    record = record_of("say opensesame")
    redacting.redact(record)
    assert record.getMessage() == "say [hidden]"


def test_arguments_that_do_not_fit_are_not_shown() -> None:
    record = record_of("no place for it", f"sk-{LONG}")
    Redactor(KnownSecrets).redact(record)
    assert record.getMessage() == "no place for it (the arguments do not fit)"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("DataReceived(client, b'x: it\\'s')", "DataReceived(client, b[hidden])"),
        ('DataReceived(client, b"it\'s") and more', "DataReceived(client, b[hidden]) and more"),
        ("Data(b'abc', 1) and Data(b'secret-w…", "Data(b[hidden], 1) and Data(b[hidden]"),
        ("Data(b'secret-w\\", "Data(b[hidden]"),
        ("Request(GET host/path)", "Request(GET host/path)"),
    ],
)
def test_the_wire_is_never_logged(said: str, shown: str) -> None:
    """Half a secret looks like nothing, so bytes from the network go as a whole."""
    record = logging.LogRecord("mitmproxy.proxy.server", logging.DEBUG, "", 0, said, None, None)
    Redactor(KnownSecrets).redact(record)
    assert record.getMessage() == shown


FORMS = (
    lambda s: s,
    lambda s: urllib.parse.quote(s, safe=""),
    urllib.parse.quote_plus,
    lambda s: json.dumps({"k": s}),
    lambda s: json.dumps({"k": s}, ensure_ascii=False),
    lambda s: repr([s]),
    lambda s: base64.b64encode(s.encode()).decode(),
    lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    lambda s: base64.b64encode(f"me:{s}".encode()).decode(),
    lambda s: base64.b64encode(f"me!:{s}!".encode()).decode(),
    lambda s: base64.b64encode(f"me!!:{s}!!".encode()).decode(),
)


@given(st.text(st.characters(codec="utf-8"), min_size=16, max_size=60), st.sampled_from(FORMS))
def test_a_secret_is_found_in_every_form(secret: str, write: Callable[[str], str]) -> None:
    """What is left of it in base64 are the characters that it shares with its neighbours."""
    shown = redact(f"({write(secret)})", [secret])
    assert "[hidden" in shown
    assert secret not in shown
    assert write(secret) not in shown
    assert base64.b64encode(secret.encode())[4:-4].decode() not in shown


def test_thousands_of_secrets_cost_no_more_than_few() -> None:
    def measure(count: int) -> float:
        known = KnownSecrets(f"{number:06}-{LONG}" for number in range(count))
        line = "127.0.0.1:1 POST /v1/chat/completions 200 in 12 ms, " * 4
        began = time.process_time()
        for _ in range(200):
            known.redact(line)
        return time.process_time() - began

    assert min(measure(3000) for _ in range(3)) < 10 * measure(30) + 0.2  # a hundred times as many secrets


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("opensesame")


def test_every_logger_and_handler_gets_redacted_records() -> None:
    said: list[logging.LogRecord] = []
    quiet = logging.getLogger("quiet.of.its.own")
    quiet.propagate = False
    before = logging.getLogRecordFactory()
    redactor = Redactor(lambda: KnownSecrets(["opensesame"]))
    redactor.install()
    try:
        handler = logging.Handler()  # made after the redactor, as mitmweb's are when the script is loaded anew
        handler.emit = said.append  # type: ignore[method-assign]
        quiet.addHandler(handler)
        quiet.error("%s and %r", "opensesame", {"a": b"opensesame"}, stack_info=True)
        quiet.error("%s", Unspeakable())
        try:
            raise ValueError("opensesame")
        except ValueError:
            quiet.exception(ValueError("opensesame"))
    finally:
        redactor.remove()
        quiet.handlers.clear()
    assert logging.getLogRecordFactory() is before
    assert [record.getMessage() for record in said] == [
        "[hidden] and {'a': b'[hidden]'}",
        "%s (the arguments do not fit)",
        "[hidden]",
    ]
    assert all("opensesame" not in logging.Formatter().format(record) for record in said)


def test_a_redactor_below_another_one_passes_records_through() -> None:
    below, above = Redactor(lambda: KnownSecrets(["opensesame"])), Redactor(KnownSecrets)
    below.install()
    above.install()
    try:
        below.remove()
        assert logging.getLogger("x").makeRecord("x", 40, "", 1, "opensesame", (), None).msg == "opensesame"
    finally:
        above.remove()
        logging.setLogRecordFactory(logging.LogRecord)


@given(TEXTS, SECRETS)
def test_among_many_a_secret_is_found_as_among_few(text: str, secrets: list[str]) -> None:
    text = text.join(["", *secrets, ""])
    many = KnownSecrets([*secrets, *(f"{number:04}-of-the-others" for number in range(300))])
    assert many.redact(text) == redact(text, secrets)


def long_record(message: str) -> logging.LogRecord:
    redactor = Redactor(lambda: KnownSecrets([LONG]))
    return redactor("name", logging.INFO, "path", 1, message, (), None)


def test_a_long_message_is_cut_and_no_secret_is_left_in_halves() -> None:
    for at in range(MAX_RECORD - len(LONG) - 2, MAX_RECORD + 3):
        shown = long_record("x " * (at // 2) + "." * (at % 2) + LONG + " y" * 50_000).getMessage()
        assert len(shown) < MAX_RECORD + 100
        assert "abcdefgh" not in shown
    end = MAX_RECORD + LONGEST_SECRET
    for at in range(end - len(LONG) - 2, end + 1):
        assert "abcdefgh" not in long_record("." * at + LONG).getMessage()


def test_a_short_message_is_whole() -> None:
    message = "x " * (MAX_RECORD // 2)
    assert long_record(message).getMessage() == message


def test_the_cost_of_a_long_message_is_bounded() -> None:
    redactor = Redactor(lambda: KnownSecrets([LONG]))

    def seconds(text: str) -> float:
        begin = time.process_time()
        for _ in range(5):
            redactor("name", logging.INFO, "path", 1, text, (), None)
        return time.process_time() - begin

    for piece in ("x", "sk-", "api_key=", "://a:", "b'", "Bearer ", "'password': '", "omniroute_session=", "?key="):
        short = seconds((piece * MAX_RECORD)[: MAX_RECORD + LONGEST_SECRET])
        assert seconds((piece * (4 << 20))[: 4 << 20]) < 20 * max(short, 0.01), piece
        assert short < 20 * max(seconds((piece * MAX_RECORD)[: MAX_RECORD // 4]), 0.01), piece
