"""Takes secrets out of texts that people will see: the known ones exactly, others by their shape."""

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORTEST_SECRET = 8
"""A known secret below this is a placeholder such as `none`; masking it everywhere would ruin the text."""
SHORTEST_WITH_TAIL = 24
TAIL = 4
FEW = 150
"""Forms of secrets up to which looking for each is quicker than taking a text apart."""

MAX_RECORD = 32 * 1024
"""Characters of a message, a traceback or a stack in the log; redaction costs time on the event loop."""
LONGEST_SECRET = 8 * 1024
"""Characters behind a cut that are redacted too and then dropped: a secret that the cut divides is in them."""

_TOKEN = r"[A-Za-z0-9._~+/=-]"
_MARKS = ("sk-", "gsk_", "xai-", "pplx-", "nvapi-", "csk-", "fw_", "hf_", "ghp_", "gho_", "ghu_", "AIza")
# Every branch begins with a literal and goes on with one greedy run, so a text is read in linear time. No run
# takes a bracket, so what was masked once is left alone; `Bearer` is never itself the value of a header.
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
"""Bytes as Python writes them."""


def mask(secret: str) -> str:
    """Stand in for a secret; of a long one the end stays, so that a person can tell which it was."""
    return f"[hidden:{secret[-TAIL:]}]" if len(secret) >= SHORTEST_WITH_TAIL else "[hidden]"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the given secrets and everything that looks like one. Doing it twice changes nothing more."""
    return KnownSecrets(secrets).redact(text)


class KnownSecrets:
    """Secrets that are known, in every form that a text may have them in, ready to be looked for.

    Of many, a text is read once: its runs of eight characters are looked up among their beginnings.
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
        """Mask what is known and what looks like a secret."""
        for form in sorted(self._seen(text), key=len, reverse=True):
            text = text.replace(form, self._masks[form])
        return _SHAPES.sub(_hide, text)

    def _seen(self, text: str) -> list[str]:
        """Find the forms that may be in a text, by the quicker way for as many as there are."""
        if len(self._masks) <= FEW:
            return [form for form in self._masks if form in text]
        runs = {text[at : at + SHORTEST_SECRET] for at in range(len(text) - SHORTEST_SECRET + 1)}
        return [form for start in self._starts.keys() & runs for form in self._starts[start]]


def _forms(secret: str) -> Iterator[str]:
    """Give a secret as it is, as it stands in URLs, JSON and Python, and as a part of whatever was put in base64."""
    yield secret
    content = secret.encode("utf-8", "surrogateescape")
    for written in (quote(content, safe=""), quote(content), quote_plus(content)):
        yield written
        yield re.sub("%..", lambda found: found[0].lower(), written)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        # Three bytes make four characters: what shares some with its neighbours is left out at both ends.
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
    """Redacts log records as they are made: for every logger and handler, those that come later too, and once."""

    def __init__(self, known: Callable[[], KnownSecrets]) -> None:
        self._known = known
        self._formatter = logging.Formatter()
        self._before: Callable[..., logging.LogRecord] | None = None

    def install(self) -> None:
        """Begin, for the whole process."""
        if self._before is None:
            self._before = logging.getLogRecordFactory()
            logging.setLogRecordFactory(self)

    def remove(self) -> None:
        """End; where another one was put above this, it goes on and this one only passes records through."""
        if logging.getLogRecordFactory() is self and self._before:
            logging.setLogRecordFactory(self._before)
            self._before = None
        self._known = KnownSecrets

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Make a record as before, and redact it."""
        record = (self._before or logging.LogRecord)(*args, **kwargs)
        if record.msg is not None:  # `makeLogRecord` fills an empty one afterwards
            self.redact(record)
        return record

    def redact(self, record: logging.LogRecord) -> None:
        """Replace the texts of a record: message, exception and stack alike."""
        known = self._known()
        try:
            message = record.getMessage()
        except Exception:
            # Left as it is, logging would print the arguments, secrets and all, with its complaint.
            message = f"{record.msg if isinstance(record.msg, str) else type(record.msg)} (the arguments do not fit)"
        size, message = len(message), message[: MAX_RECORD + LONGEST_SECRET]
        if record.levelno <= logging.DEBUG and record.name.startswith("mitmproxy."):
            # What `proxy_debug` shows is cut where the network cut it, so a secret may be there in two halves.
            message = _WIRE.sub("b[hidden]", message)
        record.msg, record.args = _shorten(known.redact(message), size), None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        record.exc_info = None  # or a formatter that ignores exc_text would write it anew
        if record.exc_text:
            record.exc_text = _redact_text(known, record.exc_text)
        if record.stack_info:
            record.stack_info = _redact_text(known, record.stack_info)


def _redact_text(known: KnownSecrets, text: str) -> str:
    return _shorten(known.redact(text[: MAX_RECORD + LONGEST_SECRET]), len(text))


def _shorten(redacted: str, size: int) -> str:
    """Cut a redacted text of once `size` characters, of which `MAX_RECORD + LONGEST_SECRET` at most were redacted."""
    if size <= MAX_RECORD:
        return redacted
    if size <= MAX_RECORD + LONGEST_SECRET:
        kept = redacted[:MAX_RECORD]
    else:
        kept = redacted[: min(MAX_RECORD, max(0, len(redacted) - LONGEST_SECRET))]
    return f"{kept} [cut, {size} characters]"
