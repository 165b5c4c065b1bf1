"""Sets of classes, and ranges of numbers, that hold the truth as often as was asked: split conformal prediction."""

import math

import numpy as np


def quantile(scores: np.ndarray, share: float) -> float:
    """Return the value that a further score exceeds with a chance of at most ``share``; infinity where n is too small.

    The ``ceil((n + 1) (1 - share))``-th smallest of scores (n,). Source: Vovk, Gammerman and Shafer 2005, "Algorithmic
    learning in a random world".
    """
    place = math.ceil((len(scores) + 1) * (1 - share) - 1e-9)
    if place > len(scores):
        return math.inf
    return float(np.sort(scores)[max(place, 1) - 1])


def least(truth: np.ndarray, share: float) -> float:
    """Return the probability from which on a class is in the set, from those of true classes (n,); 0 takes them all.

    Source: Sadinle, Lei and Wasserman 2019, "Least ambiguous set-valued classifiers with bounded error levels", Journal
    of the American Statistical Association 114.
    """
    return max(0.0, 1.0 - quantile(1.0 - np.asarray(truth, np.float64), share))


def members(probabilities: np.ndarray, level: float) -> np.ndarray:
    """Return which classes are in the sets of probabilities (n, classes), (n, classes) bool.

    The most probable class always is, also where none reaches the level: a set holds the truth no less often for it.
    """
    found: np.ndarray = probabilities >= level
    found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
    return found
