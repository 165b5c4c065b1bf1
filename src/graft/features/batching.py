"""Inputs put into batches of one shape each, those of a shape one after another."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from graft.features.decoding import Decoded

FIRST, MOST, MORE = 128, 2048, 64
"""Inputs of several lengths that are held before the first batches are run, in the end, and by how many they grow at a
time: so that the network need not wait for them."""
HELD_BYTES = 8 << 20
"""What they may take: a word that is spelt out is fifty times as large as a number."""
RUN = 8
"""Batches of one shape that are run before more inputs are taken."""

Shape = tuple[int, ...]
"""Of an input, without its padding."""


@dataclass(frozen=True)
class Piece:
    """One view of an input, without its padding."""

    array: np.ndarray
    key: np.ndarray
    """uint8 (32,)."""
    ends: Decoded | None = None
    """What is done with this view: the input, of whose views it is the last."""


@dataclass(frozen=True)
class Batch:
    """Views of one shape that are run at once."""

    inputs: np.ndarray
    """(m, ...)."""
    keys: np.ndarray
    """uint8 (m, 32)."""
    ends: list[Decoded]
    """The inputs that are done with it."""


def held(record_bytes: int) -> int:
    """Return how many inputs of so many bytes, padding included, may be held."""
    return max(1, min(MOST, HELD_BYTES // max(1, record_bytes)))


def in_batches(pieces: Iterable[Piece], size: Callable[[Shape], int], *, most: int = 1) -> Iterator[Batch]:
    """Yield batches of up to ``size(shape)`` views of one shape each.

    Where up to ``most`` inputs are held, full batches of the shape that has most of them come one after another: a
    runtime makes itself ready for every change of shape. MiniLM of 10,003 questions took 16.2 s of two cores in the
    order of their lengths, and 19.1 s where each batch was run as soon as it was full.
    """
    lying: dict[Shape, list[Piece]] = {}
    count, wanted = 0, min(FIRST, most)
    for piece in pieces:
        lying.setdefault(piece.array.shape, []).append(piece)
        count += 1
        if count < wanted:
            continue
        wanted = min(most, wanted + MORE)
        shape = max(lying, key=lambda one: len(lying[one]) // size(one))
        full = min(RUN, len(lying[shape]) // size(shape)) * size(shape)
        taken, lying[shape] = lying[shape][:full], lying[shape][full:]
        count -= full
        yield from _batches(taken, size(shape))
    for shape in sorted(lying):
        yield from _batches(lying[shape], size(shape))


def _batches(pieces: list[Piece], size: int) -> Iterator[Batch]:
    for start in range(0, len(pieces), size):
        yield _batch(pieces[start : start + size])


def _batch(pieces: list[Piece]) -> Batch:
    ends = [piece.ends for piece in pieces if piece.ends is not None]
    return Batch(np.stack([piece.array for piece in pieces]), np.stack([piece.key for piece in pieces]), ends)
