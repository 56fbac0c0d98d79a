"""What a continuation repeats of the text that it goes on from, taken out while it comes."""

from omniroute.dialects.ir import Event, Finish, PartCite, PartDelta, PartStart, PartStop, Reasoning, Text

LEAST = 16
"""Characters at the end of a text that must come again to be a repetition; fewer may be chance."""
WHOLE = 4
"""Characters of a text that is repeated from its beginning to its end, where it is shorter than that."""
MANY = 64
"""Places of a text that are looked at; one that has more repeats itself."""


class OverlapNotFound(ValueError):
    """The model says something else than what comes next."""


class Overlap:
    """Takes pieces of a continuation; gives what is new in them.

    A continuation may begin with the end of the text, however long, up to all of it: that is left out. It is held
    back for only as long as it is equal to some piece of the text. One that begins the text anew and then
    leaves it cannot be joined: `NotAContinuation`.
    """

    def __init__(self, said: str) -> None:
        self._said = said
        self._least = min(LEAST, len(said)) if len(said.strip()) >= WHOLE else 0
        self._held: list[str] = []
        self._lead = ""
        """White space before the first word."""
        self._size = self._checked = 0
        self._starts: list[int] | None = None
        """Where in the text the continuation may have begun, as far as it is known."""
        self._found = 0
        self._anew = False
        self._decided = False

    def feed(self, piece: str) -> str:
        if self._decided or not piece:
            return piece
        if not self._held:
            bare = piece.lstrip()
            self._lead += piece[: len(piece) - len(bare)]
            piece = bare
        if piece:
            self._held.append(piece)
            self._size += len(piece)
        if not self._held or self._size < self._least:
            return ""
        if self._starts is None:
            self._starts = self._places("".join(self._held)[: self._least])
        else:
            self._look(piece)
        return "" if self._starts else self._decide()

    def finish(self) -> str:
        """Give what is held back when nothing follows it."""
        return "" if self._decided else self._decide()

    def _places(self, first: str) -> list[int]:
        if not first:
            return []
        found: list[int] = []
        end = len(self._said)
        while len(found) < MANY and (at := self._said.rfind(first, 0, end)) >= 0:
            found.append(at)
            end = at + len(first) - 1
        if found and found[-1] and self._said.startswith(first):
            found.append(0)
        self._starts = found
        self._look("".join(self._held))
        return self._starts

    def _look(self, piece: str) -> None:
        """Keep the places from which the text is as the continuation, and note those from which it is to its end."""
        stay = []
        for start in self._starts or ():
            place = start + self._checked
            room = len(self._said) - place
            if not self._said.startswith(piece[:room], place):
                self._anew = self._anew or start == 0
            elif room <= len(piece):
                self._found = max(self._found, len(self._said) - start)
            else:
                stay.append(start)
        self._checked += len(piece)
        self._starts = stay

    def _decide(self) -> str:
        self._decided = True
        held = "".join(self._held)
        self._held = []
        if self._found:
            return held[self._found :]
        if self._anew or 0 in (self._starts or ()):
            raise OverlapNotFound("the answer was begun anew, in other words")
        return self._spaced() + held

    def _spaced(self) -> str:
        """Give the white space before the first word, without what the text already ends with."""
        before = self._said[len(self._said.rstrip()) :]
        most = min(len(before), len(self._lead))
        return self._lead[next((n for n in range(most, 0, -1) if before.endswith(self._lead[:n])), 0) :]


MOST = 1024 * 1024
"""Characters of an answer that is gone on from; they all are told to the next upstream."""


class ResumableText:
    """Takes the events that a writer takes."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._plain = True
        self._open = False

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def goes_on(self) -> bool:
        """Whether it is plain text that has begun, and not ended; the thinking before it is past.

        Of less than `WHOLE` characters nobody could tell whether who goes on repeats them.
        """
        return self.obstacle is None

    @property
    def obstacle(self) -> str | None:
        """Say why nobody can go on from here; None where somebody can."""
        if not self._plain:
            return "it is not plain text alone"
        if not self._open:
            return "it had no text yet, or its text had ended"
        if self._size > MOST:
            return f"it is over {MOST} characters long"
        return f"it has fewer than {WHOLE} characters" if len(self.text.strip()) < WHOLE else None

    def note(self, event: Event) -> None:
        match event:
            case PartStart(part=Text()):
                self._open = True
            case PartStart(part=Reasoning()):
                self._open = False
            case PartStart() | PartCite() | Finish():
                self.spoil()
            case PartStop():
                self._open = False
            case PartDelta(text=text) if self._open and self._plain and self._size <= MOST:
                self._pieces.append(text)
                self._size += len(text)

    def spoil(self) -> None:
        """Let nobody go on from here."""
        self._plain = False
        self._pieces = []
