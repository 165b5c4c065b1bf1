"""What is kept of view 0 beside its activations: the perceptual hash and simple features, on small shelves."""

from collections.abc import Sequence

import numpy as np

from graft.errors import SettingError, must
from graft.features.decoding import Decoded
from graft.features.keys import record_key
from graft.features.shelf import Shelf
from graft.features.store import Store
from graft.preprocess import Preprocess

KINDS = {"perceptual_hash": 2, "simple_features": 2}
"""What there is, and the number of its present form: values of another form are computed anew."""
AT_ONCE = 64
"""Results that are hashed and stored in one go: eight cost as much."""


class Extras:
    """The shelves of what was asked for, and what they lack of some inputs."""

    def __init__(self, store: Store, preprocess: Preprocess, also: Sequence[str], hashes: Sequence[str]) -> None:
        for kind in also:
            if kind not in KINDS:
                raise SettingError(must("also", f"made of {' and '.join(KINDS)}", repr(kind), "Leave it out"))
        self.preprocess = preprocess
        self._waiting: list[Decoded] = []
        self.keys = keys_of_plain(hashes)
        self.shelves: dict[str, Shelf] = {}
        for kind in also:
            shape: tuple[int, ...] = ()
            if kind == "simple_features":
                shape = preprocess.simple_features(np.zeros(preprocess.shape, preprocess.dtype)).shape
            spec = {"kind": kind, "form": KINDS[kind], "preprocess": preprocess.to_json()}
            self.shelves[kind] = store.shelf(spec, shape, "float32" if shape else "uint64")
        self._found = {kind: shelf.find(self.keys) >= 0 for kind, shelf in self.shelves.items()}

    def wanted(self, row: int) -> tuple[str, ...]:
        """Return the kinds that a row still lacks."""
        return tuple(kind for kind, found in self._found.items() if not found[row])

    def add(self, results: Sequence[Decoded]) -> None:
        """Take what decoding brought, and store it when there is enough to be worth a call. Raises StoreError."""
        self._waiting += [one for one in results if one.miniature is not None or one.simple_features is not None]
        if len(self._waiting) >= AT_ONCE:
            self.write()

    def write(self) -> None:
        """Store what has been added. Raises StoreError."""
        results, self._waiting = self._waiting, []
        minis = {one.job.row: one.miniature for one in results if one.miniature is not None}
        if minis:
            values = self.preprocess.perceptual_hashes(np.stack(list(minis.values())))
            self.shelves["perceptual_hash"].append(self.keys[list(minis)], values)
        simple = {one.job.row: one.simple_features for one in results if one.simple_features is not None}
        if simple:
            self.shelves["simple_features"].append(self.keys[list(simple)], np.stack(list(simple.values())))

    def read(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return hashes (n,) uint64 and simple features (n, features) float32; zeros where a row has none."""
        return self._values("perceptual_hash"), self._values("simple_features")

    def _values(self, kind: str) -> np.ndarray | None:
        shelf = self.shelves.get(kind)
        if shelf is None:
            return None
        shelf.refresh()
        rows = shelf.find(self.keys)
        values = np.zeros((len(rows), *shelf.shape), shelf.dtype)
        values[rows >= 0] = shelf.read(rows[rows >= 0])
        return values


def keys_of_plain(hashes: Sequence[str]) -> np.ndarray:
    """Return the keys uint8 (n, 32) of view 0."""
    keys = [record_key(one, augmentation="none", view=0, seed=0) for one in hashes]
    return np.stack(keys) if keys else np.zeros((0, 32), np.uint8)
