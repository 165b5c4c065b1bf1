"""Calibration: the temperature that makes probabilities honest, the calibration error, and reliability bins."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from graft.errors import DataError, must
from graft.evaluation.intervals import RESAMPLES, Z, wilson
from graft.types import Estimate, LabelForm

BINS = 15
FINE = 8
"""Groups of alike answers in one range of confidence, a power of 2 so that they fit into it to the last bit."""
LOWEST, HIGHEST = 0.05, 20.0
_ENOUGH = 10


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence lies in one range, and how many of them were right."""

    low: float
    high: float
    confidence: float
    """Mean confidence of the answers in it."""
    accuracy: Estimate


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature by which to divide logits (n, classes) so that their log loss on ``targets`` is least.

    log T has a standard normal prior, worth about one item: without it the temperature of a model that is never wrong
    would go to 0. With fewer than 10 items the temperature is 1. The result is from 0.05 to 20.
    Source: Guo et al. 2017, "On calibration of modern neural networks".
    """
    logits = np.asarray(logits, np.float64)
    if not np.isfinite(logits).all():
        raise DataError(must("logits", "finite numbers", "infinity or not-a-number", "Train again at a lower rate"))
    if len(logits) < _ENOUGH:
        return 1.0
    centred = logits - logits.max(axis=1, keepdims=True)
    right = centred[np.arange(len(centred)), targets]
    low, high, guess = np.log(LOWEST), np.log(HIGHEST), 0.0
    for _ in range(60):
        slope, bend = _slope(centred, right, guess)
        low, high = (guess, high) if slope < 0 else (low, guess)
        step = guess - slope / bend if bend > 0 else np.inf
        # Newton where it stays within the bracket, else halving: it always ends.
        following = step if low < step < high else (low + high) / 2
        if abs(following - guess) < 1e-7:
            break
        guess = following
    return float(np.exp(guess))


def calibrate(form: LabelForm, logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature of answers of a form: of classes, of the labels of sets, or the size of numbers' errors.

    ``logits`` (n, outputs) must come from models that had not seen the rows.
    """
    fits = {"class": fit_temperature, "set": fit_label_temperature, "number": fit_error_size}
    return fits[form](logits, targets)


def fit_label_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature by which to divide logits (n, labels) of sets ``targets`` (n, labels) of 0 and 1.

    A label that is there or not is a class of two with the logits 0 and x: so this is ``fit_temperature`` of those.
    """
    flat = np.asarray(logits, np.float64).ravel()
    pairs = np.stack([np.zeros_like(flat), flat], axis=1)
    return fit_temperature(pairs, np.asarray(targets).ravel().astype(np.int64))


def fit_error_size(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the size of the errors of standardised answers (n, 1), as a standard deviation would have it.

    Chosen so that 1.96 of it to both sides hold 95 of 100: the quantile of the errors of answers that had not seen the
    row, with the correction for a finite sample of Lei et al. 2018, "Distribution-free predictive inference for
    regression", JASA 113.
    """
    size = np.sort(np.abs(np.asarray(logits, np.float64) - targets).ravel())
    if not np.isfinite(size).all():
        raise DataError(must("logits", "finite numbers", "infinity or not-a-number", "Train again at a lower rate"))
    place = min(int(np.ceil(0.95 * (len(size) + 1))), len(size)) - 1
    return max(float(size[place]) / Z, 1e-6)


def _slope(centred: np.ndarray, right: np.ndarray, log_t: float) -> tuple[float, float]:
    """First and second derivative, by log T, of the total log loss with its prior."""
    inverse = np.exp(-log_t)
    scaled = np.exp(centred * inverse)
    scaled /= scaled.sum(axis=1, keepdims=True)
    first = np.einsum("nc,nc->n", scaled, centred)
    second = np.einsum("nc,nc,nc->n", scaled, centred, centred) - first**2
    gradient = float((first - right).sum())
    return -inverse * gradient + log_t, inverse * gradient + inverse**2 * float(second.sum()) + 1.0


def log_loss_of(logits: np.ndarray, targets: np.ndarray, temperature: float = 1.0) -> float:
    """Return the mean log loss, in nats, of logits (n, classes) divided by the temperature."""
    scaled = np.asarray(logits, np.float64) / temperature
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(scaled)), targets]).mean())


def _places(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS, seed: int = 0) -> Estimate:
    """Return the expected calibration error of answers: ``confidence`` (n,) in 0..1, ``right`` (n,) 0 or 1.

    Ranges of equal width, as in Guo et al. 2017. The estimate is too high by chance alone, and a resample has that
    excess twice: so the interval is the reflected bootstrap one, and its lower end is 0 where a perfectly calibrated
    model would show as much (Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams"). Its upper
    end is at least the gap of the mean confidence to the ends of the accuracy's Wilson interval, which the true error
    cannot be below: forty right answers given with certainty do not prove that the error is 0.
    """
    n, place = len(confidence), _places(confidence, bins)
    gap = right - confidence
    value = float(np.abs(np.bincount(place, gap, minlength=bins)).sum() / n)
    random = np.random.default_rng((seed, n))
    fine = _places(confidence, bins * FINE)
    # Answers that are alike are drawn together: what differs within such a group is far below what is estimated.
    cells, at, sizes = np.unique(2 * fine + (right > 0), return_inverse=True, return_counts=True)
    of_gap = _spread(np.bincount(at, gap) / sizes, cells // (2 * FINE), bins)
    draws = np.abs(random.multinomial(n, sizes / n, RESAMPLES) @ of_gap).sum(axis=1) / n
    groups, at, sizes = np.unique(fine, return_inverse=True, return_counts=True)
    chance = np.clip(np.bincount(at, confidence) / sizes, 0.0, 1.0)
    said = random.binomial(sizes, chance, (RESAMPLES, len(groups))) - sizes * chance
    perfect = np.abs(said @ _spread(np.ones(len(groups)), groups // FINE, bins)).sum(axis=1) / n
    low, high = np.quantile(draws, (0.025, 0.975))
    by_chance = value <= np.quantile(perfect, 0.975)
    lower = 0.0 if by_chance else float(np.clip(2 * value - high, 0.0, value))
    whole, sure = wilson(float(right.sum()), n), float(confidence.mean())
    upper = max(2 * value - float(low), value, sure - whole.low, whole.high - sure)
    return Estimate(value, lower, min(upper, 1.0), n)


def _spread(values: np.ndarray, place: np.ndarray, bins: int) -> np.ndarray:
    """Return values (groups,) in a table (groups, bins), each in its range's column."""
    table = np.zeros((len(values), bins))
    table[np.arange(len(values)), place] = values
    return table


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> tuple[Bin, ...]:
    """Return the ranges of confidence that hold answers, each with its Wilson interval of being right."""
    place = _places(confidence, bins)
    found = []
    for one in np.unique(place):
        inside = place == one
        accuracy = wilson(float(right[inside].sum()), int(inside.sum()))
        found.append(Bin(one / bins, (one + 1) / bins, float(confidence[inside].mean()), accuracy))
    return tuple(found)
