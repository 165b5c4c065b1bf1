"""Reading and decoding inputs in threads, ahead of the network and never too far ahead."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice

import numpy as np

from graft import runtimes
from graft.errors import UnreadableInputError
from graft.features.keys import view_seed
from graft.preprocess import Preprocess, descriptors
from graft.types import Example

AHEAD_BYTES, STEADY_BYTES, AHEAD = 256 << 20, 24 << 20, 2048
"""What may wait, decoded: about what is decoded while the network is made ready, then what keeps it busy, since more
would only take memory; and how many at most."""
AT_ONCE_BYTES, AT_ONCE = 640 << 10, 256
"""What a thread decodes in one go, and how many at most: handing over a small input costs more than decoding it, and
four photos in one go a tenth of the time of the thread that hands over. Beside a network that empties the caches, texts
take a third of the time where hundreds are tokenized in one go."""


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Gate:
    """Lets some of the threads that come work at a time: as many as are needed, one at least and all at first.

    Where one decodes fast enough, a second beside a network that uses all cores only gets in the way: on two cores a
    pass of 5,000 photos took 9.4 s with two at work and 8.9 s with one.
    """

    def __init__(self, most: int) -> None:
        self.most = self.limit = most
        self._inside = 0
        self._turn = threading.Condition()

    def change(self, by: int) -> None:
        """Let more or fewer work at a time, within 1 and ``most``."""
        with self._turn:
            self.limit = max(1, min(self.most, self.limit + by))
            self._turn.notify_all()

    def __enter__(self) -> None:
        """Wait for a place."""
        with self._turn:
            self._turn.wait_for(lambda: self._inside < self.limit)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        """Give the place to whoever waits."""
        with self._turn:
            self._inside -= 1
            self._turn.notify()


@dataclass(frozen=True)
class Job:
    """One input and what is wanted of it."""

    row: int
    example: Example
    hash: str
    """sha-256 of its bytes as they were scanned."""
    views: tuple[int, ...]
    perceptual_hash: bool = False
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """What came of a job; only ``failed`` where it could not be read."""

    job: Job
    views: dict[int, np.ndarray] = field(default_factory=dict)
    miniature: np.ndarray | None = None
    """What the perceptual hash is made of, many at once."""
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By descriptor."""
    failed: str | None = None
    seconds: float = 0.0


class Decoding:
    """Jobs being decoded by threads, from the moment it is made; iterating gives the results in order.

    At most about ``ahead`` bytes of results wait, and after ``steady`` STEADY_BYTES; jobs are taken as they are needed.
    Use it as ``with``, so that its threads end.
    """

    def __init__(
        self,
        jobs: Iterator[Job],
        preprocess: Preprocess,
        *,
        augmentation: str,
        seed: int,
        views: int = 1,
        ahead: int = AHEAD_BYTES,
        threads: int | None = None,
    ) -> None:
        self.preprocess = preprocess
        self.augmentation = augmentation
        self.seed = seed
        self._jobs = jobs
        self._waiting: deque[Future[list[Decoded]]] = deque()
        self._threads = threads or max(2, min(8, usable_cores()))
        self._gate = Gate(self._threads)
        self._pool = runtimes.pool(self._threads, each=1, name="graft-decode")
        item = int(np.prod(preprocess.shape)) * np.dtype(preprocess.dtype).itemsize
        self._each = max(1, item * views)
        self._reach(ahead)
        self._fill()

    def steady(self) -> None:
        """Let no more wait than is taken soon: the network is ready."""
        self._reach(STEADY_BYTES)

    def _reach(self, size: int) -> None:
        ahead = max(2 * self._threads, min(AHEAD, size // self._each))
        self._at_once = max(1, min(AT_ONCE_BYTES // self._each, AT_ONCE, ahead // (2 * self._threads)))
        self._ahead = ahead // self._at_once

    def _fill(self) -> None:
        while len(self._waiting) < self._ahead:
            jobs = list(islice(self._jobs, self._at_once))
            if not jobs:
                return
            self._waiting.append(self._pool.submit(self._decode_all, jobs))

    def __iter__(self) -> Iterator[Decoded]:
        """Yield results in the order of the jobs. An error other than an unreadable input is raised here."""
        while self._waiting:
            if not self._waiting[0].done():
                self._gate.change(1)
            elif self._waiting[len(self._waiting) // 2].done():
                self._gate.change(-1)
            results = self._waiting.popleft().result()
            self._fill()
            yield from results

    def __enter__(self) -> "Decoding":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _decode_all(self, jobs: list[Job]) -> list[Decoded]:
        with self._gate:
            step = len(jobs) if self.preprocess.together else 1
            return [one for start in range(0, len(jobs), step) for one in self._decode(jobs[start : start + step])]

    def _decode(self, jobs: list[Job]) -> list[Decoded]:
        start = time.thread_time()
        opened = [self._opened(job) for job in jobs]
        good = [
            (job, one)
            for job, one in zip(jobs, opened, strict=True)
            if isinstance(one, np.ndarray) and (0 in job.views or job.perceptual_hash or job.descriptors)
        ]
        plain = dict(zip((job.row for job, _ in good), self.preprocess.fit_all([one for _, one in good]), strict=True))
        found = [
            self._made(job, one, plain.get(job.row)) if isinstance(one, np.ndarray) else one
            for job, one in zip(jobs, opened, strict=True)
        ]
        each = (time.thread_time() - start) / len(jobs)
        return [replace(one, seconds=each) for one in found]

    def _opened(self, job: Job) -> np.ndarray | Decoded:
        """Return the decoded input, or why there is none."""
        try:
            content = job.example.read(in_place=self.preprocess.in_place)
            if sha256(content).hexdigest() != job.hash:
                return Decoded(job, failed="The file changed while it was being read; run again.")
            return self.preprocess.decode(content)
        except UnreadableInputError as error:
            return Decoded(job, failed=str(error))
        except OSError as error:
            return Decoded(job, failed=f"The file cannot be read: {error.strerror or error}.")

    def _made(self, job: Job, decoded: np.ndarray, plain: np.ndarray | None) -> Decoded:
        """Return what is wanted of an input; ``plain`` is its view 0, where that is needed for anything."""
        views = {}
        for view in job.views:
            if view:
                number = view_seed(job.hash, view=view, seed=self.seed)
                views[view] = self.preprocess.augmented(decoded, self.augmentation, number)
        if plain is not None and 0 in job.views:
            views[0] = plain
        return Decoded(
            job,
            views,
            self.preprocess.miniature(plain) if plain is not None and job.perceptual_hash else None,
            {} if plain is None else self._measures(job.descriptors, decoded, plain),
        )

    def _measures(self, names: Sequence[str], decoded: np.ndarray, plain: np.ndarray) -> dict[str, np.ndarray]:
        return {name: descriptors.named(name).measure(self.preprocess, decoded, plain) for name in names}
