"""The linear probe's fit: strength by cross-validation, then the heads and the out-of-fold logits from one basis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from graft.runtimes import at_once
from graft.strategies._folds import stratified
from graft.training import logistic
from graft.training.likelihood import LIKELIHOODS, Likelihood

STRENGTHS = tuple(10.0 ** (1 - step / 2) for step in range(13))
"""Penalties, strongest first, on features of mean squared length 1 and a loss summed over rows."""
USUAL, USUAL_OF_MANY = 2, 4
"""The place of the first one that is tried, of few rows and of many: the best one has been a weaker one on every real
data set so far."""
MANY = 2000
"""Training rows from which the strength is chosen by two halves instead of all folds: a half says then what all would,
for a fifth of the work. On the 10,003 questions of banking77 both choose the same strength."""
PRECISE, COARSE, FOLDS = (1e-6, 3e-5), (3e-5, 1e-4), (3e-5, 4e-4)
"""How near its minimum, in nats a row, a final fit, one that a strength is chosen by, and one of a cross-validation is,
of few rows and of many: those of many start so near, and take so long, that the rest of the way costs more than it
could show. On the 8,475 rows of banking77 the held-out loss is 0.301 at 1e-7 and 0.299 at 4e-4, give or take 0.009."""


@dataclass(frozen=True)
class Probe:
    """Two linear models of raw features, and what they say of rows they never saw."""

    weight: torch.Tensor
    """(outputs, features), fitted on training and validation rows."""
    bias: torch.Tensor
    """(outputs,)"""
    training_weight: torch.Tensor
    """(outputs, features), fitted on training rows alone."""
    training_bias: torch.Tensor
    """(outputs,)"""
    out_of_fold: torch.Tensor
    """(rows, outputs) float32."""
    fold: np.ndarray
    """(rows,): the part of the cross-validation that each row was held out in."""
    basis: logistic.Basis
    """Of the rows in their first view."""
    strength: float
    path: tuple[tuple[float, float], ...]
    """(strength, held-out loss on the training rows) of every strength that was tried."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows that a probe is fitted on, the training rows first."""

    features: np.ndarray
    """(views, rows, features) float32. Views but the first are fitted, in their row's fold, and never judged."""
    targets: np.ndarray
    """Class numbers (rows,), or (rows, outputs) for another likelihood."""
    n_train: int
    row_weights: np.ndarray | None = None
    """(rows,), in the loss; the views of a row share its weight."""
    units: np.ndarray | None = None
    """(rows,): rows of one number share a fold."""
    strata: np.ndarray | None = None
    """(rows,) int64: what the folds have evenly; none: the targets, class numbers."""
    likelihood: Likelihood = LIKELIHOODS["softmax"]
    """What is minimised."""
    spare: bool = False
    """Whether the features may be overwritten, which saves another table of their size."""


