"""Near duplicates: inputs whose features or perceptual hashes almost coincide, within a part and across parts."""

from collections.abc import Iterator, Sequence

import numpy as np

from graft.data.dataset import count
from graft.errors import DataError, must
from graft.types import Finding, Part

BLOCK = 1024
"""Rows compared at a time: the largest array is BLOCK x BLOCK, whatever n is."""
SIMILARITY = 0.97
BITS = 4


def near_duplicates(
    features: np.ndarray,
    hashes: np.ndarray,
    parts: Sequence[Part | None],
    sources: Sequence[str],
    labels: Sequence[str | None],
    *,
    contents: Sequence[str] | None = None,
    similarity: float = SIMILARITY,
    bits: int = BITS,
) -> tuple[Finding, ...]:
    """Return one finding for each set of near duplicates, those across parts first.

    ``features`` float32 (n, d) from a backbone, ``hashes`` uint64 (n,) perceptual; ``contents`` are the sha-256 of the
    files, by which exact duplicates are left to ``audit``. The kind is ``near_duplicate_across_parts`` where a set lies
    in more than one part, else ``near_duplicate``. Nothing is taken out: the person decides.
    Raises DataError for arrays that do not fit together.
    """
    n = len(sources)
    if not len(features) == len(hashes) == len(parts) == len(labels) == n:
        got = f"{len(features)} features, {len(hashes)} hashes, {len(parts)} parts, {n} sources, {len(labels)} labels"
        raise DataError(must("The arrays", "of one length", got, "Give arrays of one order"))
    links = [
        (i, j, cosine, distance)
        for i, j, cosine, distance in near_pairs(features, hashes, similarity, bits)
        if contents is None or contents[i] != contents[j]
    ]
    found = [_finding(rows, inner, parts, sources, labels) for rows, inner in _sets(links)]
    return tuple(sorted(found, key=lambda one: (one.kind == "near_duplicate", -one.details["similarity"])))


def near_pairs(
    features: np.ndarray, hashes: np.ndarray, similarity: float = SIMILARITY, bits: int = BITS
) -> Iterator[tuple[int, int, float, int]]:
    """Yield (i, j, cosine, differing bits) for i < j that are near."""
    unit = _unit(features)
    for top in range(0, len(unit), BLOCK):
        for left in range(top, len(unit), BLOCK):
            cosine = unit[top : top + BLOCK] @ unit[left : left + BLOCK].T
            distance = np.bitwise_count(hashes[top : top + BLOCK, None] ^ hashes[None, left : left + BLOCK])
            near = (cosine >= similarity) | (distance <= bits)
            for i, j in zip(*np.nonzero(near), strict=True):
                if top + i < left + j:
                    yield int(top + i), int(left + j), float(cosine[i, j]), int(distance[i, j])


def _unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    # A row of zeros is near to nothing.
    return np.asarray(features / np.maximum(norms, 1e-12), dtype=np.float32)


def _sets(
    links: Sequence[tuple[int, int, float, int]],
) -> list[tuple[list[int], list[tuple[int, int, float, int]]]]:
    """Return the connected sets of rows, each with its links."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        parent.setdefault(row, row)
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for i, j, *_ in links:
        parent[root(j)] = root(i)
    members: dict[int, list[int]] = {}
    for row in sorted(parent):
        members.setdefault(root(row), []).append(row)
    inner: dict[int, list[tuple[int, int, float, int]]] = {}
    for link in links:
        inner.setdefault(root(link[0]), []).append(link)
    return [(rows, inner[key]) for key, rows in members.items()]


def _finding(
    rows: list[int],
    links: list[tuple[int, int, float, int]],
    parts: Sequence[Part | None],
    sources: Sequence[str],
    labels: Sequence[str | None],
) -> Finding:
    where = sorted({str(parts[row]) for row in rows if parts[row] is not None})
    named = sorted({str(labels[row]) for row in rows})
    across = len(where) > 1
    message = f"{count(len(rows), 'file')} look almost the same"
    if across:
        message += f" and lie in {' and '.join(where)}, which makes the test look better than it is"
    if len(named) > 1:
        message += f", with the labels {' and '.join(named)}"
    details = {
        "similarity": round(max(link[2] for link in links), 4),
        "bits": min(link[3] for link in links),
        "parts": [parts[row] for row in rows],
        "labels": [labels[row] for row in rows],
    }
    kind = "near_duplicate_across_parts" if across else "near_duplicate"
    return Finding(kind, tuple(sources[row] for row in rows), f"{message}.", "warning" if across else "note", details)
