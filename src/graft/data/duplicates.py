"""Near duplicates: inputs whose features or perceptual hashes almost coincide, within a part and across parts.

Raw cosines mean another thing in every data set: among 1,000 photos of clothes half of all pairs are above 0.32, among
hand signs above 0.78. So the mean of the data is taken out first, and the median pair is at -0.02 in both. The rules
(the defaults of ``Alike``; texts have their own) were then set with EfficientNet-Lite0 features on three real sets
and on copies made from 120 files of each (recompressed, halved, brightened, cropped, turned, mirrored). Pairs found
among the originals: clothing (1,022) 1, the same print photographed twice; sign_digits (1,000) 0; MNIST (1,000),
where many a 1 does equal another, 108 of 499,500, in 13 sets. Copies found, clothing / sign_digits: JPEG quality 50
100 / 100 %, half size 100 / 100 %, brightness x 1.2 100 / 87 %, turned by 3 degrees 98 / 61 %, cropped by 3 % 88 / 54
%, mirrored 95 / 3 %, cropped by 8 % 8 / 0 %.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from graft.arrays import lengths
from graft.data.dataset import count
from graft.errors import DataError, must
from graft.types import Alike, Finding, Part

BLOCK = 512
"""Rows compared at a time: the largest array is BLOCK x BLOCK, whatever n is."""
STEADY = 20
"""The mean of few inputs is their common look: it is taken out by n / (n + STEADY)."""
SLACK = 0.0125
"""How far rough cosines may be off."""

Rough = Callable[[np.ndarray], Callable[[slice, slice], np.ndarray] | None]
"""From vectors (n, d) of length 1 to what quickly gives the cosines of two ranges of them, each SLACK off at most."""


class Link(NamedTuple):
    """Two rows that are near, or that a chain of near rows joins, and the closest of that chain."""

    i: int
    j: int
    cosine: float
    """Centred."""
    bits: int


def near_duplicates(
    features: np.ndarray,
    hashes: np.ndarray,
    parts: Sequence[Part | None],
    sources: Sequence[str],
    labels: Sequence[str | None],
    *,
    contents: Sequence[str] | None = None,
    alike: Alike = Alike(),  # noqa: B008 - frozen
    rough: Rough | None = None,
) -> tuple[Finding, ...]:
    """Return one finding for each set of near duplicates, those across parts first, then the closest.

    ``features`` float32 (n, d) from a backbone (rows of zeros or NaN: not known), ``hashes`` uint64 (n,) perceptual;
    ``contents`` are the sha-256 of the files: of exact duplicates, which ``audit`` tells, one stands for all. The kind
    is ``near_duplicate_across_parts`` where a set lies in more than one part, else ``near_duplicate``. Nothing is taken
    out: the person decides. ``rough`` shows quickly which pairs are worth an exact cosine. Raises DataError for arrays
    that do not fit together.
    """
    n = len(sources)
    if not len(features) == len(hashes) == len(parts) == len(labels) == n:
        got = f"{len(features)} features, {len(hashes)} hashes, {len(parts)} parts, {n} sources, {len(labels)} labels"
        raise DataError(must("The arrays", "of one length", got, "Give arrays of one order"))
    rows = _distinct(features, parts, contents)
    if len(rows) < n:
        features, hashes = features[rows], hashes[rows]
    found = [
        _finding([int(rows[one]) for one in members], cosine, bits, parts, sources, labels)
        for members, cosine, bits in _sets(list(near_links(features, hashes, alike, rough)))
    ]
    return tuple(sorted(found, key=lambda one: (one.kind == "near_duplicate", -one.details["similarity"])))


def near_links(
    features: np.ndarray,
    hashes: np.ndarray,
    alike: Alike = Alike(),  # noqa: B008 - frozen
    rough: Rough | None = None,
) -> Iterator[Link]:
    """Yield links that join every two near rows, directly or by a chain; at most 2 BLOCK for each pair of blocks.

    ``features`` (n, d) finite and not zero, ``hashes`` (n,). Costs n * n * d multiplications and additions.
    """
    raw = np.asarray(features, dtype=np.float32)
    if not len(raw):
        return
    centred = raw - raw.mean(axis=0) * np.float32(len(raw) / (len(raw) + STEADY))
    centred /= np.maximum(lengths(centred), 1e-12)[:, None]
    long, marks = lengths(raw), np.asarray(hashes, dtype=np.uint64)
    quick = rough(centred) if rough else None
    least = alike.both - (SLACK if quick else 0)
    for top in range(0, len(raw), BLOCK):
        for left in range(top, len(raw), BLOCK):
            above, beside = slice(top, top + BLOCK), slice(left, left + BLOCK)
            cosine = quick(above, beside) if quick else centred[above] @ centred[beside].T
            bits = np.bitwise_count(marks[above, None] ^ marks[None, beside])
            perhaps = cosine >= least
            perhaps |= bits <= alike.same_hash
            # Of a flat array: of one with two axes NumPy takes ten times as long.
            i, j = np.divmod(np.flatnonzero(np.triu(perhaps, 1) if top == left else perhaps), perhaps.shape[1])
            cosine = _products(centred[above], centred[beside], i, j) if quick else cosine[i, j]
            bits = bits[i, j]
            same_hash = bits <= alike.same_hash
            near = (cosine >= alike.alone) | ((cosine >= alike.both) & (bits <= alike.bits)) | same_hash
            by_hash = np.flatnonzero(same_hash & (cosine < alike.both))
            products = _products(raw[above], raw[beside], i[by_hash], j[by_hash])
            near[by_hash] = products >= alike.unlike * long[top + i[by_hash]] * long[left + j[by_hash]]
            yield from _thinned(i[near], j[near], cosine[near], bits[near], top, left)


def _products(rows: np.ndarray, columns: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the products of pairs of rows (m,): all of the block at once where they are many."""
    if len(i) > 2 * BLOCK:
        return np.asarray((rows @ columns.T)[i, j])
    return np.asarray(np.einsum("id,id->i", rows[i], columns[j]))


