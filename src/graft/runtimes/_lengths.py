"""Inputs of several lengths in batches of one length each, and outputs brought back to one shape."""

from collections.abc import Sequence
from math import log2

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


def room(batch: int, usual: int, length: int) -> int:
    """Return how many inputs of a length run at once where ``batch`` of the ``usual`` length do: a power of two.

    So that they are about as large together, whatever their length: a batch of long ones outgrows the caches, and the
    last of each length, which is filled up, costs no more than another's. Twice as many as usual at the most. Where all
    have one length (``usual`` is 0), or one is run at a time, it is ``batch``.
    """
    if not usual or batch == 1:
        return batch
    return max(1, min(2 * batch, 1 << max(0, round(log2(batch * usual / length)))))


def whole(outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return outputs (n, ...) with zeros behind their first axis, so that each has ``shape``."""
    if outputs.shape[1:] == shape or len(shape) == 0:
        return outputs
    full = np.zeros((len(outputs), *shape), outputs.dtype)
    full[:, : outputs.shape[1]] = outputs
    return full
