"""One pass of a frozen prefix over inputs: decode, run and store at the same time, in bounded memory."""

import os
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from graft import runtimes
from graft.backbones import Backbone
from graft.features.decoding import Decoded, Decoding, Job
from graft.features.extras import Extras, keys_of_plain
from graft.features.shelf import Shelf, record_key
from graft.features.store import Store
from graft.features.weights import normalisation
from graft.preprocess import Preprocess
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
    seconds: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Everything that activations depend on, the inputs apart."""

    backbone: Backbone
    cut: int
    preprocess: Preprocess
    augmentation: str
    seed: int
    store: Store
    device: str
    runtime: str

    @property
    def folder(self) -> Path:
        """Where this prefix's compiled forms and choices lie."""
        weights = self.backbone.weights.sha256[:16]
        return self.store.compiled(f"{self.backbone.name.replace('/', '-')}-{weights}-cut{self.cut}")

    @property
    def dtype(self) -> str:
        """Return the dtype that activations are stored in.

        Vectors are small: float32. Maps and tokens are large: float16, which holds what a bfloat16 network gives
        without loss, unless a value has overflowed it once.
        """
        if not self.cut:
            return self.preprocess.dtype
        small = len(self.backbone.shape(self.cut)) == 1
        return "float32" if small or (self.folder / "float32").exists() else "float16"

    def keep_float32(self) -> None:
        """Remember that this prefix's activations do not fit into float16."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "float32").touch()

    def notes(self) -> tuple[str, ...]:
        """Return what the person should know of how activations are stored."""
        if self.cut and (self.folder / "float32").exists():
            return ("Activations are stored in float32, since some are too large for float16.",)
        return ()

    def spec(self, choice: Choice | None) -> dict[str, Any]:
        """Return the shelf's specification: whatever changes a value must be in it, or in the record's key."""
        backbone = self.backbone
        network: dict[str, Any] = {}
        if self.cut:
            network = {
                "backbone": backbone.name,
                "weights": backbone.weights.sha256,
                "normalise": normalisation(backbone.normalise),
                "stages": [stage.name for stage in backbone.stages[: self.cut]],
                "runtime": choice.identity() if choice else None,
            }
        return {"kind": "activations", "preprocess": self.preprocess.to_json(), "cut": self.cut, **network}

    def shelf(self, choice: Choice | None) -> Shelf:
        """Open the shelf for what ``choice`` computes."""
        shape = self.backbone.shape(self.cut) if self.cut else self.preprocess.shape
        return self.store.shelf(self.spec(choice), shape, self.dtype)

    def keys(self, hashes: Sequence[str], counts: np.ndarray) -> np.ndarray:
        """Return the records' keys, uint8 (n, views, 32)."""
        most = int(counts.max(initial=1))
        keys = np.zeros((len(hashes), most, 32), np.uint8)
        keys[:, 0] = keys_of_plain(hashes)
        for row, content in enumerate(hashes):
            for view in range(1, counts[row]):
                keys[row, view] = record_key(content, augmentation=self.augmentation, view=view, seed=self.seed)
        return keys

    def run(
        self, examples: Sequence[Example], hashes: Sequence[str], counts: np.ndarray, extras: Extras, progress: Progress
    ) -> Passed:
        """Compute and store what is missing. Raises StoreError, and Overflow where float16 is too narrow."""
        return _Running(self, examples, hashes, counts, extras, progress).run()


@dataclass
class _Tally:
    computed: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """By content hash."""
    seconds: dict[str, float] = field(default_factory=lambda: {"choose": 0.0, "decode": 0.0, "run": 0.0})


