"""The threshold of abstention: accepted answers are wrong at most so often, with a stated certainty."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graft.errors import SettingError, must

CERTAINTY = 0.95
"""How surely the promise holds, over all draws of the answers that the threshold is chosen by."""

STARTS = (0.25, 0.5, 0.75)
STEPS = 100


@dataclass(frozen=True)
class Promise:
    """What was promised of accepted answers, and by which threshold it is kept."""

    asked: float
    """Accepted answers are to be wrong at most this often, 0..1."""
    threshold: float | None
    """Probability from which on an answer is accepted; None: no threshold could be shown to keep the promise."""
    n: int
    """Answers that it was chosen by, each from a model that had not seen the input."""
    accepted: int
    """How many of them it accepts."""
    wrong: int
    """How many of those are wrong."""
    bound: float | None
    """Upper limit of how often accepted answers are wrong, with a certainty of 95 %; None without a threshold."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the certainty."""
        return {**asdict(self), "certainty": CERTAINTY}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Promise":
        """Return what ``to_json`` wrote."""
        return cls(**{key: value for key, value in plain.items() if key != "certainty"})

    def sentence(self) -> str:
        """Return the promise in words, with n; or why it cannot be given."""
        asked = f"{100 * self.asked:g} %"
        if self.threshold is None:
            need = fewest(self.asked)
            few = f"{self.n} held-out answers are too few, it takes {need} at least that are all right"
            none = f"no threshold was found on {self.n} held-out answers"
            why = few if self.n < need else none
            return f"No answer is accepted: to promise that at most {asked} of accepted ones are wrong, {why}."
        return (
            f"Accepted answers are wrong at most {asked} of the time, with a certainty of {100 * CERTAINTY:g} %, for "
            f"inputs like the training data: from a probability of {self.threshold:.3f} on, "
            f"{self.accepted} of {self.n} held-out answers are accepted, and {self.wrong} of those are wrong."
        )


def checked(share: object, name: str = "--abstain") -> float:
    """Return a share between 0 and 1, both left out. Raises SettingError."""
    do = "Give 0.05 for at most 5 of 100"
    try:
        value = float(share)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SettingError(must(name, "a share between 0 and 1", repr(share), do)) from None
    if not 0 < value < 1:
        raise SettingError(must(name, "a share between 0 and 1", repr(share), do))
    return value


def fewest(share: float) -> int:
    """Return how many accepted answers, all right, it takes at least to promise ``share``."""
    return math.ceil(math.log((1 - CERTAINTY) / len(STARTS)) / math.log(1 - share))


def upper(wrong: int, n: int, risk: float) -> float:
    """Return the upper limit of a share of which ``wrong`` of ``n`` were seen, missed with a chance of ``risk``.

    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits", Biometrika 26.
    """
    # Imported here: what a server needs of this package is numpy alone.
    from scipy.special import betaincinv

    return 1.0 if wrong >= n else float(betaincinv(wrong + 1, n - wrong, 1 - risk))


def promise(sure: np.ndarray, right: np.ndarray, share: float) -> Promise:
    """Return the threshold on probabilities ``sure`` (n,) that accepts most and is wrong at most ``share`` of the time.

    ``right`` (n,) is 1 where the answer was. From a quarter, a half and three quarters of the answers on, the surest
    first, ever more are accepted until the upper limit of their errors is above ``share``. A walk ends at its first
    failure, so that only the three starts share the 5 % by which the promise may fail: fixed sequence testing with
    several starts, Angelopoulos et al. 2021, "Learn then test: calibrating predictive algorithms to achieve risk
    control". How often accepted answers are wrong is the selective risk of Geifman and El-Yaniv 2017, "Selective
    classification for deep neural networks". Raises SettingError for a share that is none.
    """
    share = checked(share)
    n, risk = len(sure), (1 - CERTAINTY) / len(STARTS)
    ranked = np.sort(np.asarray(sure, np.float64))[::-1]
    wrongs = np.cumsum(1 - np.asarray(right, np.int64)[np.argsort(-np.asarray(sure, np.float64), kind="stable")])
    best = 0
    for start in STARTS:
        # Fewer than these could not keep the promise if all were right; of the labels this knows nothing.
        counts = [max(fewest(share), round(n * start))]
        counts += range(counts[0] + 1 + n // STEPS, n, 1 + n // STEPS)
        for count in (*counts, n):
            if count > n:
                break
            # Answers of one probability are accepted together.
            together = int(np.searchsorted(-ranked, -ranked[count - 1], side="right"))
            if upper(int(wrongs[together - 1]), together, risk) > share:
                break
            best = max(best, together)
    if not best:
        return Promise(share, None, n, 0, 0, None)
    wrong = int(wrongs[best - 1])
    return Promise(share, float(ranked[best - 1]), n, best, wrong, upper(wrong, best, risk))
