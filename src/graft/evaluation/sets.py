"""The metrics of answers that are sets of labels."""

from dataclasses import dataclass

import numpy as np

from graft.evaluation.intervals import bias_corrected, bootstrap_mean, often_in_resamples, resamples, wilson
from graft.tasks.multilabel import items_f1
from graft.types import Estimate

RANKED = 200
"""Resamples for the mean average precision, each of which costs a pass over all answers of every label."""


@dataclass(frozen=True)
class Sets:
    """What the metrics see: n answers over C labels."""

    truth: np.ndarray
    """(n, C) of 0 and 1."""
    said: np.ndarray
    """(n, C) of 0 and 1."""
    probabilities: np.ndarray
    """(n, C)."""
    seed: int = 0

    @property
    def hits(self) -> np.ndarray:
        """(n, C) float64, 1 where a label is there and was said."""
        return np.asarray(self.truth * self.said, np.float64)


def item_f1(answers: Sets) -> Estimate:
    """Mean over inputs of the F1 of what was said and the truth, 1 where both are empty; bootstrap interval."""
    return bootstrap_mean(items_f1(answers.truth, answers.said), answers.seed)


def micro_f1(answers: Sets) -> Estimate | None:
    """F1 over all labels of all inputs together; None where no label is there or said; bootstrap interval."""
    above = 2 * answers.hits.sum(axis=1)
    below = np.asarray(answers.truth + answers.said, np.float64).sum(axis=1)
    if not below.sum():
        return None
    value = float(above.sum() / below.sum())
    draws = []
    for rows in resamples(len(above), answers.seed):
        up, down = above[rows].sum(axis=1), below[rows].sum(axis=1)
        draws.append(up[down > 0] / down[down > 0])
    return Estimate(value, *bias_corrected(value, np.concatenate(draws)), len(above))


def macro_f1(answers: Sets) -> Estimate | None:
    """Mean F1 of the labels that are there or said; None without such; bootstrap interval."""
    above, below = 2 * answers.hits, np.asarray(answers.truth + answers.said, np.float64)
    if not below.sum():
        return None
    value = float(_mean_of_defined(above.sum(axis=0)[None], below.sum(axis=0)[None])[0])
    draws = [_mean_of_defined(often @ above, often @ below) for often in often_in_resamples(len(above), answers.seed)]
    found = np.concatenate(draws)
    return Estimate(value, *bias_corrected(value, found[np.isfinite(found)]), len(above))


def mean_average_precision(answers: Sets) -> Estimate | None:
    """Mean over labels of the average precision of their ranking; labels without an example are left out; bootstrap.

    None where no label has an example. Equal probabilities count as one place, as scikit-learn has it.
    """
    labels = np.flatnonzero(answers.truth.any(axis=0))
    if not len(labels):
        return None
    n = len(answers.truth)
    ranked = [_Ranked.of(answers.probabilities[:, one], answers.truth[:, one]) for one in labels]
    once = np.ones((1, n))
    value = float(np.mean([one.precision(once)[0] for one in ranked]))
    draws = []
    for often in often_in_resamples(n, answers.seed, RANKED):
        every = np.stack([one.precision(often) for one in ranked])
        seen = np.isfinite(every)
        mean = np.where(seen, every, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        draws.append(mean[seen.any(axis=0)])
    return Estimate(value, *bias_corrected(value, np.concatenate(draws)), n)


def exact_match(answers: Sets) -> Estimate:
    """Share of the inputs whose set was said to the last label; Wilson interval."""
    right = (answers.truth == answers.said).all(axis=1)
    return wilson(float(right.sum()), len(right))


@dataclass(frozen=True)
class _Ranked:
    """One label's answers, the most probable first."""

    order: np.ndarray
    truth: np.ndarray
    """(n,) in that order."""
    end: np.ndarray
    """(n,): the last place with the same probability."""

    @classmethod
    def of(cls, scores: np.ndarray, truth: np.ndarray) -> "_Ranked":
        order = np.argsort(-scores, kind="stable")
        falling = -scores[order]
        return cls(order, truth[order].astype(np.float64), np.searchsorted(falling, falling, side="right") - 1)

    def precision(self, often: np.ndarray) -> np.ndarray:
        """Return the average precision (k,) where each item counts ``often`` (k, n) times; NaN without an example."""
        counted = often[:, self.order]
        there = counted * self.truth
        hits, asked = there.cumsum(axis=1)[:, self.end], counted.cumsum(axis=1)[:, self.end]
        share = np.divide(hits, asked, out=np.zeros(hits.shape), where=asked > 0)
        total = there.sum(axis=1)
        found = np.divide((there * share).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
        return np.asarray(found)


def _mean_of_defined(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return the mean over labels of above / below (k, C), where below is not 0; NaN where it always is."""
    defined = below > 0
    shares = np.divide(above, below, out=np.zeros(above.shape), where=defined)
    number = defined.sum(axis=1)
    return np.asarray(np.divide(shares.sum(axis=1), number, out=np.full(len(number), np.nan), where=number > 0))