class _Running:
    """The state of one pass."""

    def __init__(
        self,
        what: Pass,
        examples: Sequence[Example],
        hashes: Sequence[str],
        counts: np.ndarray,
        extras: Extras,
        progress: Progress,
    ) -> None:
        self.what = what
        self.examples = examples
        self.hashes = hashes
        self.counts = counts
        self.extras = extras
        self.progress = progress
        self.keys = what.keys(hashes, counts)
        self.asked = np.arange(self.keys.shape[1])[None, :] < counts[:, None]
        self.tally = _Tally()

    def run(self) -> Passed:
        what = self.what
        expected = int(self.counts.sum())
        choice: Choice | None = None
        if what.cut:
            choice = runtimes.recall(what.folder, expected=expected, device=what.device, runtime=what.runtime)
        shelf = what.shelf(choice) if choice or not what.cut else None
        missing = self._missing(shelf)
        while missing:
            with ExitStack() as stack:
                decoding = stack.enter_context(self._decoding(missing, shelf))
                results = iter(decoding)
                compiled: Compiled | None = None
                if what.cut:
                    first, sample = self._sample(results)
                    results = chain(first, results)
                    if len(sample):
                        before, started = choice, time.perf_counter()
                        compiled, choice = runtimes.choose(
                            what.backbone.prefix(what.cut),
                            sample,
                            expected=expected,
                            device=what.device,
                            runtime=what.runtime,
                            cache=what.folder,
                        )
                        stack.callback(compiled.close)
                        self.tally.seconds["choose"] += time.perf_counter() - started
                        if before is None or before.identity() != choice.identity():
                            shelf = what.shelf(choice)
                            if len(shelf) and len(self._missing(shelf)) < len(missing):
                                # Much is there already: begin again with what is not.
                                missing = self._missing(shelf)
                                continue
                self._pass(results, compiled, shelf)
            break
        return self._passed(shelf or what.shelf(choice), choice)

    def _missing(self, shelf: Shelf | None) -> list[int]:
        """Return the first row of each content of which something is missing."""
        lacking = self.asked.copy()
        if shelf is not None:
            lacking &= self._find(shelf) < 0
        rows = {
            content: row
            for row, content in reversed(list(enumerate(self.hashes)))
            if lacking[row].any() or self.extras.wanted(row)
        }
        return sorted(rows.values())

    def _find(self, shelf: Shelf) -> np.ndarray:
        places = np.full(self.asked.shape, -1, np.int64)
        places[self.asked] = shelf.find(self.keys[self.asked])
        return places

    def _decoding(self, rows: list[int], shelf: Shelf | None) -> Decoding:
        what = self.what
        if shelf is not None:
            lacking = int((self._find(shelf)[rows] < 0).sum())
            what.store.make_room(lacking * shelf.record_bytes)
        return Decoding(
            self._jobs(rows, shelf),
            what.preprocess,
            augmentation=what.augmentation,
            seed=what.seed,
            views=self.keys.shape[1],
        )

    def _jobs(self, rows: list[int], shelf: Shelf | None) -> Iterator[Job]:
        """Yield jobs as they are needed, without what another process has stored in the meantime.

        While another process fills the same shelf, blocks are taken in random order, so that the two share the work.
        """
        blocks = [rows[start : start + LOOK_EVERY] for start in range(0, len(rows), LOOK_EVERY)]
        pick = random.Random(os.getpid())  # noqa: S311 - no secret, and no influence on any value
        while blocks:
            others = shelf is not None and shelf.refresh_others()
            for row in blocks.pop(pick.randrange(len(blocks)) if others else 0):
                views = [view for view in range(self.counts[row]) if self.asked[row, view]]
                if shelf is not None:
                    there = shelf.locate(self.keys[row, views]) >= 0 if views else np.zeros(0, bool)
                    views = [view for view, known in zip(views, there, strict=True) if not known]
                wanted = self.extras.wanted(row)
                if views or wanted:
                    yield Job(
                        row,
                        self.examples[row],
                        self.hashes[row],
                        tuple(views),
                        perceptual_hash="perceptual_hash" in wanted,
                        simple_features="simple_features" in wanted,
                    )

    def _sample(self, results: Iterator[Decoded]) -> tuple[list[Decoded], np.ndarray]:
        """Take the first results until they fill a batch; return them and the batch."""
        size = runtimes.default_batch(runtimes.resolve_device(self.what.device))
        first: list[Decoded] = []
        arrays: list[np.ndarray] = []
        for one in results:
            first.append(one)
            arrays += one.views.values()
            if len(arrays) >= size:
                break
        return first, np.stack(arrays[:size]) if arrays else np.zeros((0, *self.what.preprocess.shape))

    def _pass(self, results: Iterator[Decoded], compiled: Compiled | None, shelf: Shelf | None) -> None:
        """Run all results through the network, and store what comes out."""
        started = time.perf_counter()
        waiting: deque[tuple[np.ndarray, list[Decoded]]] = deque()
        total = len(self.examples)
        done = 0
        batches = self._batches(results, compiled.batch if compiled else 8, waiting)
        outputs = compiled.stream(batches) if compiled else batches
        for output in outputs:
            keys, finished = waiting.popleft()
            if shelf is not None and len(keys):
                shelf.append(keys, self._narrow(output, shelf))
                self.tally.computed += len(keys)
            self.extras.write(finished)
            done += len(finished)
            self.progress(f"{self.what.backbone.name} to cut {self.what.cut}", min(done, total), total)
        for _, finished in waiting:
            self.extras.write(finished)
        self.tally.seconds["run"] += time.perf_counter() - started

    def _batches(
        self, results: Iterator[Decoded], size: int, waiting: deque[tuple[np.ndarray, list[Decoded]]]
    ) -> Iterator[np.ndarray]:
        """Yield inputs in batches, and put the keys of each batch, and the results that it completes, into a queue."""
        arrays: list[np.ndarray] = []
        keys: list[np.ndarray] = []
        finished: list[Decoded] = []
        for one in results:
            self.tally.seconds["decode"] += one.seconds
            if one.failed is not None:
                self.tally.failed[one.job.hash] = one.failed
                continue
            for view, array in one.views.items():
                arrays.append(array)
                keys.append(self.keys[one.job.row, view])
                if len(arrays) == size:
                    waiting.append((np.stack(keys), finished))
                    yield np.stack(arrays)
                    arrays, keys, finished = [], [], []
            finished.append(Decoded(one.job, {}, one.perceptual_hash, one.simple_features))
            if not arrays and len(finished) >= LOOK_EVERY:
                self.extras.write(finished)
                finished = []
        if arrays:
            waiting.append((np.stack(keys), finished))
            yield np.stack(arrays)
        elif finished:
            waiting.append((np.zeros((0, 32), np.uint8), finished))

    @staticmethod
    def _narrow(output: np.ndarray, shelf: Shelf) -> np.ndarray:
        if shelf.dtype != np.float16:
            return output.astype(shelf.dtype, copy=False)
        with np.errstate(over="ignore"):
            half = output.astype(np.float16)
        if not np.isfinite(half).all() and np.isfinite(output).all():
            raise Overflow
        return half

    def _passed(self, shelf: Shelf, choice: Choice | None) -> Passed:
        shelf.refresh()
        places = self._find(shelf)
        failed = {row: self.tally.failed[one] for row, one in enumerate(self.hashes) if one in self.tally.failed}
        lost = int((self.asked & (places < 0)).sum())
        return Passed(
            shelf=shelf,
            places=places,
            failed=failed,
            choice=choice,
            computed=self.tally.computed,
            lost=lost,
            seconds=dict(self.tally.seconds),
        )
