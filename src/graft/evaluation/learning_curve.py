"""The learning curve from stored features: how accuracy grew with the data, and what more labels would bring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graft.errors import DataError, must
from graft.evaluation.intervals import RESAMPLES, bias_corrected, resamples, wilson
from graft.types import Estimate

Answers = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Sequence[np.ndarray]]
"""``(rows to train on, rows to ask), one array a fold -> class numbers (m,) or logits (m, C), one array a fold``."""

MANY = 2000
"""Examples from which only those of two folds are asked: so many answers tell the curve well enough."""
_EXPONENTS = np.linspace(0.05, 2.0, 40)


@dataclass(frozen=True)
class Point:
    """Accuracy after training on so many labels."""

    labels: int
    """Mean number of training examples over the folds."""
    accuracy: Estimate
    """Of held-out answers, each example asked once; Wilson interval."""
    spread: float
    """Standard deviation of the accuracy between folds."""


@dataclass(frozen=True)
class LearningCurve:
    """Points, the curve a - b n^-c through them, and what it says of more labels."""

    points: tuple[Point, ...]
    ceiling: float | None
    """a: what the curve nears with endless labels; None where there are too few points for a curve."""
    scale: float | None
    """b."""
    exponent: float | None
    """c."""
    ahead: int
    """The number of labels that ``expected`` is for: twice those there are."""
    expected: Estimate | None
    """Accuracy expected there; the interval is from curves through resampled examples."""
    gain: Estimate | None
    """Expected less what the curve says of all labels there are."""
    sentence: str
    """Whether more labels would help, for the person."""

    def at(self, labels: float) -> float:
        """Return the curve's accuracy for a number of labels. Raises ValueError without a curve."""
        if self.ceiling is None or self.scale is None or self.exponent is None:
            raise ValueError("there are too few points for a curve")
        return float(np.clip(self.ceiling - self.scale * labels**-self.exponent, 0.0, 1.0))


def learning_curve(
    targets: np.ndarray,
    answers: Answers,
    *,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    fractions: Sequence[float] = (0.1, 0.2, 0.35, 0.6, 1.0),
    folds: int = 5,
    seed: int = 0,
) -> LearningCurve:
    """Train on growing shares of the data and ask each example once, when its fold is held out; of many, two folds.

    ``targets`` (n,). In each fold the smaller training sets are parts of the larger, and every class keeps its share
    in all of them; shares that would leave some class without an example are passed over. Calls ``answers`` once a
    share, with all folds. ``held_out`` are folds (n,) and logits (n, C) of models that were fitted to all other folds,
    where they are known already: then the last share is not trained again. Raises DataError for fewer than 2 classes.
    """
    targets = np.asarray(targets)
    n, sizes = len(targets), np.unique(targets, return_counts=True)[1]
    if len(sizes) < 2:
        got = f"{len(sizes)} classes and {n} targets"
        raise DataError(must("the data of a learning curve", "targets of 2 classes or more", got, "Add examples"))
    folds = int(max(2, min(folds, np.median(sizes))))
    fold, order = _deal(targets, folds, np.random.default_rng(seed))
    if held_out is not None:
        fold, folds = held_out[0], int(held_out[0].max()) + 1
    judged = 2 if n >= MANY else folds
    kept = [one for one in sorted(set(fractions)) if one == 1.0 or one * np.median(sizes) * (1 - 1 / folds) >= 1.5]
    right, labels = np.zeros((len(kept), n)), np.zeros((len(kept), judged))
    asked = [np.flatnonzero(fold == held) for held in range(judged)]
    inside = [order[fold[order] != held] for held in range(judged)]
    for row, share in enumerate(kept):
        # At least one of every class, else the model could not even name it.
        train = [np.sort(one[(_depth(targets[one]) < share) | _first(targets[one])]) for one in inside]
        labels[row] = [len(one) for one in train]
        if held_out is not None and share == 1:
            found: Sequence[np.ndarray] = [held_out[1][rows] for rows in asked]
        else:
            found = answers(train, asked)
        for rows, said in zip(asked, found, strict=True):
            right[row, rows] = (said.argmax(axis=1) if said.ndim == 2 else said) == targets[rows]
    rows = np.flatnonzero(fold < judged)
    return _read(right[:, rows], labels.mean(axis=1), fold[rows], n, seed)


