"""Run a target on mutated inputs for some seconds of processor time, and keep what fails.

    FUZZ_SECONDS   processor time of each test, 30
    FUZZ_SEED      seed of the first input, 1
    FUZZ_REPORT    file to which each test appends a line of JSON: name, seed, inputs, seconds

An input fails when the target raises, when it takes over `MAX_INPUT_SECONDS` of processor, or when the process keeps
growing. It is written to `failures/`; once the cause is fixed it moves to `seeds/`, whose files run first every time.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import FrameType

import pytest
from mutate import Mutator

HERE = Path(__file__).resolve().parent
SEEDS, FAILURES = HERE / "seeds", HERE / "failures"
SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
LEAST_INPUTS = 50
"""Inputs below which a run proves nothing."""
MAX_INPUT_SECONDS = 5.0
"""Processor time of one input, of at most 64 KB: most take well under a hundredth of a second."""
WARM_UP = 200
"""Inputs after which everything that is made once has been made."""
MAX_GROWTH = 300 * 1024 * 1024
"""Bytes by which the process may grow after that."""


class OutOfTime(BaseException):
    """One input has taken too long; no target can catch it by accident."""


def fuzz(name: str, make: Callable[[Mutator], bytes], check: Callable[[bytes], object]) -> None:
    """Check the kept seeds of a target, then new inputs until the time is over.

    Input N of a run has the seed `SEED + N`: a failure is repeated by that number alone.
    """
    for path in sorted((SEEDS / name).glob("*")):
        run(name, path.read_bytes(), check, str(path.relative_to(HERE)))
    begun, count, size = time.process_time(), 0, 0
    while count < LEAST_INPUTS or time.process_time() - begun < SECONDS:
        data = make(Mutator(SEED + count))
        run(name, data, check, f"FUZZ_SEED={SEED + count}")
        count += 1
        if count == WARM_UP:
            size = resident()
    if size and (grown := resident() - size) > MAX_GROWTH:
        pytest.fail(f"{name}: the process has grown by {grown:,} bytes over {count} inputs")
    report(name, count, time.process_time() - begun)


def run(name: str, data: bytes, check: Callable[[bytes], object], origin: str) -> None:
    """Check one input; keep it when it fails."""
    try:
        with time_limit(MAX_INPUT_SECONDS):
            check(data)
    except (Exception, OutOfTime) as error:
        FAILURES.mkdir(exist_ok=True)
        kept = FAILURES / f"{name}-{sha256(data).hexdigest()[:16]}"
        kept.write_bytes(data)
        error.add_note(f"{name}: input {origin}, kept as {kept}: {data[:200]!r}")
        if isinstance(error, OutOfTime):
            raise AssertionError(f"{name}: {len(data)} bytes took over {MAX_INPUT_SECONDS:g} s of processor") from error
        raise


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside the block after some processor time of this process."""

    def ended(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, ended)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def resident() -> int:
    """Return the bytes of memory that the process holds now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def report(name: str, count: int, seconds: float) -> None:
    if path := os.environ.get("FUZZ_REPORT"):
        seeds = len(list((SEEDS / name).glob("*")))
        line = {"name": name, "seed": SEED, "inputs": count, "kept": seeds, "seconds": round(seconds, 1)}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
