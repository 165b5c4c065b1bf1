"""The metrics of answers that are numbers: how much of the truth they explain, how far off they are, how they rank."""

from dataclasses import dataclass

import numpy as np

from graft.evaluation.intervals import Z, bias_corrected, bootstrap_mean, resamples, wilson
from graft.types import Estimate


@dataclass(frozen=True)
class Numbers:
    """What the metrics see: n answers, in the unit of the labels."""

    truth: np.ndarray
    """(n,) float64."""
    said: np.ndarray
    """(n,) float64."""
    half: float
    """Half of the range that is meant to hold the truth in 95 of 100 cases."""
    seed: int = 0

    @property
    def errors(self) -> np.ndarray:
        """(n,) float64."""
        return np.asarray(self.said - self.truth, np.float64)


def r2(answers: Numbers) -> Estimate | None:
    """Share of the truth's variance that is explained, below 0 where the mean would be better; bootstrap interval.

    None where the truth has no variance.
    """
    spread = float(np.square(answers.truth - answers.truth.mean()).mean())
    if spread == 0:
        return None
    square = np.square(answers.errors)
    value = 1 - float(square.mean()) / spread
    draws = []
    for rows in resamples(len(square), answers.seed):
        below = answers.truth[rows].var(axis=1)
        above = square[rows].mean(axis=1)
        # A resample may hold one number alone, which has no variance to explain.
        draws.append(1 - above[below > 0] / below[below > 0])
    return Estimate(value, *bias_corrected(value, np.concatenate(draws)), len(square))


def mae(answers: Numbers) -> Estimate:
    """Mean size of the errors, in the unit of the labels; lower is better; bootstrap interval."""
    return bootstrap_mean(np.abs(answers.errors), answers.seed)


def rmse(answers: Numbers) -> Estimate:
    """Root of the mean squared error, in the unit of the labels; lower is better; bootstrap interval."""
    found = bootstrap_mean(np.square(answers.errors), answers.seed)
    value, low, high = (float(np.sqrt(max(one, 0.0))) for one in (found.value, found.low, found.high))
    return Estimate(value, low, high, found.n)


def spearman(answers: Numbers) -> Estimate | None:
    """Correlation of the ranks of answers and truth; None where either has one value alone.

    The interval is Fisher's, with the error of Bonett and Wright 2000, "Sample size requirements for estimating
    Pearson, Kendall and Spearman correlations", Psychometrika 65; for fewer than 4 items it is all of -1 to 1.
    """
    # Here, since its import takes half a second, which every command would wait for.
    from scipy.stats import rankdata

    ranks = rankdata(answers.truth), rankdata(answers.said)
    if any(np.ptp(one) == 0 for one in ranks):
        return None
    n = len(answers.truth)
    value = float(np.clip(np.corrcoef(*ranks)[0, 1], -1.0, 1.0))
    if n < 4:
        return Estimate(value, -1.0, 1.0, n)
    # At 1 Fisher's transform is infinite: the ranks of n items cannot tell more than n of them would show.
    inside = float(np.clip(value, -1 + 1 / n**2, 1 - 1 / n**2))
    half = Z * float(np.sqrt((1 + inside**2 / 2) / (n - 3)))
    low, high = np.tanh(np.arctanh(inside) - half), np.tanh(np.arctanh(inside) + half)
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def coverage(answers: Numbers) -> Estimate:
    """Share of the truth that lies in the range given with each answer, which is meant to be 0.95; Wilson interval."""
    return wilson(float((np.abs(answers.errors) <= answers.half).sum()), len(answers.truth))
