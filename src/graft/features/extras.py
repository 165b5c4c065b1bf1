"""What is kept of view 0 beside its activations: the perceptual hash and simple features, on small shelves."""

from collections.abc import Sequence

import numpy as np

from graft.errors import SettingError, must
from graft.features.decoding import Decoded
from graft.features.keys import record_key
from graft.features.shelf import Shelf
from graft.features.store import Store
from graft.preprocess import Preprocess

KINDS = ("perceptual_hash", "simple_features")


class Extras:
    """The shelves of what was asked for, and what they lack of some inputs."""

    def __init__(self, store: Store, preprocess: Preprocess, also: Sequence[str], hashes: Sequence[str]) -> None:
        for kind in also:
            if kind not in KINDS:
                raise SettingError(must("also", f"made of {' and '.join(KINDS)}", repr(kind), "Leave it out"))
        self.keys = keys_of_plain(hashes)
        self.shelves: dict[str, Shelf] = {}
        for kind in also:
            shape: tuple[int, ...] = ()
            if kind == "simple_features":
                shape = preprocess.simple_features(np.zeros(preprocess.shape, preprocess.dtype)).shape
            spec = {"kind": kind, "preprocess": preprocess.to_json()}
            self.shelves[kind] = store.shelf(spec, shape, "float32" if shape else "uint64")
        self._found = {kind: shelf.find(self.keys) >= 0 for kind, shelf in self.shelves.items()}

    def wanted(self, row: int) -> tuple[str, ...]:
        """Return the kinds that a row still lacks."""
        return tuple(kind for kind, found in self._found.items() if not found[row])

    def write(self, results: Sequence[Decoded]) -> None:
        """Store what decoding brought. Raises StoreError."""
        for kind, shelf in self.shelves.items():
            brought = [one for one in results if getattr(one, kind) is not None]
            if brought:
                values = np.array([getattr(one, kind) for one in brought], shelf.dtype)
                shelf.append(self.keys[[one.job.row for one in brought]], values)

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
