"""Inputs of several lengths in batches of one length each, and outputs brought back to one shape."""

from collections.abc import Sequence
from math import log2, prod

import numpy as np

from graft.arrays import stacked


def by_shape(arrays: Sequence[np.ndarray], size: int) -> list[tuple[list[int], np.ndarray]]:
    """Return the positions and the stack of each batch: up to ``size`` arrays of one shape, in order within it.

    So what an input is computed with depends on its own length alone, not on its neighbours.
    """
    kinds: dict[tuple[int, ...], list[int]] = {}
    for position, array in enumerate(arrays):
        kinds.setdefault(array.shape, []).append(position)
    return [
        (alike[start : start + size], stacked([arrays[one] for one in alike[start : start + size]]))
        for alike in kinds.values()
        for start in range(0, len(alike), size)
    ]


USUAL = 16
"""Tokens of an input of which a whole batch is run at once, where inputs differ in length."""


def room(batch: int, axes: int, shape: tuple[int, ...]) -> int:
    """Return how many inputs of a shape, whose first ``axes`` are open, run at once: a power of two.

    So that they are about as large together, ``batch`` times ``USUAL`` tokens, whatever their length: a batch of long
    ones outgrows the caches, and the last of each length, which is filled up, costs no more than another's. Twice as
    many as ``batch`` at the most. Where all have one shape (``axes`` is 0), or one is run at a time, it is ``batch``.
    """
    if not axes or batch == 1:
        return batch
    return max(1, min(2 * batch, 1 << max(0, round(log2(batch * USUAL / prod(shape[:axes]))))))


def whole(outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return outputs (n, ...) with zeros at the end of their axes, so that each has ``shape``."""
    if outputs.shape[1:] == shape:
        return outputs
    full = np.zeros((len(outputs), *shape), outputs.dtype)
    full[:, *map(slice, outputs.shape[1:])] = outputs
    return full
