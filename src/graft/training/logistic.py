"""Linear models with an L2 penalty, logistic and others: one decomposition of the features serves every fit on them.

In the basis of the features' principal directions the curvature of the loss is nearly diagonal, so that L-BFGS with
that diagonal as its starting metric needs some ten passes over the data, whatever the features' scales. All problems
that differ only in which rows count (the folds of a cross-validation) are solved at once, in one matrix product.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from graft.runtimes import limited
from graft.training.likelihood import LIKELIHOODS, Likelihood

CHUNK_BYTES = 8 << 20
MEMORY_BYTES = 96 << 20
LARGE = 1e8
"""Multiplications in one product from which all threads are worth waking: below it they wait for one another by
spinning, and on two busy cores two threads took forty times as long as one (650 x 1,280 features, 10 classes)."""


@dataclass(frozen=True)
class Basis:
    """Features centred, scaled to mean squared length 1, and turned to their principal directions."""

    scores: torch.Tensor
    """(n, r) float32, the rows' coordinates; r is at most min(n, features)."""
    mean: torch.Tensor
    """(features,) float32."""
    directions: torch.Tensor
    """(features, r) float32; ``scores = (features - mean) @ directions``, the scaling included."""

    def fold(self, weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight (outputs, features) and bias (outputs,) on the raw features.

        ``weight`` is (r, outputs) and ``bias`` (outputs,), on the scores.
        """
        raw = self.directions.double() @ weight.double()
        return raw.T.float().contiguous(), (bias.double() - self.mean.double() @ raw).float()


def decompose(features: np.ndarray, *, spare: bool = False) -> Basis:
    """Return the basis of features (n, features) float32, from the smaller of the two Gram matrices.

    Every feature is first divided by the root of its standard deviation, half way to standardising: on the features of
    two photo collections the out-of-fold log loss was lowest there, above both ends.
    Needs memory for two more arrays of the features' size at its peak; for one where they are ``spare``, and are then
    overwritten.
    """
    table = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    with _threads(table.shape[0] * table.shape[1] * min(table.shape)):
        return _decompose(table, spare)


def _threads(size: int) -> AbstractContextManager[None]:
    """Let torch use its threads for products of so many multiplications, or one; by size, so that bits stay equal."""
    return nullcontext() if size >= LARGE else limited(1)


def _eigh(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return eigenvalues, rising, and eigenvectors; on one thread: a second one gains little and waits much."""
    with limited(1):
        values, vectors = torch.linalg.eigh(gram)
    return values, vectors


def _decompose(table: torch.Tensor, spare: bool) -> Basis:
    mean = table.mean(0)
    centred = table.sub_(mean) if spare else table - mean
    deviation = torch.linalg.vector_norm(centred, dim=0) / len(table) ** 0.5
    columns = (deviation + 1e-3 * deviation.mean()).clamp_min(1e-12).rsqrt()
    centred *= columns
    scale = float(torch.linalg.vector_norm(centred)) / len(table) ** 0.5 or 1.0
    centred /= scale
    n, width = centred.shape
    if n > width:
        # By NumPy, which computes half of a product of a table with itself.
        values, vectors = _eigh(torch.from_numpy(centred.numpy().T @ centred.numpy()))
        kept = values.flip(0) > float(values[-1]) * 1e-7
        directions = vectors.flip(1)[:, kept].contiguous()
        return Basis(centred @ directions, mean, columns[:, None] * directions / scale)
    values, vectors = _eigh(centred @ centred.T)
    kept = values.flip(0) > max(float(values[-1]) * 1e-6, 1e-12)
    root = values.flip(0)[kept].sqrt()
    vectors = vectors.flip(1)[:, kept]
    directions = centred.T @ (vectors / root)
    return Basis((vectors * root).contiguous(), mean, columns[:, None] * directions / scale)


@dataclass(frozen=True)
class Solution:
    """The weights of K problems on the scores of a basis."""

    weight: torch.Tensor
    """(K, r, outputs)."""
    bias: torch.Tensor
    """(K, outputs)."""
    passes: int
    """How often all rows were gone through."""


def solve(
    scores: torch.Tensor,
    targets: torch.Tensor,
    row_weights: torch.Tensor,
    outputs: int,
    strength: float,
    *,
    start: Solution | None = None,
    tolerance: float = 1e-6,
    likelihood: Likelihood = LIKELIHOODS["softmax"],
) -> Solution:
    """Minimise ``sum_i w_ik * loss_i + |W_k|^2 * strength / 2`` for each of K problems at once.

    ``scores`` (n, r) float32, ``targets`` the likelihood's goal (class numbers (n,) int64 by default), ``row_weights``
    (n, K) float32. ``tolerance`` is the estimated distance to the minimum, in nats a row. Preconditioned L-BFGS
    (Nocedal and Wright 2006, algorithm 7.4).
    """
    rank = scores.shape[1]
    problems = row_weights.shape[1]
    total = row_weights.sum(0).clamp_min(1e-12)
    constant, spread = likelihood.start(targets, row_weights, outputs)
    metric = scores.square().mean(0)[None, :, None] * spread[:, None, :] + (strength / total)[:, None, None]
    metric = torch.cat([metric, spread[:, None, :]], 1).reshape(problems, -1)
    if start is None:
        weight, bias = torch.zeros(problems, rank, outputs), constant
    else:
        weight, bias = start.weight, start.bias
    point = torch.cat([weight, bias[:, None, :]], 1).reshape(problems, -1)

    def loss(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = at.view(problems, rank + 1, outputs)
        return _loss(scores, targets, row_weights / total, strength / total, found, likelihood)

    with _threads(scores.numel() * outputs * problems):
        point, passes = _lbfgs(loss, point, metric, tolerance)
    found = point.view(problems, rank + 1, outputs)
    return Solution(found[:, :-1].clone(), found[:, -1].clone(), passes)


def _loss(
    scores: torch.Tensor,
    targets: torch.Tensor,
    shares: torch.Tensor,
    penalty: torch.Tensor,
    at: torch.Tensor,
    likelihood: Likelihood,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return loss (K,) float64 and gradient (K, size) of the penalised mean loss at (K, r + 1, outputs)."""
    problems, outputs = at.shape[0], at.shape[2]
    weight, bias = at[:, :-1], at[:, -1]
    flat = weight.permute(1, 0, 2).reshape(-1, problems * outputs)
    value = torch.zeros(problems, dtype=torch.float64)
    # One row an output: MKL takes half of the time for this product that it takes for its transpose.
    slope = torch.zeros(problems * outputs, flat.shape[0])
    slope_bias = torch.zeros(problems * outputs)
    step = max(64, CHUNK_BYTES // (4 * problems * outputs))
    for begin in range(0, len(scores), step):
        rows = slice(begin, begin + step)
        here, share = scores[rows], shares[rows]
        logits = torch.addmm(bias.reshape(-1), here, flat).view(-1, problems, outputs)
        losses, slopes = likelihood.slopes(logits, targets[rows], share)
        value += (losses * share).sum(0, dtype=torch.float64)
        slopes = slopes.view(-1, problems * outputs)
        slope_bias += slopes.sum(0)
        slope.addmm_(slopes.T, here)
    value += 0.5 * penalty * weight.square().sum((1, 2), dtype=torch.float64)
    slope = slope.view(problems, outputs, -1).transpose(1, 2) + penalty[:, None, None] * weight
    return value, torch.cat([slope, slope_bias.view(problems, 1, outputs)], 1).reshape(problems, -1)


Loss = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def _lbfgs(
    loss: Loss, point: torch.Tensor, metric: torch.Tensor, tolerance: float, limit: int = 200
) -> tuple[torch.Tensor, int]:
    """Minimise K functions at once from ``point`` (K, size); each one keeps its own step length."""
    memory = int(max(3, min(10, MEMORY_BYTES // (8 * point.numel()))))
    pairs: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    value, slope = loss(point)
    passes = 1
    while passes < limit:
        open_ = (slope.square() / metric).sum(1) / 2 > tolerance
        if not bool(open_.any()):
            break
        direction = _two_loops(slope, pairs, metric)
        along = (direction * slope).sum(1)
        length = torch.where(open_ & (along < 0), 1.0, 0.0)
        for _ in range(12):
            trial = point + length[:, None] * direction
            new_value, new_slope = loss(trial)
            passes += 1
            # Float32 sums leave some 1e-7 of noise in the value, which must not count as a rise.
            high = new_value > value + 1e-4 * (length * along).double() + 2e-7 * value.abs()
            if not bool(high.any()):
                break
            length = torch.where(high, length * 0.4, length)
        if bool(high.any()) and not pairs:
            break
        step, change = trial - point, new_slope - slope
        curve = (step * change).sum(1)
        sound = curve > 1e-10 * change.square().sum(1).clamp_min(1e-30)
        inverse = torch.where(sound, 1.0 / curve.clamp_min(1e-30), 0.0)
        pairs = [] if bool(high.any()) else [*pairs, (step, change, inverse)][-memory:]
        keep = high[:, None]
        point = torch.where(keep, point, trial)
        slope, value = torch.where(keep, slope, new_slope), torch.where(high, value, new_value)
    return point, passes


def _two_loops(
    slope: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], metric: torch.Tensor
) -> torch.Tensor:
    """Return the descent directions (K, size) of L-BFGS; a pair with inverse 0 is passed over."""
    direction = slope.clone()
    shares = []
    for step, change, inverse in reversed(pairs):
        share = inverse * (step * direction).sum(1)
        direction -= share[:, None] * change
        shares.append(share)
    if pairs:
        step, change, inverse = pairs[-1]
        size = (step * change).sum(1) / (change.square() / metric).sum(1).clamp_min(1e-30)
        direction *= torch.where(inverse > 0, size, 1.0)[:, None]
    direction /= metric
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        direction += (share - inverse * (change * direction).sum(1))[:, None] * step
    return direction.neg_()
