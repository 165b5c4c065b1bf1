"""Which inputs a model was fitted on, as short hashes: so that nobody takes a score on them for a test."""

from base64 import b64decode, b64encode
from collections.abc import Iterable

BYTES = 6
"""Of each sha-256: among 10,000 inputs two unlike ones share them with a chance of one in five million."""


def pack(hashes: Iterable[str]) -> str:
    """Return the beginnings of sha-256 hashes in hex, sorted and packed as base64."""
    return b64encode(b"".join(sorted({bytes.fromhex(one)[:BYTES] for one in hashes}))).decode()


def count(packed: str, hashes: Iterable[str]) -> int:
    """Return how many of the hashes were packed."""
    known = b64decode(packed)
    short = {known[i : i + BYTES] for i in range(0, len(known), BYTES)}
    return sum(bytes.fromhex(one)[:BYTES] in short for one in hashes)
