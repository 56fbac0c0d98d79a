"""The pace of one request body under way: how fast it has to arrive, and how much of a refused one is drained."""

from dataclasses import dataclass

from omniroute.config.server_limits import ServerLimits

MAX_DRAINED = 64 * 1024 * 1024
"""Bytes of a refused body that are read and dropped before the connection is closed."""
LINGER = 1.0
"""Seconds for the rest of a body that was refused for being slow."""


@dataclass(slots=True)
class Upload:
    """When a body began, and when its last piece arrived; on the desk's clock."""

    started: float
    last: float = 0.0

    def due(self, received: int, limits: ServerLimits) -> float:
        """Return the time at which the body is too slow, should nothing more arrive.

        After `header_timeout` seconds of grace it needs `body_min_rate` bytes a second on average, and it may pause
        for no longer than a connection may idle.
        """
        pause = max(self.started, self.last) + limits.idle_timeout
        if not limits.body_min_rate:
            return pause
        return min(pause, self.started + limits.header_timeout + received / limits.body_min_rate)
