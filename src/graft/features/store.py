"""The activation store: what a frozen network gave for an input is computed once, and kept for every later run."""

import json
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from graft.errors import SettingError, StoreError, must
from graft.features import lock
from graft.features.keys import shelf_name
from graft.features.segment import ENTRY
from graft.features.shelf import DESCRIPTION, USED, Shelf
from graft.places import cache_folder

FORMAT = 1
"""Of the files; raise it whenever they, or what is stored in them, change their meaning."""

LIMIT_BYTES = 20 * 10**9
LIMIT_SHARE = 0.20
"""The default limit is the smaller of 20 GB and this share of the disk that the store has or could have."""


@dataclass(frozen=True)
class ShelfInfo:
    """What one shelf holds."""

    name: str
    what: str
    """For a person: such as ``tf_efficientnet_lite0, cut 9, float32``."""
    bytes: int
    records: int
    used: float
    """When it was last used, in seconds since 1970."""
    spec: Mapping[str, Any]
    """Everything that its values depend on, the inputs apart."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "name": self.name,
            "what": self.what,
            "bytes": self.bytes,
            "records": self.records,
            "used": self.used,
            "spec": dict(self.spec),
        }


class Store:
    """All shelves below one folder, with a size limit; safe to share between processes and to kill at any moment."""

    def __init__(self, root: Path | None = None, limit_bytes: int | None = None) -> None:
        self.root = Path(root) if root is not None else cache_folder()
        if limit_bytes is not None and limit_bytes < 0:
            do = "Give a number of bytes, or leave it out for the default"
            raise SettingError(must("limit_bytes", "0 or more", limit_bytes, do))
        self._limit = limit_bytes
        self._open: dict[str, Shelf] = {}
        self._compiled: set[str] = set()
        self._guard = threading.Lock()

    @property
    def limit_bytes(self) -> int:
        """The most that the store may take, in bytes."""
        if self._limit is not None:
            return self._limit
        folder = next((one for one in (self.root, *self.root.parents) if one.exists()), Path("/"))
        return int(min(LIMIT_BYTES, LIMIT_SHARE * (psutil.disk_usage(str(folder)).free + self.size())))

    def shelf(self, spec: Mapping[str, Any], shape: tuple[int, ...], dtype: str) -> Shelf:
        """Open the shelf for a specification, making it if need be; opened twice it is the same object.

        Shape, dtype and the store's format are added to ``spec``. Raises StoreError where it cannot be made.
        """
        whole = {**spec, "format": FORMAT, "shape": list(shape), "dtype": dtype}
        name = shelf_name(whole)
        with self._guard:
            if name not in self._open:
                self._open[name] = Shelf(self.root / "shelves" / name, whole, shape, dtype)
            return self._open[name]

    def compiled(self, name: str) -> Path:
        """Return the folder for what was compiled from one frozen network; it need not exist, and is now in use."""
        folder = self.root / "compiled" / name
        self._compiled.add(name)
        with suppress(OSError):
            os.utime(folder)
        return folder

    def size(self) -> int:
        """Return the bytes that the store takes on disk, compiled networks included."""
        return sum(_size(folder) for folder in self._folders())

    def shelves(self) -> tuple[ShelfInfo, ...]:
        """Return what each shelf holds, the least recently used first."""
        found = [_info(folder) for folder in self._children("shelves")]
        return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.used, one.name)))

    def make_room(self, wanted: int) -> int:
        """Remove the least recently used shelves until ``wanted`` more bytes fit; return the bytes freed.

        Shelves that any process has open are spared, so the limit can be exceeded by what is in use.
        """
        excess = self.size() + wanted - self.limit_bytes
        freed = 0
        for folder in sorted(self._folders(), key=_used):
            if freed >= excess:
                break
            freed += self._remove(folder)
        return freed

    def clear(self) -> int:
        """Remove everything that no process has open; return the bytes freed. Raises StoreError where it cannot."""
        self.close()
        return sum(self._remove(folder) for folder in self._folders())

    def close(self) -> None:
        """Close all shelves; activations that were read from them can no longer be read."""
        with self._guard:
            for shelf in self._open.values():
                shelf.close()
            self._open.clear()
            self._compiled.clear()

    def _children(self, kind: str) -> list[Path]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return [path for path in (self.root / kind).iterdir() if path.is_dir()]
        return []

    def _folders(self) -> list[Path]:
        return [*self._children("shelves"), *self._children("compiled"), *self._children("runs")]

    def _remove(self, folder: Path) -> int:
        if folder.name in self._open or folder.name in self._compiled:
            return 0
        held = lock.seize(folder) if folder.parent.name != "compiled" else lock.NONE
        if held is None:
            return 0
        size = _size(folder)
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return 0
        except OSError as error:
            do = "Check its permissions, or remove it by hand"
            raise StoreError(must("The activation store", "removable", f"{folder} ({error.strerror})", do)) from error
        finally:
            lock.release(held)
        return size


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total


def _used(folder: Path) -> float:
    """Return when a folder was last used; one without a stamp, such as compiled networks have, by its own time."""
    for path in (folder / USED, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _info(folder: Path) -> ShelfInfo | None:
    try:
        spec = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    records = 0
    for path in folder.glob("*.keys"):
        with suppress(OSError):
            records += path.stat().st_size // ENTRY.itemsize
    return ShelfInfo(folder.name, _what(spec), _size(folder), records, _used(folder), spec)


def _what(spec: Mapping[str, Any]) -> str:
    dtype = spec.get("dtype", "")
    if spec.get("backbone"):
        return f"{spec['backbone']}, cut {spec.get('cut')}, {dtype}"
    kind = str(spec.get("kind", "records")).replace("_", " ")
    return f"{kind}, {dtype}"
