"""Many small segments made into one."""

from pathlib import Path

import numpy as np

from graft.errors import StoreError
from graft.features import lock
from graft.features.segment import Reader, Writer

MANY = 64
"""More segments than this are merged: each costs an open file."""
CHUNK_BYTES = 16 << 20


def merge(folder: Path, record_bytes: int) -> None:
    """Copy the segments of a shelf into one, where they are many and nobody uses them.

    A kill leaves records twice at worst. Checksums are copied as they are, so that no damage is signed anew.
    """
    names = sorted(path.stem for path in folder.glob("*.keys"))
    if len(names) <= MANY:
        return
    held = lock.seize(folder)
    if held is None:
        return
    try:
        writer = Writer(folder, record_bytes)
        try:
            for name in names:
                _copy(Reader(folder, name, record_bytes), writer)
        except (StoreError, OSError):
            # A full disk: many segments are only slower.
            writer.discard()
            return
        writer.close()
        for name in names:
            for ending in ("keys", "data"):
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
    finally:
        lock.release(held)


def _copy(reader: Reader, writer: Writer) -> None:
    entries = reader.new_entries()
    step = max(1, CHUNK_BYTES // reader.record_bytes)
    buffer = np.empty(min(step, len(entries)) * reader.record_bytes, np.uint8).data
    try:
        for start in range(0, len(entries), step):
            part = entries[start : start + step]
            view = buffer[: len(part) * reader.record_bytes]
            reader.read_into(start, view)
            writer.append_entries(part, view)
    finally:
        reader.close()
