"""Memory that a loaded model does not need, given back to the system."""

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from pathlib import Path

ARENAS = 2
LARGE = 1 << 20
"""Bytes from which a block is given back as soon as it is free. From 128 kB on it costs a sixth of the throughput, from
1 MB on a hundredth."""
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""Of malloc.h."""
MAPS = Path("/proc/self/smaps")


def frugal() -> None:
    """Have all threads of this process share a few heaps, and none of them hold on to large blocks."""
    if (found := _c()) is not None and hasattr(found, "mallopt"):
        found.mallopt(M_ARENA_MAX, ARENAS)
        # Said once, it stays: else it rises with the largest block that was ever freed, here of a whole network.
        found.mallopt(M_MMAP_THRESHOLD, LARGE)


def settle() -> None:
    """Give back what loading has left, and count what is here as here to stay, so that it is not searched again."""
    gc.collect()
    gc.freeze()
    found = _c()
    if found is None:
        return
    if hasattr(found, "malloc_trim"):
        found.malloc_trim(0)
    if hasattr(mmap, "MADV_DONTNEED"):
        found.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for start, size in _as_on_disk():
            # What is used again is mapped again, from the system's cache: it costs a moment, and only what is used.
            found.madvise(start, size, mmap.MADV_DONTNEED)


def _as_on_disk() -> Iterator[tuple[int, int]]:
    """Yield start and bytes of mapped parts of files in which no page differs from the file, nor may be written.

    Compilers of networks are large libraries that nothing needs once the networks are compiled: 42 MB of OpenVINO's.
    """
    try:
        lines = MAPS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    part: tuple[int, int] | None = None
    for line in lines:
        words = line.split()
        if not words[0].endswith(":"):
            start, end = (int(one, 16) for one in words[0].split("-"))
            own = len(words) > 5 and words[5].startswith("/") and words[1] in ("r-xp", "r--p")
            part = (start, end - start) if own else None
        elif words[0] == "Anonymous:" and words[1] == "0" and part is not None:
            yield part


def _c() -> ctypes.CDLL | None:
    """Return the system's C library where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
