"""The network that ran last, kept ready while a piece of work goes on, so that it is not read and warmed up again."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from graft.runtimes._base import Compiled

_lock = threading.Lock()
_works = 0
_ready: dict[tuple[object, ...], Compiled] = {}
"""At most one, since each holds the memory of a network."""


class Lent(Compiled):
    """A compiled network that goes back, when it is closed, to where the next one who wants it finds it."""

    def __init__(self, compiled: Compiled, key: tuple[object, ...]) -> None:
        self.batch, self.axes = compiled.batch, compiled.axes
        self.compiled: Compiled | None = compiled
        self.key = key

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield outputs as the network itself does."""
        if self.compiled is None:
            raise ValueError("this network was given back")
        return self.compiled.stream(batches)

    def close(self) -> None:
        """Give it back."""
        compiled, self.compiled = self.compiled, None
        if compiled is None:
            return
        with _lock:
            unwanted = [compiled] if not _works else _swapped(self.key, compiled)
        for one in unwanted:
            one.close()


def _swapped(key: tuple[object, ...], compiled: Compiled) -> list[Compiled]:
    unwanted = list(_ready.values())
    _ready.clear()
    _ready[key] = compiled
    return unwanted


def take(key: tuple[object, ...]) -> Compiled | None:
    """Return the network that was kept under this key, no longer kept then, or None."""
    with _lock:
        return _ready.pop(key, None)


@contextmanager
def keeping_ready() -> Iterator[None]:
    """Keep the network that ran last ready inside; of works inside one another, until the outermost ends."""
    global _works  # noqa: PLW0603 - one slot a process, as it has one memory
    with _lock:
        _works += 1
    try:
        yield
    finally:
        with _lock:
            _works -= 1
            unwanted = [] if _works else list(_ready.values())
            if not _works:
                _ready.clear()
        for one in unwanted:
            one.close()
