"""One writer's pair of files: records in the one, their keys and checksums in the other."""

import os
import secrets
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graft.errors import StoreError, must

KEY_BYTES = 32
ENTRY = np.dtype([("key", np.uint8, (KEY_BYTES,)), ("check", "<u4"), ("pad", "<u4")])
"""What the keys file holds for each record: its key, and the CRC-32 of key and record."""


def checksum(key: bytes, record: memoryview) -> int:
    """Return the CRC-32 of a key and its record: a swapped record is found as surely as a changed one."""
    return zlib.crc32(record, zlib.crc32(key))


def as_bytes(array: np.ndarray) -> memoryview:
    """Return an array's bytes without copying, where it is contiguous."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def full_disk(folder: Path, error: OSError) -> StoreError:
    """Return the error for a store that cannot be written."""
    wanted = "a folder that can be written, with room left"
    do = "Free some space, empty it with `graft cache --clear`, or set GRAFT_CACHE to a folder on another disk"
    return StoreError(must("The activation store", wanted, f"{folder} ({error.strerror or error})", do))


def write_all(number: int, parts: Sequence[memoryview | bytes]) -> None:
    """Append the parts to an open file, however many writes it takes. Raises OSError."""
    for part in parts:
        left = memoryview(part).cast("B")
        while len(left):
            left = left[os.write(number, left) :]


class Writer:
    """The segment of one process: data is appended first, then keys, so that a kill leaves at most a torn tail.

    No locks between processes are needed, since nobody else writes to these files.
    """

    def __init__(self, folder: Path, record_bytes: int) -> None:
        self.folder = folder
        self.record_bytes = record_bytes
        self.name = f"{time.time_ns():x}-{os.getpid()}-{secrets.token_hex(4)}"
        self.pid = os.getpid()
        self.count = 0
        self._lock = threading.Lock()
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self._data = os.open(folder / f"{self.name}.data", flags, 0o644)
            try:
                self._keys = os.open(folder / f"{self.name}.keys", flags, 0o644)
            except OSError:
                os.close(self._data)
                (folder / f"{self.name}.data").unlink(missing_ok=True)
                raise
        except OSError as error:
            raise full_disk(folder, error) from error

    def append(self, keys: np.ndarray, records: np.ndarray) -> int:
        """Append records (m, ...) with keys uint8 (m, 32); return the number of the first one in this segment.

        Raises StoreError where the disk is full; what was written in part is then cut off again.
        """
        entries = np.zeros(len(keys), ENTRY)
        entries["key"] = keys
        flat = as_bytes(records)
        size = self.record_bytes
        entries["check"] = [checksum(key.tobytes(), flat[i * size : (i + 1) * size]) for i, key in enumerate(keys)]
        return self.append_entries(entries, flat)

    def append_entries(self, entries: np.ndarray, flat: memoryview) -> int:
        """Append records that already have their entries (ENTRY); as ``append`` otherwise."""
        with self._lock:
            first = self.count
            try:
                write_all(self._data, [flat])
                write_all(self._keys, [entries.tobytes()])
            except OSError as error:
                self._cut_off()
                raise full_disk(self.folder, error) from error
            self.count += len(entries)
        return first

    def _cut_off(self) -> None:
        # Keys first: a key must never stand without its data.
        os.ftruncate(self._keys, self.count * ENTRY.itemsize)
        os.ftruncate(self._data, self.count * self.record_bytes)

    def discard(self) -> None:
        """Close both files and remove them."""
        self.close()
        for ending in ("keys", "data"):
            (self.folder / f"{self.name}.{ending}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close both files."""
        if self._data >= 0:
            os.close(self._data)
            os.close(self._keys)
            self._data = self._keys = -1


class Reader:
    """A segment as everybody reads it, also while its writer goes on."""

    def __init__(self, folder: Path, name: str, record_bytes: int) -> None:
        self.name = name
        self.record_bytes = record_bytes
        self.keys = folder / f"{name}.keys"
        self.count = 0
        # Stays open: what another process removes can still be read to the end here.
        self._data = os.open(folder / f"{name}.data", os.O_RDONLY)

    def new_entries(self) -> np.ndarray:
        """Return the entries (ENTRY) that came since the last call; a torn tail is not among them."""
        size = ENTRY.itemsize
        try:
            whole = min(self.keys.stat().st_size // size, os.fstat(self._data).st_size // self.record_bytes)
            if whole <= self.count:
                return np.zeros(0, ENTRY)
            with self.keys.open("rb") as file:
                file.seek(self.count * size)
                content = file.read((whole - self.count) * size)
        except FileNotFoundError:
            return np.zeros(0, ENTRY)
        found = np.frombuffer(content[: len(content) // size * size], ENTRY)
        self.count += len(found)
        return found

    def read_into(self, first: int, buffer: memoryview) -> None:
        """Fill ``buffer`` with the records from number ``first`` on. Raises StoreError where the file is shorter."""
        offset = first * self.record_bytes
        while len(buffer):
            got = _read_at(self._data, buffer, offset)
            if got <= 0:
                do = "Run again: what is missing is computed anew"
                raise StoreError(must("A segment of the activation store", "whole", f"{self.name} cut short", do))
            buffer, offset = buffer[got:], offset + got

    def close(self) -> None:
        """Close the file."""
        if self._data >= 0:
            os.close(self._data)
            self._data = -1


def _read_at(number: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(number, [buffer], offset)
    content = os.pread(number, len(buffer), offset)
    buffer[: len(content)] = content
    return len(content)
