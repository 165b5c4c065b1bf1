"""Inputs of several lengths, such as tokens: which of them are run at once, and as what array."""

from collections.abc import Iterator, Sequence

import numpy as np

TOKENS = 512
"""Of a batch, padding included; longer inputs are run one by one. MiniLM-L6 takes 5.8, 2.0, 1.4 and 1.0 ms of a core
for a text of 12 tokens where 1, 4, 8 and 16 are run at once, and 5 ms more a batch of another shape than the last."""
STEP = 8
"""Lengths are rounded up to a multiple of it. A runtime keeps something for each shape that it has seen: where batches
had any size, and lengths steps of 4, a server of MiniLM-L6 grew to 508 MB in half a minute, now to 340."""


def power(count: int) -> int:
    """Return the largest power of two up to a count of at least 1: batches have few sizes."""
    return 1 << (count.bit_length() - 1)


def together(arrays: Sequence[np.ndarray], most: int) -> Iterator[list[int]]:
    """Yield the places of inputs (tokens, ...) that are run at once: at most so many, and of like length."""
    order = sorted(range(len(arrays)), key=lambda one: arrays[one].size)
    while order:
        count = 1
        # The next one is the longest, to which all are padded.
        while count < min(most, len(order)) and (count + 1) * arrays[order[count]].size <= TOKENS:
            count += 1
        count = power(count)
        yield order[:count]
        order = order[count:]


def in_order(count: int, most: int) -> Iterator[list[int]]:
    """Yield the places of inputs of one shape that are run at once."""
    for start in range(0, count, most):
        yield list(range(start, min(start + most, count)))


def padded(arrays: Sequence[np.ndarray], whole: tuple[int, ...]) -> np.ndarray:
    """Return arrays of different shapes as one, padded with -1, which is no token.

    ``whole`` is the shape of an input that is as long as one may be.
    """
    longest = np.max([one.shape for one in arrays], axis=0)
    longest[-1] = min(whole[-1], -(-longest[-1] // STEP) * STEP)
    found = np.full((len(arrays), *longest), -1, arrays[0].dtype)
    for row, one in zip(found, arrays, strict=True):
        row[*map(slice, one.shape)] = one
    return found
