"""``Doubt``: all that a model knows of what it does not know, and the verdicts on answers that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from graft.doubt import sets
from graft.doubt.likeness import Likeness
from graft.doubt.promise import Promise, checked, promise
from graft.errors import SettingError, must
from graft.types import LabelForm

Reason = Literal["unsure", "unlike the training data"]
UNSURE: Reason = "unsure"
UNLIKE: Reason = "unlike the training data"


@dataclass(frozen=True)
class Calibration:
    """Answers to n inputs from models that had not seen them, and scores from fits that had not."""

    unlike: np.ndarray
    """(n,) float32."""
    sure: np.ndarray | None = None
    """(n,) float32, probability of the answer, where the answers are classes."""
    truth: np.ndarray | None = None
    """(n,) float32, probability of the true class, where the answers are classes."""
    right: np.ndarray | None = None
    """(n,) uint8, where the answers are classes."""
    off: np.ndarray | None = None
    """(n,) float32, size of the error in the unit of the labels, where the answers are numbers."""


@dataclass(frozen=True)
class Reference:
    """Training inputs as drift sees them."""

    projection: np.ndarray
    """(d, p) float32, drawn at random, so that no input has had a say in it."""
    values: np.ndarray
    """(m, p) float32."""


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is given, and why not."""

    accepted: bool
    reason: Reason | None
    """None where it is accepted."""
    unlike: float
    """The score; higher is less like the training data."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Scores, thresholds, and what they were chosen by."""

    likeness: Likeness
    above: float
    """Score from which on an input is unlike the training data; infinite where too few inputs were there to tell."""
    share: float
    """Of inputs like the training data, how many are taken for others at most."""
    form: LabelForm
    """What the answers are."""
    calibration: Calibration
    reference: Reference
    narrowing: np.ndarray | None = None
    """(d, k) int8, the directions that vectors are scored in; None: as they are."""
    abstain: Promise | None = None
    """What is promised of accepted answers; None: an answer is accepted however unsure."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON for people."""

    @property
    def width(self) -> int:
        """The number of features that are judged by."""
        return int(self.reference.projection.shape[0])

    def unlike(self, vectors: np.ndarray) -> np.ndarray:
        """Return how unlike the training data vectors (n, width) are, (n,) float64."""
        return self.likeness.score(self.narrowed(vectors))

    def narrowed(self, vectors: np.ndarray) -> np.ndarray:
        """Return what the score takes of vectors (n, width or more), (n, d) or (n, k)."""
        own = vectors[:, : self.width]
        return own if self._across is None else np.asarray(own @ self._across)

    @cached_property
    def _across(self) -> np.ndarray | None:
        # Widening it takes longer than one product with it.
        return None if self.narrowing is None else self.narrowing.astype(np.float32)

    def judge(self, vectors: np.ndarray, sure: np.ndarray | None = None) -> list[Verdict]:
        """Return the verdicts on inputs of vectors (n, width), answered with probabilities ``sure`` (n,)."""
        scores = self.unlike(vectors)
        stranger, unsure = scores > self.above, np.zeros(len(scores), bool)
        if self.abstain is not None and sure is not None:
            level = self.abstain.threshold
            # What is stored of a probability has as many digits as float32 has.
            unsure = np.asarray(sure, np.float32) < np.float32(np.inf if level is None else level)
        return [
            Verdict(not (odd or low), UNLIKE if odd else UNSURE if low else None, float(score))
            for odd, low, score in zip(stranger, unsure, scores, strict=True)
        ]

    def promising(self, share: float | None) -> "Doubt":
        """Return it with another share of accepted answers that may be wrong; None promises nothing.

        Raises SettingError for a share that is none, or answers that are no classes.
        """
        if share is None:
            return replace(self, abstain=None)
        share, known = checked(share), self.calibration
        if known.sure is None or known.right is None:
            do = "Leave it out: whether an input is unlike the training data is told all the same"
            raise SettingError(must("--abstain", "for a model that answers with one class", f"a {self.form}", do))
        # The promise is of answers that are given: what is unlike the training data is not.
        like = known.unlike <= self.above
        return replace(self, abstain=promise(known.sure[like], known.right[like], share))

    def level(self, share: float) -> float:
        """Return the probability from which on a class is in a prediction set that misses the truth so often at most.

        Raises SettingError for a share that is none, or answers that are no classes.
        """
        share = checked(share, "--sets")
        if self.calibration.truth is None:
            do = "Leave it out; of numbers, --sets gives the range" if self.form == "number" else "Leave it out"
            raise SettingError(
                must("--sets", "for a model that answers with one class or number", f"a {self.form}", do)
            )
        return sets.least(self.calibration.truth, share)

    def half(self, share: float) -> float:
        """Return half of the range that misses the true number at most so often; infinite where n is too small.

        Raises SettingError for a share that is none, or answers that are no numbers.
        """
        share = checked(share, "--sets")
        if self.calibration.off is None:
            raise SettingError(must("a range", "of a model that answers with numbers", f"a {self.form}", "Take sets"))
        return sets.quantile(self.calibration.off, share)
