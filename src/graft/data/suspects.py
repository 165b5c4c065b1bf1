"""Labels that predictions out of fold contradict with confidence."""

from collections.abc import Sequence

import numpy as np

from graft.data.dataset import count
from graft.data.labels import joined
from graft.errors import DataError, must
from graft.types import Finding


def suspect_labels(
    probabilities: np.ndarray, targets: np.ndarray, classes: Sequence[str], sources: Sequence[str]
) -> tuple[Finding, ...]:
    """Return one finding with the suspect labels, the most doubtful first, or nothing.

    ``probabilities`` (n, classes) must come from models that did not see the row; ``targets`` (n,) are class numbers.
    The rule is the confident joint of Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
    Dataset Labels", JAIR 2021, section 3.1: the threshold of a class is the mean probability of it among the examples
    labelled so; an example is counted for the most probable class that reaches its threshold; it is suspect where that
    is not its label. Ranked by the normalised margin p(suggested) - p(given). ``details`` holds lists parallel to
    ``files``: ``given``, ``suggested``, ``probability`` (of the suggestion) and ``given_probability``.
    Raises DataError for arrays that do not fit together.
    """
    rows, suggested = confident_conflicts(probabilities, targets)
    n, width = probabilities.shape
    if len(sources) != n or len(classes) != width:
        got = f"{probabilities.shape} for {len(sources)} sources and {len(classes)} classes"
        raise DataError(must("The probabilities", "(sources, classes)", got, "Give arrays of one order"))
    if not len(rows):
        return ()
    given = targets[rows]
    of_given, of_other = probabilities[rows, given], probabilities[rows, suggested]
    order = np.argsort(of_given - of_other, kind="stable")
    message = (
        f"{count(len(rows), 'label')} contradicted with confidence by models that had not seen them; "
        "look at the pictures, nothing was changed."
    )
    details = {
        "given": [classes[one] for one in given[order]],
        "suggested": [classes[one] for one in suggested[order]],
        "probability": [round(float(one), 4) for one in of_other[order]],
        "given_probability": [round(float(one), 4) for one in of_given[order]],
    }
    return (Finding("suspect_label", tuple(sources[row] for row in rows[order]), message, "warning", details),)


def suspect_sets(
    probabilities: np.ndarray, targets: np.ndarray, classes: Sequence[str], sources: Sequence[str]
) -> tuple[Finding, ...]:
    """Return one finding with the suspect sets of labels, the most doubtful first, or nothing.

    Each label that is there or not is two classes to the rule of ``suspect_labels``. ``probabilities`` and ``targets``
    (of 0 and 1) are (n, labels). What is suggested is the set with every contradicted label put in or taken out, and
    ``probability`` that of the surest of them. Raises DataError for arrays that do not fit together.
    """
    if probabilities.shape != targets.shape or probabilities.shape != (len(sources), len(classes)):
        got = f"{probabilities.shape} for targets {targets.shape}, {len(sources)} sources and {len(classes)} classes"
        raise DataError(must("The probabilities", "(sources, classes)", got, "Give arrays of one order"))
    there = targets.astype(np.int64)
    wrong = np.zeros(there.shape, dtype=bool)
    for one in range(len(classes)):
        rows, _ = confident_conflicts(np.stack([1 - probabilities[:, one], probabilities[:, one]], 1), there[:, one])
        wrong[rows, one] = True
    rows = np.flatnonzero(wrong.any(axis=1))
    if not len(rows):
        return ()
    contrary = np.where(there == 1, 1 - probabilities, probabilities)
    surest = np.where(wrong, contrary, 0.0).max(axis=1)
    rows = rows[np.argsort(-surest[rows], kind="stable")]

    def said(sets: np.ndarray) -> list[str]:
        return [joined(name for name, one in zip(classes, row, strict=True) if one) or "none" for row in sets]

    message = (
        f"{count(len(rows), 'set')} of labels contradicted with confidence by models that had not seen them; "
        "look at the pictures, nothing was changed."
    )
    details = {
        "given": said(there[rows]),
        "suggested": said(np.where(wrong, 1 - there, there)[rows]),
        "probability": [round(float(surest[row]), 4) for row in rows],
        "given_probability": [round(1 - float(surest[row]), 4) for row in rows],
    }
    return (Finding("suspect_label", tuple(sources[row] for row in rows), message, "warning", details),)


def confident_conflicts(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that the confident joint counts off its diagonal, and the class that each is counted for."""
    n, width = probabilities.shape
    if targets.shape != (n,) or (n and not 0 <= int(targets.min()) <= int(targets.max()) < width):
        got = f"targets {targets.shape} for probabilities {probabilities.shape}"
        raise DataError(must("The targets", "one class number a row", got, "Give arrays of one order"))
    own = probabilities[np.arange(n), targets]
    sizes = np.bincount(targets, minlength=width)
    # A class without an example has no threshold that could be reached.
    thresholds = np.where(sizes > 0, np.bincount(targets, own, width) / np.maximum(sizes, 1), np.inf)
    reaches = probabilities >= thresholds
    best = np.where(reaches, probabilities, -1.0).argmax(axis=1)
    rows = np.flatnonzero(reaches.any(axis=1) & (best != targets))
    return rows, best[rows]