def _deal(targets: np.ndarray, folds: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the fold of each item, every class dealt out evenly, and a random order of the items."""
    order, fold, start = random.permutation(len(targets)), np.zeros(len(targets), np.int64), 0
    for one in np.unique(targets):
        members = order[targets[order] == one]
        fold[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return fold, order


def _depth(targets: np.ndarray) -> np.ndarray:
    """How far down its class an item stands, from 0 to below 1, in the order given."""
    depth = np.zeros(len(targets))
    for one in np.unique(targets):
        members = np.flatnonzero(targets == one)
        depth[members] = (np.arange(len(members)) + 0.5) / len(members)
    return depth


def _first(targets: np.ndarray) -> np.ndarray:
    first = np.zeros(len(targets), bool)
    first[np.unique(targets, return_index=True)[1]] = True
    return first


def _read(right: np.ndarray, labels: np.ndarray, fold: np.ndarray, total: int, seed: int) -> LearningCurve:
    """Make the result from who was answered rightly (shares, n) after how many labels (shares,) of ``total``."""
    n, folds = right.shape[1], int(fold.max()) + 1
    points = []
    for row, count in zip(right, labels, strict=True):
        by_fold = np.bincount(fold, row, folds) / np.maximum(np.bincount(fold, minlength=folds), 1)
        points.append(Point(round(float(count)), wilson(float(row.sum()), n), float(by_fold.std(ddof=1))))
    ahead = 2 * total
    if len(points) < 3:
        sentence = "There are too few examples to say whether more labels would help."
        return LearningCurve(tuple(points), None, None, None, ahead, None, None, sentence)
    error = 1 - right.mean(axis=1)
    floor, scale, exponent = (float(one[0]) for one in _fit(error[None], labels, n))
    draws = np.concatenate([1 - _resampled(right, rows) for rows in resamples(n, seed, RESAMPLES // 2)])
    a, b, c = _fit(draws, labels, n)
    now, then = a + b * float(total) ** -c, a + b * float(ahead) ** -c
    value, today = floor + scale * float(ahead) ** -exponent, floor + scale * float(total) ** -exponent
    low, high = bias_corrected(1 - value, 1 - then)
    expected = Estimate(1 - value, max(0.0, low), min(1.0, high), n)
    gain = Estimate(today - value, *bias_corrected(today - value, now - then), n)
    sentence = _sentence(total, ahead, 1 - today, expected, gain)
    return LearningCurve(tuple(points), 1 - floor, scale, exponent, ahead, expected, gain, sentence)


def _resampled(right: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.stack([one[rows].mean(axis=1) for one in right], axis=1)


def _fit(error: np.ndarray, labels: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit error = a + b labels^-c with a, b >= 0 to curves (k, points); returns a, b, c, each (k,).

    For each c of a grid the rest is a weighted line, solved at once for all curves; the best c is kept.
    Source of the form: Hestness et al. 2017, "Deep learning scaling is predictable, empirically".
    """
    weights = n / np.maximum(error * (1 - error), 0.25 / n)
    best = np.full(len(error), np.inf)
    kept = np.zeros((3, len(error)))
    for c in _EXPONENTS:
        x = labels**-c
        total = weights.sum(axis=1)
        mean_x, mean_y = (weights @ x) / total, (weights * error).sum(axis=1) / total
        off = x[None] - mean_x[:, None]
        b = np.maximum((weights * off * (error - mean_y[:, None])).sum(axis=1) / (weights * off**2).sum(axis=1), 0.0)
        a = mean_y - b * mean_x
        through = np.maximum((weights * x * error).sum(axis=1) / (weights @ x**2), 0.0)
        a, b = np.where(a < 0, 0.0, a), np.where(a < 0, through, b)
        miss = (weights * (a[:, None] + b[:, None] * x - error) ** 2).sum(axis=1)
        better = miss < best
        best = np.where(better, miss, best)
        kept = np.where(better, np.stack([a, b, np.full(len(a), c)]), kept)
    return kept[0], kept[1], kept[2]


def _sentence(labels: int, ahead: int, today: float, expected: Estimate, gain: Estimate) -> str:
    numbers = (
        f"{ahead:,} labels instead of {labels:,} are expected to bring the linear probe's accuracy from "
        f"{100 * today:.1f} % to {100 * expected.value:.1f} % (95 % interval {100 * expected.low:.1f} % to "
        f"{100 * expected.high:.1f} %)."
    )
    if gain.low >= 0.005 and gain.value >= 0.01:
        return f"More labels would help: {numbers}"
    if gain.high < 0.015:
        return f"More labels of the same kind would hardly help: {numbers}"
    return f"More labels may help, this data cannot tell how much: {numbers}"
