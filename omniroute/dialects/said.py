"""What a client has been told of an answer: whether another upstream can go on from there."""

from omniroute.dialects.ir import Event, Finish, PartCite, PartDelta, PartStart, PartStop, Reasoning, Text
from omniroute.dialects.overlap import WHOLE

MOST = 1024 * 1024
"""Characters of an answer that is gone on from; they all are told to the next upstream."""


class Said:
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
