"""What each target does when: seeded, and with somebody healthy at every moment.

Each target has its turn to be healthy over three blocks, and two neighbours share one: whatever takes less time
than a block finds a target that is healthy for all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

REFUSES, HEALTHY = "refuses", "ok"
LATE_CUT, LATE_ERROR = "cut in the middle", "an error in the middle"
WHOLE: dict[str, tuple[str, ...]] = {
    "limited": ("429:1", "429:none", "429:none"),
    "broken": ("500", "503", "529", "error-first", "html:502"),
    "cut": ("cut-first", "cut-late", "hangup-early"),
    "garbage": ("wrong", "broken-json", "not-http", "html:200", "not-sse"),
    "empty": ("empty",),
    "hang": ("hang", "hang-headers", "hang-byte"),
}
STREAM = WHOLE | {
    "cut": ("cut-first", "hangup-early", LATE_CUT, LATE_CUT, LATE_ERROR),
    "garbage": ("wrong", "data-junk", "not-http", "html:200", "not-sse"),
    "empty": ("empty", "role-only"),
}
"""What a bad target does to who wants a stream. What breaks after content is made good by who goes on with it."""
BAD = (REFUSES, *(name for name in WHOLE if name != "hang"), "flaky")


@dataclass
class Schedule:
    """Block by block, what each target does."""

    targets: int
    seed: int
    block: int = -1
    modes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)
        self._order = [*range(self.targets)]
        self._dice.shuffle(self._order)

    def healthy(self, block: int) -> set[int]:
        """Name who must be healthy in a block."""
        return {self._order[half // 2 % self.targets] for half in (block, block + 1)}

    def blocks(self) -> Iterator[list[str]]:
        """Give the modes of all targets, for one block after the other. One target hangs at the most."""
        while True:
            self.block += 1
            well = self.healthy(self.block)
            modes = [HEALTHY if n in well else self._dice.choice(BAD) for n in range(self.targets)]
            if bad := [n for n in range(self.targets) if n not in well]:
                modes[self._dice.choice(bad)] = "hang"
            self.modes = modes
            yield modes
