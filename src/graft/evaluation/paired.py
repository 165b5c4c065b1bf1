"""Paired comparison of two models on the same examples: whether the second is better by more than chance."""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrc

from graft.errors import DataError, must
from graft.evaluation.intervals import Z, bootstrap_mean
from graft.types import Estimate

FLIPS = 9_999
_EXACT = 14
"""Up to this many differences all 2^k signs are tried."""


@dataclass(frozen=True)
class Paired:
    """What the same examples say of b against a."""

    difference: Estimate
    """Mean score of b less that of a, with its 95 % interval."""
    p_value: float
    """One-sided: how often chance alone would make b as much better than a, were they equally good."""
    n: int
    wins: int
    """Examples where b scores higher."""
    losses: int
    """Examples where a scores higher."""

    def to_json(self) -> dict[str, object]:
        """Return the comparison as plain JSON data."""
        rest = {"p_value": self.p_value, "n": self.n, "wins": self.wins, "losses": self.losses}
        return {"difference": self.difference.to_json(), **rest}


def paired_test(scores_a: np.ndarray, scores_b: np.ndarray, seed: int = 0) -> Paired:
    """Test whether b beats a from their scores (n,) on the same examples, higher being better.

    Scores of 0 and 1: McNemar's mid-p test (binomial on the examples where they differ, the outcome that was seen
    counted half), which holds its level without the loss of power of the exact conditional test (Fagerland, Lydersen
    and Laake 2013, BMC Medical Research Methodology 13:91), with the interval of Bonett and Price 2012.
    Other scores: sign flips of the differences, all of them up to 14 differences, else 9,999 random ones, with a
    bootstrap interval. Raises DataError unless both are (n,), finite, n at least 1.
    """
    a, b = np.asarray(scores_a, np.float64), np.asarray(scores_b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise DataError(must("scores", "two of one length (n,)", f"{a.shape} and {b.shape}", "Score the same examples"))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(must("scores", "finite numbers", "infinity or not-a-number", "Look at what made the scores"))
    gaps = b - a
    wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
    if np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all():
        p_value = _mid_p(wins, losses)
        return Paired(_difference_of_shares(wins, losses, len(a)), p_value, len(a), wins, losses)
    return Paired(bootstrap_mean(gaps, seed), _flip(gaps[gaps != 0], seed), len(a), wins, losses)


def _mid_p(wins: int, losses: int) -> float:
    """Return P(more wins than were seen) + P(as many) / 2, were wins and losses equally likely."""
    if not wins + losses:
        return 1.0
    more = float(bdtrc(wins, wins + losses, 0.5))
    as_many = (float(bdtrc(wins - 1, wins + losses, 0.5)) if wins else 1.0) - more
    return more + as_many / 2


def _difference_of_shares(wins: int, losses: int, n: int) -> Estimate:
    """Source: Bonett and Price 2012, "Adjusted Wald confidence interval for a difference of paired proportions"."""
    won, lost = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    half = Z * float(np.sqrt((won + lost - (won - lost) ** 2) / (n + 2)))
    value = (wins - losses) / n
    low, high = max(-1.0, won - lost - half), min(1.0, won - lost + half)
    return Estimate(value, min(low, value), max(high, value), n)


def _flip(gaps: np.ndarray, seed: int) -> float:
    """Share of sign patterns whose sum reaches the one that was seen."""
    if not len(gaps):
        return 1.0
    # A pattern that only rounding keeps below the seen sum counts as reaching it.
    seen = gaps.sum() - 1e-12 * np.abs(gaps).sum()
    if len(gaps) <= _EXACT:
        signs = 1 - 2 * ((np.arange(1 << len(gaps))[:, None] >> np.arange(len(gaps))) & 1)
        return float(np.mean(signs @ gaps >= seen))
    random, reached = np.random.default_rng(seed), 0
    block = max(1, min(FLIPS, (1 << 20) // len(gaps)))
    for start in range(0, FLIPS, block):
        rows = min(block, FLIPS - start)
        # Flipping a sign takes twice its gap from the sum.
        flipped = random.integers(0, 2, (rows, len(gaps)), dtype=np.int8).astype(np.float32) @ gaps
        reached += int((gaps.sum() - 2 * flipped >= seen).sum())
    return (reached + 1) / (FLIPS + 1)
