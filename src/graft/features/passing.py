"""One pass of a frozen prefix over inputs: decode, run and store at the same time, in bounded memory."""

import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from graft import runtimes
from graft.features.batching import Batch, Piece, held, in_batches
from graft.features.decoding import AHEAD_BYTES, STEADY_BYTES, Decoded, Decoding, Job
from graft.features.extras import HASH, Extras
from graft.features.prefix import Prefix
from graft.features.shelf import Shelf
from graft.runtimes import Choice, Compiled
from graft.types import Example, Progress

LOOK_EVERY = 64
"""Inputs between two looks at what other processes have stored."""


class Overflow(ArithmeticError):
    """An activation is too large for float16."""


@dataclass(frozen=True, kw_only=True)
class Passed:
    """What a pass left behind."""

    shelf: Shelf
    places: np.ndarray
    failed: Mapping[int, str]
    choice: Choice | None
    computed: int
    lost: int
    """Views of failed inputs."""
    perceptual_hashes: np.ndarray | None
    measures: Mapping[str, np.ndarray]
    """By descriptor."""
    seconds: Mapping[str, float]


@dataclass
class _Tally:
    computed: int = 0
    done: int = 0
    """Inputs that are through."""
    failed: dict[str, str] = field(default_factory=dict)
    """By content hash."""
    seconds: dict[str, float] = field(default_factory=lambda: {"choose": 0.0, "decode": 0.0, "run": 0.0})


