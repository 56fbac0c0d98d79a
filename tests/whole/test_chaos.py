"""Fifty clients before five targets that refuse, hang, limit, break, cut, talk nonsense and recover, all by one seed.

`CHAOS_EXCHANGES` and `CHAOS_SEED` make another run of it: `scripts/chaos` takes them.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chaos.run import Chaos, chaos
from harness import until

from omniroute.store.config import limits
from omniroute.store.history import usage

EXCHANGES = int(os.environ.get("CHAOS_EXCHANGES", "1500"))
SEED = int(os.environ.get("CHAOS_SEED", "5"))
SECONDS = max(20.0, EXCHANGES / 80)


@pytest.mark.skipif("CHAOS_EXCHANGES" not in os.environ, reason="takes long: scripts/chaos runs it")
def test_nobody_notices_while_one_target_is_healthy(tmp_path: Path) -> None:
    with chaos(tmp_path, SEED) as run:
        idle = settled(run)
        seen = asyncio.run(run.run(EXCHANGES, seconds=SECONDS))
        after = settled(run)
        print(seen, idle, after, sep="\n")
        rows = usage.recent(run.gateway.store, EXCHANGES * 2)
        print(Counter(one.detail.partition("not resumed: ")[2] for row in rows for one in row.attempts))
        assert not seen.failed, f"{len(seen.failed)}: {seen.failed[:5]}"
        assert not seen.alone, f"the schedule leaves nobody healthy: {seen.alone[:5]}"
        assert len(seen.slow) < EXCHANGES // 20, f"the machine is too busy for this: {seen.slow[:2]}"
        assert seen.answered > EXCHANGES * 0.9
        assert seen.served.keys() == {f"t{n}/m" for n in range(5)}, "each has had its turn, and nobody waited for long"
        assert seen.breakers["OPEN"] > 0
        assert sum(n for attempts, n in seen.attempts.items() if attempts > 1) > EXCHANGES // 50, "there was failover"
        assert not Counter(after["tasks"]) - Counter(idle["tasks"])
        assert not after["transports"], "no connection is left, not even one that nobody knows"
        assert after["sockets"] == idle["sockets"], "what the gateway itself has open stays the same"
        assert after["fds"] <= idle["fds"] + 2
        assert not seen.still_open
        hedged = Counter(one.outcome for row in rows for one in row.attempts if one.detail.startswith("asked beside"))
        print(hedged)
        assert hedged["ok"] > EXCHANGES // 200, "some were answered by who was asked beside another"
        resumed = Counter(one.outcome for row in rows for one in row.attempts if one.detail.startswith("went on after"))
        print(resumed)
        assert resumed["ok"], "answers that had broken off were gone on with"
        logged, answered = len(rows), seen.answered + len(seen.slow)
        assert answered <= logged <= answered + seen.left, "each is logged once; some leave before they asked"
        assert {use.in_flight for use, _ in limits.seen(run.gateway.store).in_use.values()} == {0}
        assert after["megabytes"] < seen.middle * 1.1


def settled(run: Chaos) -> dict[str, Any]:
    """Wait until nothing is held that has come with an exchange."""

    def look() -> dict[str, Any] | None:
        found = run.look_inside()
        held = [found[name] for name in ("busy", "queue", "probes", "exchanges", "rows", "connections", "objects")]
        held += [name for name in found["sockets"] if name.startswith("tcp") and not name.endswith("listen")]
        return None if any(held) else found

    try:
        return until("all is over", look)
    except AssertionError as error:
        raise AssertionError(f"{error}: {run.look_inside()}") from None
