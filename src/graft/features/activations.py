"""Stored activations of n inputs at one cut, read batch by batch."""

from dataclasses import dataclass

import numpy as np

from graft.errors import StoreError, must
from graft.features.shelf import Shelf


@dataclass(frozen=True)
class StoredActivations:
    """Where the activations of each input and view lie; memory holds 8 bytes for each of them."""

    shelf: Shelf
    places: np.ndarray
    """Rows of the shelf, int64 (n, views); -1 where there is none."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, views, *activation)."""
        return (*self.places.shape, *self.shelf.shape)

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the activations (len(rows), *activation): float32, or uint8 at cut 0.

        ``views`` is one view number for all rows, or one a row. Raises StoreError where one was not computed, since
        its input could not be read or fewer views of it were asked for.
        """
        places = self.places[np.asarray(rows), views]
        if len(places) and places.min() < 0:
            bad = np.asarray(rows)[places < 0]
            got = f"row {bad[0]}" + (f" and {len(bad) - 1} more" if len(bad) > 1 else "")
            do = "Leave out the rows that extraction reported as failed, and ask for views that were extracted"
            raise StoreError(must("A row of stored activations", "one that was extracted", got, do))
        return self.shelf.read(places)