def _thinned(i: np.ndarray, j: np.ndarray, cosine: np.ndarray, bits: np.ndarray, top: int, left: int) -> Iterator[Link]:
    """Yield all links of a block where they are few; else the fewest that join the same rows."""
    first, second = top + i, left + j
    if len(i) > 2 * BLOCK:
        nodes, pairs = np.unique([first, second], return_inverse=True)
        names = _components(pairs.reshape(2, -1), len(nodes))
        best, least = np.full(len(nodes), -1.0), np.full(len(nodes), 64)
        of = names[pairs.reshape(2, -1)[0]]
        np.maximum.at(best, of, cosine)
        np.minimum.at(least, of, bits)
        head = np.unique(names, return_index=True)[1][names]
        joined = head != np.arange(len(nodes))
        first, second = nodes[head[joined]], nodes[joined]
        cosine, bits = best[names[joined]], least[names[joined]]
    for link in zip(first.tolist(), second.tolist(), cosine.tolist(), bits.tolist(), strict=True):
        yield Link(*link)


def _components(pairs: np.ndarray, n: int) -> np.ndarray:
    """Return the number of the connected component of each of n nodes; ``pairs`` is (2, links)."""
    # Here, since nothing else in data needs SciPy, whose import is a third of a second.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(pairs.shape[1], dtype=np.int8), (pairs[0], pairs[1])), shape=(n, n))
    names: np.ndarray = connected_components(graph, directed=False)[1]
    return names


def _sets(links: list[Link]) -> list[tuple[np.ndarray, float, int]]:
    """Return the members, the highest cosine and the fewest differing bits of each connected set."""
    if not links:
        return []
    rows, pairs = np.unique([(link.i, link.j) for link in links], return_inverse=True)
    pairs = pairs.reshape(-1, 2).T
    names = _components(pairs, len(rows))
    cosine, bits = np.full(names.max() + 1, -1.0), np.full(names.max() + 1, 64)
    np.maximum.at(cosine, names[pairs[0]], [link.cosine for link in links])
    np.minimum.at(bits, names[pairs[0]], [link.bits for link in links])
    order = np.argsort(names, kind="stable")
    members = np.split(rows[order], np.flatnonzero(np.diff(names[order])) + 1)
    return [(one, float(cosine[name]), int(bits[name])) for name, one in enumerate(members)]


def _distinct(features: np.ndarray, parts: Sequence[Part | None], contents: Sequence[str] | None) -> np.ndarray:
    """Return the rows to compare: features known, one for each content, and of copies one that is in a part."""
    known = np.flatnonzero(np.isfinite(features).all(axis=1) & features.any(axis=1))
    if contents is None:
        return known
    chosen: dict[str, int] = {}
    for row in known.tolist():
        if contents[row] not in chosen or (parts[chosen[contents[row]]] is None and parts[row] is not None):
            chosen[contents[row]] = row
    return np.array(sorted(chosen.values()), dtype=np.int64)


def _finding(
    rows: list[int],
    cosine: float,
    bits: int,
    parts: Sequence[Part | None],
    sources: Sequence[str],
    labels: Sequence[str | None],
) -> Finding:
    where = [part for part in ("train", "val", "test") if part in {parts[row] for row in rows}]
    named = sorted({label for row in rows if (label := labels[row]) is not None})
    across = len(where) > 1
    message = f"{count(len(rows), 'file')} look almost the same"
    if across:
        message += f" and lie in {' and '.join(where)}, so that what is measured looks better than it is"
    if len(named) > 1:
        message += f"; their labels differ: {', '.join(named)}"
    details = {
        "similarity": round(cosine, 4),
        "bits": bits,
        "parts": [parts[row] for row in rows],
        "labels": [labels[row] for row in rows],
    }
    kind = "near_duplicate_across_parts" if across else "near_duplicate"
    files = tuple(sources[row] for row in rows)
    return Finding(kind, files, f"{message}.", "warning" if across or len(named) > 1 else "note", details)