class Pass:
    """The state of one pass."""

    def __init__(
        self,
        what: Prefix,
        examples: Sequence[Example],
        hashes: Sequence[str],
        counts: np.ndarray,
        also: Sequence[str],
        progress: Progress,
    ) -> None:
        self.what = what
        self.examples = examples
        self.hashes = hashes
        self.counts = counts
        self.progress = progress
        self.keys = what.keys(hashes, counts)
        self.extras = Extras(what.store, what.preprocess, also, self.keys[:, 0])
        self.asked = np.arange(self.keys.shape[1])[None, :] < counts[:, None]
        self.tally = _Tally()
        self.choice: Choice | None = None
        self.shelf: Shelf | None = None
        self.others = False
        """Whether another process has been seen to fill the same shelf."""
        self.seen = 0

    def run(self) -> Passed:
        """Compute and store what is missing. Raises StoreError, and Overflow where float16 is too narrow."""
        what = self.what
        if what.cut:
            self.choice = runtimes.recall(what.folder, expected=self.expected, device=what.device, runtime=what.runtime)
        if self.choice is not None or not what.cut:
            self.shelf = what.shelf(self.choice)
        missing = self._missing()
        while missing:
            self._make_room()
            with ExitStack() as stack:
                decoding = stack.enter_context(
                    Decoding(
                        self._jobs(missing),
                        what.preprocess,
                        augmentation=what.augmentation,
                        seed=what.seed,
                        views=self.keys.shape[1],
                        ahead=AHEAD_BYTES if what.cut and self.choice is None else STEADY_BYTES,
                    )
                )
                results = iter(decoding)
                compiled: Compiled | None = None
                if what.cut:
                    first, sample = self._sample(results)
                    results = chain(first, results)
                    if len(sample):
                        compiled = self._compile(sample)
                        stack.callback(compiled.close)
                        left = self._missing()
                        if len(left) < len(missing) - len(first):
                            # The shelf that was chosen has much of it: begin again with what it lacks.
                            missing = left
                            continue
                decoding.steady()
                self._pass(results, compiled)
            break
        return self._passed()

    @property
    def expected(self) -> int:
        """The number of activations of the whole job, stored ones included: a job that was cut off is no smaller."""
        return int(self.counts.sum())

    def _compile(self, sample: np.ndarray) -> Compiled:
        """Choose the runtime, or take the one that was chosen before, and open the shelf for what it computes."""
        started = time.perf_counter()
        what, before = self.what, self.choice
        compiled, self.choice = runtimes.choose(
            what.backbone.prefix(what.cut),
            sample,
            expected=self.expected,
            device=what.device,
            runtime=what.runtime,
            cache=what.folder,
            axes=what.preprocess.open_axes,
            windows=what.backbone.windows,
        )
        if before is None or before.identity() != self.choice.identity():
            self.shelf = what.shelf(self.choice)
            self._make_room()
        self.tally.seconds["choose"] += time.perf_counter() - started
        return compiled

    def _make_room(self) -> None:
        if self.shelf is not None:
            lacking = int((self._find(self.shelf)[self.asked] < 0).sum())
            self.what.store.make_room(lacking * self.shelf.record_bytes)

    def _missing(self) -> list[int]:
        """Return the first row of each content of which something is missing."""
        lacking = self.asked.copy()
        if self.shelf is not None:
            lacking &= self._find(self.shelf) < 0
        wanted = np.flatnonzero(lacking.any(axis=1) | self.extras.lacking)
        rows = {self.hashes[row]: row for row in wanted[::-1].tolist()}
        return sorted(rows.values())

    def _find(self, shelf: Shelf) -> np.ndarray:
        places = np.full(self.asked.shape, -1, np.int64)
        places[self.asked] = shelf.find(self.keys[self.asked])
        return places

    def _jobs(self, rows: list[int]) -> Iterator[Job]:
        """Yield jobs as they are needed, in blocks of an order that is this process's own.

        So two processes that fill a shelf at once share the work, since each leaves out what the other has stored.
        """
        blocks = [rows[start : start + LOOK_EVERY] for start in range(0, len(rows), LOOK_EVERY)]
        random.Random(os.getpid()).shuffle(blocks)  # noqa: S311 - no secret, and no influence on any value
        for block in blocks:
            lacking = self._lacking(np.array(block))
            for row, asked in zip(block, lacking.tolist(), strict=True):
                wanted = self.extras.wanted(row)
                views = tuple(view for view, missing in enumerate(asked) if missing)
                if views or wanted:
                    yield Job(
                        row,
                        self.examples[row],
                        self.hashes[row],
                        views,
                        perceptual_hash=HASH in wanted,
                        descriptors=tuple(one for one in wanted if one != HASH),
                    )

    def _lacking(self, rows: np.ndarray) -> np.ndarray:
        """Return which views of rows (m, views) are asked for and neither stored by this process nor by others."""
        lacking: np.ndarray = self.asked[rows].copy()
        if self.shelf is not None:
            self.others |= self.shelf.refresh_others()
            lacking[lacking] = self.shelf.locate(self.keys[rows][lacking]) < 0
        return lacking

    def _sample(self, results: Iterator[Decoded]) -> tuple[list[Decoded], np.ndarray]:
        """Take the first results until they fill a batch; return them and the batch."""
        preprocess = self.what.preprocess
        device, windows = runtimes.resolve_device(self.what.device), self.what.backbone.windows
        size = runtimes.default_batch(device, axes=preprocess.open_axes, windows=windows)
        first: list[Decoded] = []
        arrays: list[np.ndarray] = []
        for one in results:
            first.append(one)
            arrays += one.views.values()
            if len(arrays) >= size:
                break
        return first, preprocess.stacked(arrays[:size]) if arrays else np.zeros((0, *preprocess.shape))

    def _pass(self, results: Iterator[Decoded], compiled: Compiled | None) -> None:
        """Run all results through the network, and store what comes out."""
        started = time.perf_counter()
        preprocess = self.what.preprocess
        waiting: deque[Batch] = deque()
        record = int(np.prod(preprocess.shape)) * np.dtype(preprocess.dtype).itemsize
        most = held(record) if preprocess.open_axes and compiled else 1

        def inputs() -> Iterator[np.ndarray]:
            # Where nothing is run, what is stored is the input as it is.
            pieces = self._pieces(results, preprocess.used if compiled else _whole)
            size = compiled.room if compiled else lambda _: 8
            for batch in in_batches(pieces, size, most=most):
                waiting.append(batch)
                yield batch.inputs

        for output in compiled.stream(inputs()) if compiled else inputs():
            batch = waiting.popleft()
            if self.shelf is not None:
                self.shelf.append(batch.keys, _narrow(runtimes.whole(output, self.shelf.shape), self.shelf.dtype))
                self.tally.computed += len(batch.keys)
            self._finish(batch.ends)
        self.extras.write()
        self.tally.seconds["run"] += time.perf_counter() - started

    def _finish(self, results: list[Decoded]) -> None:
        """Keep what is wanted beside activations, and tell how far the pass has come."""
        self.extras.add(results)
        self.tally.done += len(results)
        total = len(self.examples)
        self.progress(f"{self.what.backbone.name} to cut {self.what.cut}", min(self.tally.done, total), total)

    def _pieces(self, results: Iterator[Decoded], used: Callable[[np.ndarray], np.ndarray]) -> Iterator[Piece]:
        """Yield the views that are to be run; of what needs none the rest is kept at once."""
        done: list[Decoded] = []
        for one in results:
            self.tally.seconds["decode"] += one.seconds
            if one.failed is not None:
                self.tally.failed[one.job.hash] = one.failed
                continue
            stored = self._stored_by_others(one)
            views = {view: array for view, array in one.views.items() if view not in stored}
            # Without its arrays, which need not be held until it is stored.
            ended = Decoded(one.job, {}, one.miniature, one.measures)
            last = next(reversed(views), None)
            if last is None:
                done.append(ended)
            for view, array in views.items():
                ends = ended if view == last else None
                yield Piece(used(array), self.keys[one.job.row, view], ends)
            if len(done) >= LOOK_EVERY:
                self._finish(done)
                done = []
        self._finish(done)

    def _stored_by_others(self, one: Decoded) -> frozenset[int]:
        """Return the views that another process has stored since the input was sent to be decoded."""
        self.seen += 1
        if self.shelf is not None and self.seen % LOOK_EVERY == 0:
            self.others |= self.shelf.refresh_others()
        if self.shelf is None or not self.others:
            return frozenset()
        views = np.array(list(one.views), np.int64)
        return frozenset(views[self.shelf.locate(self.keys[one.job.row, views]) >= 0].tolist())

    def _passed(self) -> Passed:
        shelf = self.shelf or self.what.shelf(self.choice)
        shelf.refresh()
        places = self._find(shelf)
        failed = {row: self.tally.failed[one] for row, one in enumerate(self.hashes) if one in self.tally.failed}
        lost = int((self.asked & (places < 0)).sum())
        perceptual_hashes, measures = self.extras.read()
        return Passed(
            shelf=shelf,
            places=places,
            failed=failed,
            choice=self.choice,
            computed=self.tally.computed,
            lost=lost,
            perceptual_hashes=perceptual_hashes,
            measures=measures,
            seconds=dict(self.tally.seconds),
        )


def _whole(array: np.ndarray) -> np.ndarray:
    return array


def _narrow(output: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return outputs as they are stored. Raises Overflow where float16 cannot hold them."""
    if dtype != np.float16:
        return output.astype(dtype, copy=False)
    with np.errstate(over="ignore"):
        half = output.astype(np.float16)
    if not np.isfinite(half).all() and np.isfinite(output).all():
        raise Overflow
    return half
