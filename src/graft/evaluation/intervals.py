"""Intervals of 95 %: Wilson for shares, a combination of them for means of shares, the bootstrap for the rest."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from graft.types import Estimate

Z = float(ndtri(0.975))
"""Half-width of a 95 % interval in standard errors."""
RESAMPLES = 1000
_CHUNK = 1 << 17
"""Indices drawn at a time: memory does not grow with the number of resamples, and what is made of them stays in the
caches (of 750 items a million at a time take a third longer)."""
KEPT = 1 << 21
"""Indices that are kept, 8 MB, until others are drawn."""


def wilson_limits(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper limits for ``successes`` of ``trials``, same shape; 0 trials give 0 to 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    k, n = np.asarray(successes, float), np.asarray(trials, float)
    safe = np.where(n > 0, n, 1.0)
    share, square = k / safe, Z * Z / safe
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * np.sqrt(share * (1 - share) / safe + square / (4 * safe))
    low = np.where((n > 0) & (k > 0), np.maximum(middle - half, 0.0), 0.0)
    high = np.where((n > 0) & (k < n), np.minimum(middle + half, 1.0), 1.0)
    return low, high


def wilson(successes: float, trials: int) -> Estimate:
    """Return a share with its Wilson interval; with no trials the value is 0 and the interval 0 to 1."""
    low, high = wilson_limits(np.asarray(successes), np.asarray(trials))
    return Estimate(successes / trials if trials else 0.0, float(low), float(high), int(trials))


def mean_of_shares(values: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> tuple[float, float]:
    """Return the interval of the mean of independent shares (k,) from the limits of each.

    It stays honest where a bootstrap has nothing to vary: when every share is 1.
    Source: Zou and Donner 2008, "Construction of confidence limits about effect measures", Statistics in Medicine 27.
    """
    mean = float(values.mean())
    down = float(np.sqrt(((values - lows) ** 2).sum())) / len(values)
    up = float(np.sqrt(((highs - values) ** 2).sum())) / len(values)
    return max(0.0, mean - down), min(1.0, mean + up)


def resamples(n: int, seed: int | tuple[int, ...], count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Yield ``count`` bootstrap samples of n items as blocks of row numbers (block, n).

    Items are drawn with replacement from the whole test set, not class by class: the size of each class is part of
    what chance decides.
    """
    yield from _kept(n, seed, count) if n * count <= KEPT else _drawn(n, seed, count)


def _drawn(n: int, seed: int | tuple[int, ...], count: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    block = max(1, min(count, _CHUNK // max(n, 1)))
    for start in range(0, count, block):
        yield random.integers(0, n, (min(block, count - start), n), dtype=np.int32)


@lru_cache(maxsize=1)
def _kept(n: int, seed: int | tuple[int, ...], count: int) -> tuple[np.ndarray, ...]:
    """Return what ``_drawn`` yields, for several metrics of the same answers."""
    blocks = tuple(_drawn(n, seed, count))
    for one in blocks:
        one.flags.writeable = False
    return blocks


def often_in_resamples(n: int, seed: int | tuple[int, ...], count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Yield how often each of n items is in each bootstrap sample that ``resamples`` draws, in blocks (block, n)."""
    for rows in resamples(n, seed, count):
        offset = np.arange(len(rows))[:, None] * n
        yield np.bincount((rows + offset).ravel(), minlength=rows.size).reshape(rows.shape)


def bias_corrected(value: float, draws: np.ndarray) -> tuple[float, float]:
    """Return the bias-corrected percentile interval of ``value`` from its bootstrap ``draws`` (resamples,).

    Percentiles are moved by how far the value is from the median of the draws; with as many draws on either side this
    is the plain percentile interval. Source: Efron 1987, "Better bootstrap confidence intervals", JASA 82.
    """
    below = float(np.mean(draws < value) + np.mean(draws == value) / 2)
    # A value outside nearly all draws would move the percentiles to the very ends of what was drawn.
    shift = float(ndtri(np.clip(below, 0.02, 0.98)))
    low, high = np.quantile(draws, ndtr(np.array([2 * shift - Z, 2 * shift + Z])))
    return min(float(low), value), max(float(high), value)


def bootstrap_mean(items: np.ndarray, seed: int) -> Estimate:
    """Return the mean of ``items`` (n,) with its bias-corrected bootstrap interval of 1,000 resamples."""
    draws = np.concatenate([items[rows].mean(axis=1) for rows in resamples(len(items), seed)])
    value = float(items.mean())
    return Estimate(value, *bias_corrected(value, draws), len(items))
