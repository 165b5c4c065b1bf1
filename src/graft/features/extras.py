"""What is kept of view 0 beside its activations: the perceptual hash and descriptors' measures, on small shelves."""

from collections.abc import Mapping, Sequence

import numpy as np

from graft.errors import SettingError, must
from graft.features.decoding import Decoded
from graft.features.shelf import Shelf
from graft.features.store import Store
from graft.preprocess import Preprocess, descriptors

HASH = "perceptual_hash"
HASH_FORM = 2
"""The number of the hash's present form: values of another form are computed anew."""
AT_ONCE = 64
"""Results that are hashed and stored in one go: eight cost as much."""


class Extras:
    """The shelves of what was asked for, and what they lack of some inputs."""

    def __init__(self, store: Store, preprocess: Preprocess, also: Sequence[str], keys: np.ndarray) -> None:
        self.preprocess = preprocess
        self._waiting: list[Decoded] = []
        self.keys = keys
        """Of view 0, uint8 (n, 32)."""
        self.shelves: dict[str, Shelf] = {}
        for kind in also:
            form, shape = _form(kind, preprocess)
            spec = {"kind": kind, "form": form, "preprocess": preprocess.to_json()}
            self.shelves[kind] = store.shelf(spec, shape, "float32" if shape else "uint64")
        self._found = {kind: shelf.find(self.keys) >= 0 for kind, shelf in self.shelves.items()}

    @property
    def lacking(self) -> np.ndarray:
        """Which rows (n,) still lack a kind."""
        found = np.ones(len(self.keys), bool)
        for one in self._found.values():
            found &= one
        return ~found

    def wanted(self, row: int) -> tuple[str, ...]:
        """Return the kinds that a row still lacks."""
        return tuple(kind for kind, found in self._found.items() if not found[row])

    def add(self, results: Sequence[Decoded]) -> None:
        """Take what decoding brought, and store it when there is enough to be worth a call. Raises StoreError."""
        self._waiting += [one for one in results if one.miniature is not None or one.measures]
        if len(self._waiting) >= AT_ONCE:
            self.write()

    def write(self) -> None:
        """Store what has been added. Raises StoreError."""
        results, self._waiting = self._waiting, []
        minis = {one.job.row: one.miniature for one in results if one.miniature is not None}
        if minis:
            values = self.preprocess.perceptual_hashes(np.stack(list(minis.values())))
            self.shelves[HASH].append(self.keys[list(minis)], values)
        for kind, shelf in self.shelves.items():
            found = {one.job.row: one.measures[kind] for one in results if kind in one.measures}
            if found:
                shelf.append(self.keys[list(found)], np.stack(list(found.values())))

    def read(self) -> tuple[np.ndarray | None, Mapping[str, np.ndarray]]:
        """Return hashes (n,) uint64 and measures (n, width) float32 by descriptor; zeros where a row has none."""
        found = {kind: self._values(shelf) for kind, shelf in self.shelves.items()}
        return found.pop(HASH, None), found

    def _values(self, shelf: Shelf) -> np.ndarray:
        shelf.refresh()
        rows = shelf.find(self.keys)
        values = np.zeros((len(rows), *shelf.shape), shelf.dtype)
        values[rows >= 0] = shelf.read(rows[rows >= 0])
        return values


def _form(kind: str, preprocess: Preprocess) -> tuple[int, tuple[int, ...]]:
    """Return the number of a kind's present form and its shape. Raises SettingError where nothing of it is stored."""
    if kind == HASH:
        return HASH_FORM, ()
    descriptor = descriptors.named(kind)
    if not descriptor.stored or descriptor.modality not in (None, preprocess.modality):
        wanted = f"made of what is stored of {preprocess.modality}"
        raise SettingError(must("also", wanted, repr(kind), "Leave it out"))
    return descriptor.form, (descriptor.width(preprocess),)
