"""Inputs of several lengths in batches of one length each, and outputs brought back to one shape."""

from collections.abc import Sequence

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


def whole(outputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return outputs (n, ...) with zeros behind their first axis, so that each has ``shape``."""
    if outputs.shape[1:] == shape or len(shape) == 0:
        return outputs
    full = np.zeros((len(outputs), *shape), outputs.dtype)
    full[:, : outputs.shape[1]] = outputs
    return full
