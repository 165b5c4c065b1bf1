"""Honest validation answers of a run whose best epoch was chosen on the validation rows themselves."""

import math
from collections.abc import Callable

import numpy as np

Judge = Callable[[np.ndarray, np.ndarray], tuple[float, float]]
"""``judge(logits, targets) -> (score, -loss)``, higher is better."""


class Blind:
    """Logits of the validation rows, each from an epoch that was chosen without that row.

    The best of ten epochs in the eyes of 120 rows is partly the luckiest one, and a test on the same rows would take
    the luck for skill. So the rows are cut in two halves, classes spread evenly, and each is answered by the epoch that
    is best in the eyes of the other: a cross-validation of early stopping, which costs no training.
    """

    def __init__(self, targets: np.ndarray, judge: Judge, seed: int) -> None:
        self.targets, self.judge = targets, judge
        order = np.random.default_rng((seed, 3)).permutation(len(targets))
        order = order[np.argsort(targets[order], kind="stable")] if targets.ndim == 1 else order
        # A row alone has no other half, and is judged by itself.
        self.halves = (order[::2], order[1::2]) if len(order) > 1 else (order, order)
        self.marks: list[list[float]] = [[-math.inf, -math.inf], [-math.inf, -math.inf]]
        self.logits: np.ndarray | None = None

    def see(self, logits: np.ndarray) -> None:
        """Take in the validation logits (n, outputs) of one more epoch."""
        if self.logits is None:
            self.logits = logits.copy()
        for side in (0, 1):
            own, other = self.halves[side], self.halves[1 - side]
            mark = list(self.judge(logits[own], self.targets[own]))
            if mark > self.marks[side]:
                self.marks[side] = mark
                self.logits[other] = logits[other]
