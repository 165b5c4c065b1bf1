"""Memory that a loaded model does not need, given back to the system."""

import ctypes
import gc
import sys

ARENAS = 2
M_ARENA_MAX = -8
"""Of malloc.h."""


def frugal() -> None:
    """Have all threads of this process share a few heaps, so that no thread holds on to one of its own."""
    if (found := _c()) is not None and hasattr(found, "mallopt"):
        found.mallopt(M_ARENA_MAX, ARENAS)


def settle() -> None:
    """Give back what loading has left, and count what is here as here to stay, so that it is not searched again."""
    gc.collect()
    gc.freeze()
    if (found := _c()) is not None and hasattr(found, "malloc_trim"):
        found.malloc_trim(0)


def _c() -> ctypes.CDLL | None:
    """Return the system's C library where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
