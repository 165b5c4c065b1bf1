"""How fast networks answer: latency of one input, throughput of 32, several in turn so that ratios mean something."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.evaluation.intervals import bias_corrected, resamples
from graft.runtimes import Compiled
from graft.types import Estimate, Progress, silent

ONE = 1
MANY = 32
"""Inputs of a batch for throughput."""
ROUNDS = 5
"""How often each form has its turn: what else the machine does falls on all of them."""
SECONDS = 0.4
"""Of a turn."""
MOST = 400
"""Calls of a turn, at most."""
STREAMED = 3
"""Batches that a call hands over for throughput: OpenVINO runs several at the same time, each on some of the cores."""

Open = Callable[[int], Compiled]
"""Makes a network ready for a batch size."""


@dataclass(frozen=True)
class Speed:
    """What was measured of one form of a network, preprocessed inputs in, features out."""

    p50: Estimate
    """Milliseconds of an input alone, the median; n is the number of calls."""
    p95: Estimate
    """Milliseconds that 95 of 100 calls stay below."""
    throughput: Estimate
    """Inputs a second, 32 at a time; n is the number of calls, of several batches each."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"p50_ms", "p95_ms", "throughput"}``, each with value, low, high and n."""
        return {
            "p50_ms": self.p50.to_json(),
            "p95_ms": self.p95.to_json(),
            "throughput": self.throughput.to_json(),
        }


def race(forms: Mapping[str, Open], sample: np.ndarray, *, progress: Progress = silent) -> dict[str, Speed]:
    """Return the speed of each form on preprocessed inputs ``sample`` (n, ...), which are repeated to fill a batch.

    Turns are short and go round, since other work on the machine would else fall on one form alone.
    """
    one, many = sample[:1], np.resize(sample, (MANY, *sample.shape[1:]))
    alone: dict[str, list[float]] = {name: [] for name in forms}
    batched: dict[str, list[float]] = {name: [] for name in forms}
    for batch, inputs, found in ((ONE, one, alone), (MANY, many, batched)):
        with ExitStack() as stack:
            ready = {name: make(batch) for name, make in forms.items()}
            for compiled in ready.values():
                stack.callback(compiled.close)
                compiled(inputs)
            for number in range(ROUNDS):
                progress(f"timing batches of {batch}", number, ROUNDS)
                for name, compiled in ready.items():
                    found[name] += turn(compiled, inputs, SECONDS, 1 if batch == ONE else STREAMED)
    return {name: _speed(np.array(alone[name]), np.array(batched[name])) for name in forms}


def turn(compiled: Compiled, inputs: np.ndarray, seconds: float, batches: int) -> list[float]:
    """Return the seconds of a batch, a figure for each call."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while not found or (len(found) < MOST and time.perf_counter() < until):
        start = time.perf_counter()
        list(compiled.stream([inputs] * batches))
        found.append((time.perf_counter() - start) / batches)
    return found


def _speed(alone: np.ndarray, batched: np.ndarray) -> Speed:
    return Speed(
        p50=_percentile(1e3 * alone, 50),
        p95=_percentile(1e3 * alone, 95),
        throughput=_estimate(batched, lambda rows: MANY / rows.mean(axis=-1)),
    )


def _percentile(values: np.ndarray, percent: float) -> Estimate:
    return _estimate(values, lambda rows: np.percentile(rows, percent, axis=-1))


def _estimate(values: np.ndarray, of: Callable[[np.ndarray], Any]) -> Estimate:
    """Return a figure of the calls with its bootstrap interval."""
    draws = np.concatenate([np.asarray(of(values[rows])) for rows in resamples(len(values), 0)])
    value = float(of(values))
    return Estimate(value, *bias_corrected(value, draws), len(values))
