"""Have the C library's allocator return the memory of large bodies to the system.

glibc raises the size from which it maps blocks of their own each time such a block is freed, up to 32 MB; bodies then
share heaps with small objects, which stay as large as they have ever been. A fixed size keeps bodies apart.
Other C libraries are left as they are.
"""

import ctypes
import sys
from collections.abc import Callable

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MAPPED = 4 * 1024 * 1024
"""Bytes from which a block is mapped by itself, and returned as soon as it is freed.

orjson takes 12 times the size of a body while it parses: below this, the bodies of usual requests reuse warm pages.
"""
SLACK = 32 * 1024 * 1024
"""Free bytes at the end of a heap that stay: returning them after each request costs more than they do."""
ARENAS = 4
"""Heaps that threads share."""


def set_up() -> bool:
    """Set the thresholds of the C allocator for this process; return False where it has no `mallopt`."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    set_all = [mallopt(M_MMAP_THRESHOLD, MAPPED), mallopt(M_TRIM_THRESHOLD, SLACK), mallopt(M_ARENA_MAX, ARENAS)]
    return all(set_all)


def trim() -> None:
    """Return free pages of all heaps to the system. Takes milliseconds, so call it in a thread."""
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    return found
