"""Folds of a cross-validation: classes spread evenly, rows that belong together kept together."""

import numpy as np


def stratified(targets: np.ndarray, units: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return a fold number (rows,) for every row.

    Rows of one unit share a fold. The largest units are placed first, each where its class is rarest so far, and where
    there are the fewest rows if several folds are alike in that.
    """
    _, first, unit, sizes = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    classes = targets[first].astype(np.int64)
    have = np.zeros((int(classes.max(initial=0)) + 1, folds), dtype=np.int64)
    total = np.zeros(folds, dtype=np.int64)
    place = np.empty(len(first), dtype=np.int64)
    for index in order:
        row = have[classes[index]]
        fold = int(np.lexsort((total, row))[0])
        place[index] = fold
        row[fold] += sizes[index]
        total[fold] += sizes[index]
    found: np.ndarray = place[unit]
    return found
