"""How unlike the training data a feature vector is: two scores, each fitted to vectors and kept as a few arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np

from graft.arrays import unit

WIDE, NARROW = 512, 256
"""Vectors of more numbers than the first are scored by as many drawn directions as the second: of 1,280 numbers, spoilt
photos of clothes (n = 122) were told from plain ones with an AUROC of 0.81, of 256 directions of them with 0.80 to 0.81
(three draws), for a fifth of the time of a fit and of an answer."""
BANK = 1000
"""Training vectors that are kept to be compared with (Sun et al. keep 1 % of ImageNet and lose nothing)."""
NEIGHBOURS = 5


class Likeness(Protocol):
    """What both scores do."""

    name: ClassVar[str]

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return how unlike the training data vectors (n, d) are, (n,) float64; higher is less alike."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by which it is kept."""


@dataclass(frozen=True)
class Mahalanobis:
    """Distance to the nearest class mean, in standard deviations of the classes' common, shrunk covariance.

    Source: Lee et al. 2018, "A simple unified framework for detecting out-of-distribution samples"; shrunk as in Ledoit
    and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
    """

    name: ClassVar[str] = "mahalanobis"

    centre: np.ndarray
    """(d,) float32."""
    scale: np.ndarray
    """(1,) float32, 1 over the root of the mean variance."""
    whitening: np.ndarray
    """(d, d) float16: less the centre, and times the scale and it, inputs have a covariance of 1 within classes."""
    means: np.ndarray
    """(classes, d) float32, less the centre, whitened."""

    @classmethod
    def fit(cls, vectors: np.ndarray, groups: np.ndarray, seed: int = 0) -> "Mahalanobis":
        """Return the score fitted to vectors (n, d) of classes ``groups`` (n,), n at least 2; nothing is drawn."""
        centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        table = vectors - centre
        names, places = np.unique(groups, return_inverse=True)
        means = np.stack([table[places == one].mean(axis=0) for one in range(len(names))])
        rest = table - means[places]
        n, d = rest.shape
        covariance = (rest.T @ rest).astype(np.float64) / n
        level = max(float(np.trace(covariance)) / d, 1e-12)
        lengths = np.square(rest).sum(axis=1, dtype=np.float64)
        share = shrinkage(float(np.square(lengths).mean()), float(np.square(covariance).sum()), level, n, d)
        values, axes = np.linalg.eigh(covariance)
        variance = np.maximum((1 - share) * values + share * level, 1e-6 * level)
        whitening = (axes / np.sqrt(variance / level)).astype(np.float16)
        scale = np.array([level**-0.5], np.float32)
        return cls(centre, scale, whitening, (means * scale) @ whitening.astype(np.float32))

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return the distance to the nearest class mean, over the root of d: about 1 for the training vectors."""
        rows = (np.asarray(vectors, np.float32) - self.centre) * self.scale @ self._across
        nearest = _squares(rows, self.means).min(axis=1)
        return np.asarray(np.sqrt(np.maximum(nearest, 0.0) / len(self.centre)))

    @cached_property
    def _across(self) -> np.ndarray:
        return np.asarray(self.whitening, np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the four arrays."""
        return {"centre": self.centre, "scale": self.scale, "whitening": self.whitening, "means": self.means}


@dataclass(frozen=True)
class Nearest:
    """1 less the cosine to the k-th nearest of the training vectors that are kept.

    Source: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors".
    """

    name: ClassVar[str] = "nearest"

    bank: np.ndarray
    """(m, d) float16, of length 1."""
    neighbours: int = NEIGHBOURS

    @classmethod
    def fit(cls, vectors: np.ndarray, groups: np.ndarray, seed: int = 0) -> "Nearest":
        """Return the score with at most a thousand of vectors (n, d); ``groups`` have no say."""
        bank = unit(vectors[drawn(len(vectors), BANK, seed)]).astype(np.float16)
        return cls(bank, min(NEIGHBOURS, max(1, len(bank) // 10)))

    def score(self, vectors: np.ndarray) -> np.ndarray:
        """Return 1 less the k-th largest cosine: 0 for a training vector's own place, 2 for its opposite."""
        cosines = unit(np.asarray(vectors, np.float32)) @ self._across
        place = cosines.shape[1] - self.neighbours
        return np.asarray(1.0 - np.partition(cosines, place, axis=1)[:, place], np.float64)

    @cached_property
    def _across(self) -> np.ndarray:
        # Widening a thousand vectors takes longer than comparing one with them.
        return np.ascontiguousarray(self.bank.T, np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bank."""
        return {"bank": self.bank}


KINDS: Mapping[str, type[Mahalanobis] | type[Nearest]] = {"mahalanobis": Mahalanobis, "nearest": Nearest}
"""By the name under which they are kept."""


def shrinkage(fourth: float, square: float, level: float, n: int, d: int) -> float:
    """Return by how much a covariance is drawn to its mean variance, 0..1 (Ledoit and Wolf 2004, lemma 3.2 and on).

    ``fourth`` is the mean of the fourth powers of the vectors' lengths, ``square`` the sum of the covariance's squared
    entries, ``level`` its mean variance.
    """
    spread = square - d * level**2
    if spread <= 0:
        return 1.0
    return float(np.clip((fourth - square) / n / spread, 0.0, 1.0))


def drawn(n: int, most: int, seed: int) -> np.ndarray:
    """Return all rows, or ``most`` of them drawn without replacement, sorted."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng((seed, n)).choice(n, most, replace=False))


def narrowing(width: int, seed: int) -> np.ndarray | None:
    """Return directions (width, NARROW) int8 of 1 and -1 that keep angles, or None where there is no need.

    They are drawn at random, so that no input has had a say in them. Source: Achlioptas 2003, "Database-friendly random
    projections".
    """
    if width <= WIDE:
        return None
    return (2 * np.random.default_rng((seed, width, NARROW)).integers(0, 2, (width, NARROW)) - 1).astype(np.int8)


def _squares(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared distances (n, m) float64 of rows (n, d) to others (m, d)."""
    both = (rows @ others.T).astype(np.float64)
    mine, theirs = (np.square(one, dtype=np.float64).sum(axis=1) for one in (rows, others))
    return np.asarray(mine[:, None] - 2 * both + theirs)
