"""Thinking between tags at the very start of a reply's text, as many open models write it.

Servers that know such a model take it apart themselves and say `reasoning_content`; others pass it on as it comes.
"""

OPEN, CLOSE = "<think>", "</think>"


class Splitter:
    """Takes pieces of text cut anywhere; gives pieces, each with whether it is thinking.

    White space that stands after a tag belongs to neither. Thinking without its end tag is thinking to the end.
    """

    def __init__(self) -> None:
        self._rest = ""
        """What may be a part of a tag, or white space before one."""
        self._looks: str | None = OPEN
        """The tag that may still come."""
        self._skips = False

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        text, self._rest = self._rest + piece, ""
        said: list[tuple[bool, str]] = []
        if self._looks == OPEN:
            text = self._enter(text)
        if self._looks == CLOSE:
            text, thought = self._leave(text)
            said = [(True, thought)] if thought else []
        if self._looks is None and (text := self._skip(text)):
            said.append((False, text))
        return said

    def finish(self) -> list[tuple[bool, str]]:
        """Give what was held back: nothing that follows makes a tag of it."""
        thinks = self._looks == CLOSE
        rest, self._rest = self._rest, ""
        self._looks = None
        return [(thinks, rest)] if rest else []

    def _enter(self, text: str) -> str:
        """Look for the first tag; what is not yet known to be one, or none, is held back."""
        bare = text.lstrip()
        if bare.startswith(OPEN):
            self._looks, self._skips = CLOSE, True
            return bare.removeprefix(OPEN)
        if OPEN.startswith(bare):
            self._rest = text
            return ""
        self._looks = None
        return text

    def _leave(self, text: str) -> tuple[str, str]:
        """Give what follows the thinking, and the thinking; what may begin the last tag is held back."""
        text = self._skip(text)
        thought, closed, after = text.partition(CLOSE)
        if closed:
            self._looks, self._skips = None, True
            return after, thought
        held = next((n for n in range(len(CLOSE) - 1, 0, -1) if text.endswith(CLOSE[:n])), 0)
        self._rest = text[len(text) - held :]
        return "", text[: len(text) - held]

    def _skip(self, text: str) -> str:
        if self._skips:
            text = text.lstrip()
            self._skips = not text
        return text
