"""A shelf of the store: an append-only array of equal records with keys, filled by any number of processes."""

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from graft.errors import StoreError, must
from graft.features import lock
from graft.features.merging import merge
from graft.features.segment import ENTRY, Reader, Writer, as_bytes, checksum, full_disk

DESCRIPTION = "shelf.json"
USED = "used"
CHUNK_BYTES = 16 << 20
"""Read at a time, so that a read costs little memory beside its result."""


class Shelf:
    """Records of one shape and dtype, found by key.

    Rows are numbers of this object: they stay valid while it is open. Reading is safe from several threads.
    """

    def __init__(self, folder: Path, spec: Mapping[str, Any], shape: tuple[int, ...], dtype: str) -> None:
        self.folder = folder
        self.spec = dict(spec)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.record_bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self._guard = threading.RLock()
        self._readers: dict[str, Reader] = {}
        self._order: list[Reader] = []
        self._writer: Writer | None = None
        self._entries = np.zeros(0, ENTRY)
        self._places = np.zeros((0, 2), np.int64)
        self._verified = np.zeros(0, bool)
        self._bad = np.zeros(0, bool)
        self._sorted = (np.zeros(0, np.uint64), np.zeros(0, np.int64))
        self._create()
        merge(folder, self.record_bytes)
        self._lock = lock.share(folder)
        # Again, since it may have been evicted before it was locked.
        self._create()
        self.refresh()

    def _create(self) -> None:
        """Make the folder and lay the readable specification in it."""
        path = self.folder / DESCRIPTION
        if path.exists():
            with suppress(OSError):
                (self.folder / USED).touch()
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=self.folder, prefix=".shelf-")
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(self.spec, file, indent=1, sort_keys=True)
            Path(name).replace(path)
            (self.folder / USED).touch()
        except OSError as error:
            raise full_disk(self.folder, error) from error

    def __len__(self) -> int:
        """Return the number of records seen at the last refresh, those that failed their checksum included."""
        return len(self._entries)

    def refresh(self, *, own: bool = True) -> int:
        """Take in what processes have appended, this one too if ``own``; return how many records are new here."""
        with self._guard:
            left_out = None if own or self._writer is None else self._writer.name
            for path in sorted(self.folder.glob("*.keys")):
                if path.stem not in self._readers and path.stem != left_out:
                    # Removed, or not yet complete: it is looked at again the next time.
                    with suppress(OSError):
                        self._readers[path.stem] = Reader(self.folder, path.stem, self.record_bytes)
                        self._order.append(self._readers[path.stem])
            found: list[np.ndarray] = []
            places: list[np.ndarray] = []
            verified: list[np.ndarray] = []
            for number, reader in enumerate(self._order):
                if reader.name == left_out:
                    continue
                first, entries = reader.count, reader.new_entries()
                if len(entries):
                    found.append(entries)
                    at = np.arange(first, first + len(entries))
                    places.append(np.stack([np.full(len(entries), number), at], axis=1))
                    mine = self._writer is not None and self._writer.name == reader.name
                    verified.append(np.full(len(entries), mine))
            if not found:
                return 0
            new = sum(len(one) for one in found)
            self._entries = np.concatenate([self._entries, *found])
            self._places = np.concatenate([self._places, *places])
            # What this process wrote just now, it need not check.
            self._verified = np.concatenate([self._verified, *verified])
            self._bad = np.concatenate([self._bad, np.zeros(new, bool)])
            self._sort()
            return new

    def refresh_others(self) -> bool:
        """Take in what other processes have appended, and say whether there was any."""
        return self.refresh(own=False) > 0

    def _sort(self) -> None:
        rows = np.flatnonzero(~self._bad)
        words = _words(self._entries["key"][rows])
        order = np.argsort(words, kind="stable")
        self._sorted = (words[order], rows[order])

    def locate(self, keys: np.ndarray) -> np.ndarray:
        """Return the rows int64 (m,) of keys uint8 (m, 32); -1 for what is not here."""
        words, rows = self._sorted
        if not len(words):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(words, _words(keys)), len(words) - 1)
        found = rows[at]
        same = (self._entries["key"][found] == keys).all(axis=1)
        return np.where(same, found, -1)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the rows of keys as ``locate`` does, but only of records whose checksum is right.

        Every record is checked once in the life of this object. A wrong one counts as missing.
        """
        while True:
            rows = self.locate(keys)
            wanted = np.unique(rows[rows >= 0])
            unseen = wanted[~self._verified[wanted]]
            if not len(unseen):
                return rows
            with self._guard:
                wrong = self._wrong(unseen)
                self._verified[unseen] = True
                if len(wrong):
                    # Another record with the same key may be right: look again without these.
                    self._bad[wrong] = True
                    self._sort()

    def _wrong(self, rows: np.ndarray) -> np.ndarray:
        found: list[int] = []
        step = max(1, CHUNK_BYTES // max(1, self.record_bytes))
        rows = rows[np.lexsort(self._places[rows].T[::-1])]
        buffer = np.empty(min(step, len(rows)) * self.record_bytes, np.uint8).data
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            view = buffer[: len(part) * self.record_bytes]
            try:
                self._fill(part, view)
            except (StoreError, OSError):
                found += part.tolist()
                continue
            size = self.record_bytes
            for i, row in enumerate(part):
                entry = self._entries[row]
                if checksum(entry["key"].tobytes(), view[i * size : (i + 1) * size]) != entry["check"]:
                    found.append(int(row))
        return np.array(found, np.int64)

    def append(self, keys: np.ndarray, records: np.ndarray) -> None:
        """Append records (m, *shape) under keys uint8 (m, 32). Raises StoreError; what was there stays readable."""
        if records.shape[1:] != self.shape or records.dtype != self.dtype or len(keys) != len(records):
            raise ValueError(f"expected {len(keys)} records {self.shape} {self.dtype}, got {records.shape}")
        with self._guard:
            if self._writer is None or self._writer.pid != os.getpid():
                self._writer = Writer(self.folder, self.record_bytes)
            self._writer.append(keys, records)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return records (m, *shape) by row, float16 as float32. Raises StoreError for a row of -1."""
        rows = np.asarray(rows, np.int64)
        out = np.empty((len(rows), *self.shape), np.float32 if self.dtype == np.float16 else self.dtype)
        if not len(rows):
            return out
        if rows.min() < 0:
            raise StoreError(f"{int((rows < 0).sum())} of the rows asked for are not in the store.")
        order = np.lexsort(self._places[rows].T[::-1])
        straight = out.dtype == self.dtype and bool((order[1:] > order[:-1]).all())
        if straight:
            self._fill(rows, as_bytes(out))
            return out
        step = max(1, CHUNK_BYTES // max(1, self.record_bytes))
        buffer = np.empty((min(step, len(rows)), *self.shape), self.dtype)
        flat = as_bytes(buffer)
        for start in range(0, len(order), step):
            part = order[start : start + step]
            self._fill(rows[part], flat[: len(part) * self.record_bytes])
            out[part] = buffer[: len(part)]
        return out

    def _fill(self, rows: np.ndarray, view: memoryview) -> None:
        """Read rows, sorted by place, into ``view``: one call a run of neighbours."""
        if not self._order:
            raise StoreError(must("A shelf", "open", "one that was closed", "Keep its Store open while it is read"))
        places = self._places[rows]
        breaks = np.flatnonzero((np.diff(places[:, 0]) != 0) | (np.diff(places[:, 1]) != 1)) + 1
        edges = [0, *breaks.tolist(), len(rows)]
        size = self.record_bytes
        for start, end in pairwise(edges):
            number, first = places[start]
            self._order[number].read_into(int(first), view[start * size : end * size])

    def __del__(self) -> None:
        # One that could not be made has no files.
        with suppress(AttributeError):
            self.close()

    def close(self) -> None:
        """Close all files; another process may then evict the shelf."""
        with self._guard:
            for reader in self._order:
                reader.close()
            self._order, self._readers = [], {}
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            lock.release(self._lock)
            self._lock = -1


def _words(keys: np.ndarray) -> np.ndarray:
    """Return the first 8 bytes of keys as numbers: sha-256 is spread evenly, so they are as good as the whole."""
    words: np.ndarray = np.ascontiguousarray(keys[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    return words