def fit_probe(table: Table, outputs: int, *, folds: int = 5, strength: float | None = None, seed: int = 0) -> Probe:
    """Fit the probe; the strength is the one with the lowest held-out loss on the training rows.

    A strength that is given is taken as it is. The decomposition sees no targets.
    """
    features, targets, n_train = table.features, table.targets, table.n_train
    row_weights, units = table.row_weights, table.units
    views, rows, width = features.shape
    basis = logistic.decompose(features.reshape(-1, width), spare=table.spare)
    # Apart, so that validation labels have no say in the folds of the training rows.
    ends = [slice(0, n_train), slice(n_train, rows)]
    alike = np.arange(rows) if units is None else units
    even = targets if table.strata is None else table.strata
    fold = np.concatenate([stratified(even[end], alike[end], min(folds, n_train), seed) for end in ends])
    count = int(fold.max()) + 1
    weights = torch.from_numpy(np.ones(rows, np.float32) if row_weights is None else row_weights.astype(np.float32))
    goal = table.likelihood.goal(targets)
    away = torch.from_numpy(fold[:, None] != np.arange(count))
    rest = (weights[:, None] * away).contiguous()
    part = slice(0, n_train)
    rank = basis.scores.shape[1]
    scores = basis.scores.view(views, rows, rank)[:, :n_train].reshape(-1, rank)
    repeated = torch.cat([goal[part]] * views)
    train = _Rows(scores, repeated, rest[part].repeat(views, 1) / views, outputs, table.likelihood)
    # Which half a fold is in; each fold is a side of its own where there are few rows.
    sides = np.arange(count) if n_train < MANY or count < 4 else (np.arange(count) >= count // 2).astype(np.int64)
    path, found = _path(train, sides[fold[part]], weights[part], (strength,) if strength is not None else STRENGTHS)
    best = min(path, key=lambda point: point[1])[0]
    precise, near = PRECISE[n_train >= MANY], FOLDS[n_train >= MANY]
    repeated = torch.cat([goal] * views)
    everything = _Rows(basis.scores, repeated, rest.repeat(views, 1) / views, outputs, table.likelihood)
    all_of = weights[:, None].repeat(views, 1) / views

    def without(folds: slice) -> logistic.Solution:
        # Each starts where the solution that has not seen its fold's side ended, so that it never saw its fold.
        start = logistic.Solution(found.weight[sides[folds]], found.bias[sides[folds]], 0)
        return everything.solve(best, everything.rest[:, folds], start, near)

    def shipped() -> tuple[logistic.Solution, logistic.Solution]:
        alone = train.solve(best, weights[part, None].repeat(views, 1) / views, _mean(found), precise)
        return alone, everything.solve(best, all_of, alone, precise)

    if n_train < MANY:
        apart, (alone, both) = without(slice(0, count)), shipped()
    else:
        most, ((alone, both), last) = at_once(
            lambda: without(slice(0, count - 1)), lambda: (shipped(), without(slice(count - 1, count)))
        )
        apart = _together([most, last])
    final, training = basis.fold(both.weight[0], both.bias[0]), basis.fold(alone.weight[0], alone.bias[0])
    plain = replace(basis, scores=basis.scores[:rows])
    return Probe(*final, *training, _held_out(plain.scores, apart, fold), fold, plain, best, tuple(path))


@dataclass(frozen=True)
class _Rows:
    """Rows in the basis, and the weights that leave out each fold."""

    scores: torch.Tensor
    goal: torch.Tensor
    rest: torch.Tensor
    outputs: int
    likelihood: Likelihood

    def halves(self, side: np.ndarray) -> list["_Rows"]:
        """Return the rows that are not of each of two sides (rows,)."""
        of = [torch.from_numpy(np.flatnonzero(np.resize(side, len(self.scores)) != index)) for index in range(2)]
        return [
            _Rows(self.scores[one], self.goal[one], self.rest[one].amax(1, keepdim=True), self.outputs, self.likelihood)
            for one in of
        ]

    def solve(
        self, strength: float, weights: torch.Tensor | None, start: logistic.Solution | None, tolerance: float
    ) -> logistic.Solution:
        """Return the solutions for ``weights``, all folds if None."""
        chosen = self.rest if weights is None else weights.contiguous()
        return logistic.solve(
            self.scores,
            self.goal,
            chosen,
            self.outputs,
            strength,
            start=start,
            tolerance=tolerance,
            likelihood=self.likelihood,
        )


def _path(
    rows: _Rows, side: np.ndarray, weights: torch.Tensor, strengths: tuple[float, ...]
) -> tuple[list[tuple[float, float]], logistic.Solution]:
    """Try weaker penalties until the held-out loss has risen twice, and stronger ones where the first was best.

    Of many rows, whose loss is no matter of chance, one rise is enough. ``side`` (rows,) are folds, or halves.
    Returns (strength, loss) of all that were tried, strongest first, and the solutions of the sides at the best one.
    """
    halves = rows.halves(side) if int(side.max()) + 1 < rows.rest.shape[1] else None
    usual = USUAL_OF_MANY if halves else USUAL
    begin = usual if len(strengths) > usual else 0
    path: dict[float, float] = {}
    best = strengths[begin]
    found: logistic.Solution | None = None
    for order in (strengths[begin:], strengths[:begin][::-1]):
        if path and best != strengths[begin]:
            break
        now, rises = found, 0
        for strength in order:
            if halves:
                now = _both(halves, strength, len(rows.scores), now)
            else:
                now = rows.solve(strength, None, now, COARSE[0])
            logits = _held_out(rows.scores[: len(side)], now, side)
            each = rows.likelihood.each(logits, rows.goal[: len(side)])
            path[strength] = float((each * weights).sum() / weights.sum())
            if found is None or path[strength] < path[best]:
                best, found, rises = strength, now, 0
            else:
                rises += 1
            if rises == (1 if halves else 2):
                break
    assert found is not None
    return sorted(path.items(), reverse=True), found


def _both(halves: list[_Rows], strength: float, rows: int, start: logistic.Solution | None) -> logistic.Solution:
    """Return the solutions of two halves of ``rows``, found at the same time; the penalty is as strong a row."""

    def solved(index: int) -> logistic.Solution:
        half = halves[index]
        before = None if start is None else logistic.Solution(start.weight[[index]], start.bias[[index]], 0)
        return half.solve(strength * len(half.scores) / rows, None, before, COARSE[1])

    return _together(at_once(lambda: solved(0), lambda: solved(1)))


def _together(found: Sequence[logistic.Solution]) -> logistic.Solution:
    """Return several solutions as one."""
    weight, bias = torch.cat([one.weight for one in found]), torch.cat([one.bias for one in found])
    return logistic.Solution(weight, bias, sum(one.passes for one in found))


def _mean(found: logistic.Solution) -> logistic.Solution:
    """Return the mean of several solutions, as one: where to begin."""
    return logistic.Solution(found.weight.mean(0, keepdim=True), found.bias.mean(0, keepdim=True), 0)


def _held_out(scores: torch.Tensor, solution: logistic.Solution, fold: np.ndarray) -> torch.Tensor:
    """Return each row's logits from the solution that never saw it, (rows, outputs)."""
    problems, outputs = solution.bias.shape
    logits = torch.empty(len(scores), outputs)
    step = max(64, logistic.CHUNK_BYTES // (4 * problems * outputs))
    flat = solution.weight.permute(1, 0, 2).reshape(-1, problems * outputs)
    held = torch.from_numpy(fold.astype(np.int64))
    for begin in range(0, len(scores), step):
        # All solutions on all rows: taking the rows of a fold out of the table costs more than multiplying them.
        rows = slice(begin, begin + step)
        every = torch.addmm(solution.bias.reshape(-1), scores[rows], flat).view(-1, problems, outputs)
        logits[rows] = every[torch.arange(len(every)), held[rows]]
    return logits
