"""Dynamic micro-batches: threads that take what has come in meanwhile, so that nothing waits while a core is idle."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from graft.serving.http.faults import Refused, busy, late
from graft.serving.http.lengths import power

J = TypeVar("J")
R = TypeVar("R")
LATE = 504
SHARE = 4
"""Jobs that a thread takes at most where a batch is smaller."""
WAIT = 0.002
"""Seconds that a batch which is not full waits at most, while other threads work and so more is to be expected."""
PAUSE = 0.0005
"""Seconds in which none has come after which it waits no longer."""


@dataclass
class _Asked(Generic[J, R]):
    job: J
    until: float
    """On ``time.monotonic``: later than this nobody waits for it."""
    future: "asyncio.Future[R | Exception]"
    loop: asyncio.AbstractEventLoop


@dataclass
class Room:
    """How many inputs a server may have at once, over all its models; used from one event loop alone."""

    size: int
    taken: int = 0

    def take(self, count: int) -> None:
        """Take so many places. Raises Refused (503) where there are not as many."""
        if self.taken + count > self.size:
            raise busy()
        self.taken += count

    def give(self, count: int) -> None:
        """Give places back."""
        self.taken -= count


@dataclass
class Batcher(Generic[J, R]):
    """Threads that work on batches of jobs in the order of their arrival."""

    work: Callable[[Sequence[J]], Sequence[R | Exception]]
    """Returns the result of each job, or why there is none; it may be given more than a batch."""
    batch: int
    threads: int
    _queue: "deque[_Asked[J, R]]" = field(default_factory=deque)
    _come: threading.Condition = field(default_factory=threading.Condition)
    _busy: int = 0
    _closed: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start the threads."""
        self._threads = [
            threading.Thread(target=self._turn, name=f"graft-lane-{number}", daemon=True)
            for number in range(self.threads)
        ]
        for one in self._threads:
            one.start()

    async def ask(self, jobs: Sequence[J], seconds: float) -> list[R | Exception]:
        """Return what became of each job. Raises Refused (504) for those that waited too long."""
        loop, until = asyncio.get_running_loop(), time.monotonic() + seconds
        asked = [_Asked[J, R](job, until, loop.create_future(), loop) for job in jobs]
        with self._come:
            if self._closed:
                raise Refused(503, "The server is shutting down. Ask again soon.", {"retry-after": "5"})
            self._queue.extend(asked)
            self._come.notify(len(asked))
        # One timer and plain results: this is the path of every request, and its seconds are those of the loop.
        timer = loop.call_later(seconds, _tell, [(one.future, late()) for one in asked])
        try:
            found = [await one.future for one in asked]
        finally:
            timer.cancel()
            for one in asked:
                one.future.cancel()
        for result in found:
            if isinstance(result, Refused) and result.status == LATE:
                raise result
        return found

    def close(self) -> None:
        """Let the threads end when all that was asked is answered."""
        with self._come:
            self._closed = True
            self._come.notify_all()

    def join(self, seconds: float) -> None:
        """Wait until they have ended."""
        for one in self._threads:
            one.join(seconds)

    def _turn(self) -> None:
        while taken := self._take():
            # Nobody waits for the others any more.
            live = [one for one in taken if one.until > time.monotonic() and not one.future.cancelled()]
            try:
                results = self.work([one.job for one in live]) if live else []
            except Exception as error:  # whatever a library raises is told to those who asked, and the thread goes on
                results = [error] * len(live)
            finally:
                with self._come:
                    self._busy -= 1
            told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R | Exception], R | Exception]]] = {}
            for one, result in zip(live, results, strict=True):
                told.setdefault(one.loop, []).append((one.future, result))
            for loop, some in told.items():
                # The loop of a server that has ended is closed: nobody waits.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_tell, some)

    def _take(self) -> "list[_Asked[J, R]]":
        """Return the next jobs, at most a batch; none when it is closed and all is done."""
        with self._come:
            while True:
                while not self._queue and not self._closed:
                    self._come.wait()
                if 0 < len(self._queue) < self.batch and self._busy and not self._closed:
                    self._await_more()
                taken = [self._queue.popleft() for _ in range(self._share())]
                if taken:
                    self._busy += 1
                if taken or (self._closed and not self._queue):
                    return taken

    def _await_more(self) -> None:
        """Wait until a batch is full, or none come any more."""
        until, before = time.monotonic() + WAIT, 0
        while before < len(self._queue) < self.batch and not self._closed and time.monotonic() < until:
            before = len(self._queue)
            self._come.wait(PAUSE)

    def _share(self) -> int:
        """Return how many jobs a thread takes of those that wait: it leaves as many to each other that is free."""
        waiting = len(self._queue)
        fair = -(-waiting // max(1, len(self._threads) - self._busy))
        # Under load it takes some at once even where they are run one by one: it wakes the loop once for all of them.
        wanted = max(min(self.batch, fair), min(SHARE, waiting // len(self._threads)))
        return min(waiting, power(wanted)) if waiting else 0


def _tell(some: "Sequence[tuple[asyncio.Future[R | Exception], R | Exception]]") -> None:
    """Settle futures; what went wrong is a result too, which whoever waits sorts out."""
    for future, result in some:
        if not future.done():
            future.set_result(result)
