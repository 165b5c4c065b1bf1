"""What abstention is worth: how well strange inputs are told, how many answers are given, and how often those err."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.doubt import sets
from graft.doubt.judging import UNLIKE, UNSURE, Verdict
from graft.evaluation.intervals import bootstrap_mean, often_in_resamples, wilson
from graft.types import Estimate

POINTS = 40


@dataclass(frozen=True)
class Given:
    """How many answers were given, and how often those were wrong."""

    share: Estimate
    """Of all answers; Wilson interval."""
    error: Estimate | None
    """Of the given ones; Wilson interval; None where an answer is not just right or wrong."""
    unsure: int
    unlike: int
    """Answers that were not given, by reason."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"share", "error", "unsure", "unlike"}``."""
        return {
            "share": self.share.to_json(),
            "error": self.error.to_json() if self.error else None,
            "unsure": self.unsure,
            "unlike": self.unlike,
        }


def given(verdicts: Sequence[Verdict], right: np.ndarray | None) -> Given:
    """Return what verdicts on n answers amount to; ``right`` (n,) is 1 where the answer was."""
    taken = np.array([one.accepted for one in verdicts], bool)
    count = int(taken.sum())
    error = None if right is None else wilson(float((1 - np.asarray(right, np.int64)[taken]).sum()), count)
    reasons = [one.reason for one in verdicts]
    return Given(wilson(count, len(taken)), error, reasons.count(UNSURE), reasons.count(UNLIKE))


def auroc(usual: np.ndarray, strange: np.ndarray, seed: int = 0) -> Estimate:
    """Return how often a strange input (m,) scores above a usual one (n,), ties half; bootstrap interval; n is m.

    Inputs of both kinds are drawn anew. Where all are told apart a bootstrap has nothing to vary: the lower end is then
    that of a share of which all of the smaller number were seen.
    """
    above = (strange[:, None] > usual) + 0.5 * (strange[:, None] == usual)
    value, (m, n) = float(above.mean()), above.shape
    of_strange, of_usual = (
        np.concatenate(list(often_in_resamples(size, (seed, which)))) for which, size in enumerate((m, n))
    )
    draws = np.einsum("bn,bn->b", of_strange @ above, of_usual) / (m * n)
    low, high = np.quantile(draws, (0.025, 0.975))
    least = min(len(strange), len(usual))
    if value == 1.0:
        low = wilson(least, least).low
    return Estimate(value, min(float(low), value), max(float(high), value), len(strange))


def curve(sure: np.ndarray | None, right: np.ndarray | None) -> tuple[tuple[float, Estimate], ...]:
    """Return (share of answers given, error among them) from the surest few to all, each with its Wilson interval.

    Nothing where the answers are no classes.
    """
    if sure is None or right is None:
        return ()
    wrong = np.cumsum(1 - np.asarray(right, np.int64)[np.argsort(-sure, kind="stable")])
    counts = np.unique(np.linspace(max(1, len(sure) // 20), len(sure), min(POINTS, len(sure))).astype(np.int64))
    return tuple((float(one / len(sure)), wilson(float(wrong[one - 1]), int(one))) for one in counts)


@dataclass(frozen=True)
class Covered:
    """How prediction sets, or ranges, did: how often they held the truth, and how large they were."""

    share: float
    """That was asked to be missed at most."""
    coverage: Estimate
    """Wilson interval."""
    size: Estimate
    """Classes in a set, or the width of a range, on average."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"share", "coverage", "size"}``."""
        return {"share": self.share, "coverage": self.coverage.to_json(), "size": self.size.to_json()}


def covered(probabilities: np.ndarray, targets: np.ndarray, level: float, share: float, seed: int = 0) -> Covered:
    """Return how the sets of probabilities (n, classes) did on ``targets`` (n,), classes from ``level`` on in them."""
    inside = sets.members(probabilities, level)
    hits = inside[np.arange(len(inside)), targets]
    sizes = bootstrap_mean(inside.sum(axis=1).astype(np.float64), seed)
    return Covered(share, wilson(float(hits.sum()), len(hits)), sizes)


def covered_numbers(off: np.ndarray, half: float, share: float) -> Covered:
    """Return how ranges of ``half`` to both sides did on answers that were ``off`` (n,) off."""
    inside, width = float((off <= half).sum()), 2 * half
    return Covered(share, wilson(inside, len(off)), Estimate(width, width, width, len(off)))
