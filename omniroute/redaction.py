"""Redaction of secrets in logs and displayed texts: known ones exactly, others by their pattern."""

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 8
"""Known secrets shorter than this are placeholders such as `none`; masking them would garble texts."""
SHORTEST_WITH_TAIL = 24
TAIL = 4
FEW = 150
"""Number of forms of secrets up to which a linear search for each is faster than the index."""

MAX_RECORD = 32 * 1024
"""Characters of a message, traceback or stack in the log; redaction takes time on the event loop."""
LONGEST_SECRET = 8 * 1024
"""Characters after the cut that are redacted too and then dropped, in case the cut divides a secret."""

_TOKEN = r"[A-Za-z0-9._~+/=-]"
_MARKS = ("sk-", "gsk_", "xai-", "pplx-", "nvapi-", "csk-", "fw_", "hf_", "ghp_", "gho_", "ghu_", "AIza")
# Every branch begins with a literal and continues with one greedy run, so a text is matched in linear time. No run
# contains a bracket, so that masked values do not match again; `Bearer` is never matched as a header's value itself.
_SHAPES = re.compile(
    rf"""
      (?<![A-Za-z0-9]) (?P<token> (?:{"|".join(_MARKS)}) [A-Za-z0-9_-]{{8,}} )
    | (?P<scheme> (?<![A-Za-z0-9]) (?:bearer|basic) [ ]{{1,4}} ) (?P<credential> {_TOKEN}{{6,}} )
    | (?P<header> (?:x-api-key|x-goog-api-key|authorization|api[-_]?key)
                  (?: ["']? [ ]{{0,4}} [:=] | ["'] [ ]? , ) [ ]{{0,4}} b? ["']? )
      (?! (?:bearer|basic) [ ] ) (?P<value> {_TOKEN}{{6,}} )
    | (?P<field> ["'] (?:password|passphrase|client_secret|access_token|refresh_token|id_token) ["']
                 [ ]{{0,4}} : [ ]{{0,4}} ["'] ) (?P<content> [^"'\[\]\\]+ )
    | (?P<cookie> omniroute_session (?: _[0-9a-f]{{1,16}} )? = ) (?P<session> [^;,\s"'\[\]]+ )
    | (?P<query> [?&] (?:key|token|access_token|api_key|password|client_secret) = )
      (?P<argument> [^&\s"'<>\[\]\#]+ )
    | (?P<url> :// [^\s/?\#:@"'<>\[\]]{{0,100}}+ : ) (?P<password> [^\s/?\#@"'<>\[\]]{{1,200}}+ ) (?= @ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


_WIRE = re.compile(r"""\bb(?:'(?:[^'\\]|\\.)*+(?:'|\\?\Z)|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))""", re.DOTALL)
"""Matches bytes literals in Python's notation."""


def mask(secret: str) -> str:
    """Return the mask for a secret; of a long one, the last characters stay, to tell it from others."""
    return f"[hidden:{secret[-TAIL:]}]" if len(secret) >= SHORTEST_WITH_TAIL else "[hidden]"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the given secrets and everything that matches a secret's pattern. Idempotent."""
    return KnownSecrets(secrets).redact(text)


class KnownSecrets:
    """Known secrets in every form in which a text may contain them, indexed for search.

    With many secrets, a text is scanned once: its substrings of eight characters are looked up among their beginnings.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._masks: dict[str, str] = {}
        self._starts: dict[str, list[str]] = {}
        for secret in {s for s in secrets if len(s) >= SHORTEST_SECRET}:
            for form in _forms(secret):
                self._masks.setdefault(form, mask(secret))
        for form in sorted(self._masks, key=len, reverse=True):
            self._starts.setdefault(form[:SHORTEST_SECRET], []).append(form)

    def redact(self, text: str) -> str:
        """Mask the known secrets, and everything that matches a secret's pattern."""
        for form in sorted(self._seen(text), key=len, reverse=True):
            text = text.replace(form, self._masks[form])
        return _SHAPES.sub(_hide, text)

    def _seen(self, text: str) -> list[str]:
        """Return the forms that a text may contain, by the faster method for their number."""
        if len(self._masks) <= FEW:
            return [form for form in self._masks if form in text]
        runs = {text[at : at + SHORTEST_SECRET] for at in range(len(text) - SHORTEST_SECRET + 1)}
        return [form for start in self._starts.keys() & runs for form in self._starts[start]]


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, escaped as in URLs, JSON and Python, and as part of a base64 encoding."""
    yield secret
    content = secret.encode("utf-8", "surrogateescape")
    for written in (quote(content, safe=""), quote(content), quote_plus(content)):
        yield written
        yield re.sub("%..", lambda found: found[0].lower(), written)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        # Three bytes are four characters: those that depend on adjacent bytes are left out at both ends.
        coded = base64.b64encode(b"\0" * before + content).rstrip(b"=").decode()
        sure = coded[unsure : len(coded) - (1 if (before + len(content)) % 3 else 0)]
        if len(sure) >= SHORTEST_SECRET:
            yield sure
            yield sure.translate(_URL_SAFE)


_URL_SAFE = str.maketrans("+/", "-_")


def _hide(match: re.Match[str]) -> str:
    found = match.groupdict(default="")
    kept = "".join(found[name] for name in ("scheme", "header", "field", "cookie", "query", "url"))
    return kept + mask(match[0][len(kept) :])


class Redactor:
    """A log record factory that redacts each record once, for all loggers and handlers."""

    def __init__(self, known: Callable[[], KnownSecrets]) -> None:
        self._known = known
        self._formatter = logging.Formatter()
        self._before: Callable[..., logging.LogRecord] | None = None

    def install(self) -> None:
        """Install it as the record factory of the process."""
        if self._before is None:
            self._before = logging.getLogRecordFactory()
            logging.setLogRecordFactory(self)

    def remove(self) -> None:
        """Restore the previous factory; if another was installed on top, stay as a pass-through."""
        if logging.getLogRecordFactory() is self and self._before:
            logging.setLogRecordFactory(self._before)
            self._before = None
        self._known = KnownSecrets

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Create a record with the previous factory, and redact it."""
        record = (self._before or logging.LogRecord)(*args, **kwargs)
        if record.msg is not None:  # `makeLogRecord` fills an empty record afterwards
            self.redact(record)
        return record

    def redact(self, record: logging.LogRecord) -> None:
        """Replace the texts of a record: message, exception and stack."""
        known = self._known()
        try:
            message = record.getMessage()
        except Exception:
            # Otherwise logging would print the arguments, with secrets, in its error report.
            message = f"{record.msg if isinstance(record.msg, str) else type(record.msg)} (the arguments do not fit)"
        size, message = len(message), message[: MAX_RECORD + LONGEST_SECRET]
        if record.levelno <= logging.DEBUG and record.name.startswith("mitmproxy."):
            # `proxy_debug` logs raw network reads, which may contain a part of a secret only.
            message = _WIRE.sub("b[hidden]", message)
        record.msg, record.args = _shorten(known.redact(message), size), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        record.exc_info = None  # a formatter that ignores exc_text would format it again
        if record.exc_text:
            record.exc_text = _redact_text(known, record.exc_text)
        if record.stack_info:
            record.stack_info = _redact_text(known, record.stack_info)


def _redact_text(known: KnownSecrets, text: str) -> str:
    return _shorten(known.redact(text[: MAX_RECORD + LONGEST_SECRET]), len(text))


def _shorten(redacted: str, size: int) -> str:
    """Cut a redacted text of originally `size` characters, of which `MAX_RECORD + LONGEST_SECRET` were redacted."""
    if size <= MAX_RECORD:
        return redacted
    if size <= MAX_RECORD + LONGEST_SECRET:
        kept = redacted[:MAX_RECORD]
    else:
        kept = redacted[: min(MAX_RECORD, max(0, len(redacted) - LONGEST_SECRET))]
    return f"{kept} [cut, {size} characters]"
