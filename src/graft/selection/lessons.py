"""What the stored features and the probe say of the data itself: suspect labels, and whether more labels would help."""

from collections.abc import Sequence

import numpy as np
import torch

from graft import data, evaluation
from graft.evaluation import LearningCurve
from graft.selection.gather import Gathered
from graft.selection.ladder import Climb
from graft.strategies import Fitted
from graft.training.logistic import Solution, solve
from graft.types import Finding

STRONG = 10.0
STEPS = 3
"""Penalties on the way to the chosen one."""


def learn(
    gathered: Gathered, climbed: Climb, temperature: float, seed: int
) -> tuple[tuple[Finding, ...], LearningCurve | None]:
    """Return the labels that look wrong, and what more of them would bring; ``temperature`` is the best rung's."""
    return suspects(gathered, climbed, temperature), more_labels(gathered, climbed, seed)


def probe_of(climbed: Climb) -> Fitted | None:
    """Return the fitted linear probe of a climb, if it has one."""
    return next((rung.fitted for rung in climbed.rungs if rung.strategy == "linear_probe"), None)


def suspects(gathered: Gathered, climbed: Climb, temperature: float) -> tuple[Finding, ...]:
    """Return the labels that the probe's out-of-fold answers contradict with confidence; none for numbers.

    ``temperature`` is the best rung's; where that is not the probe, its own is fitted.
    """
    probe, form = probe_of(climbed), gathered.task.form
    if probe is None or probe.development_logits is None or form == "number":
        return ()
    rows = gathered.development[gathered.halves.both]
    targets = gathered.targets(rows)
    best = climbed.best.fitted
    if best is None or best.development_logits is not probe.development_logits:
        temperature = evaluation.calibrate(form, probe.development_logits, targets)
    chances = gathered.task.probabilities(probe.development_logits, temperature)
    sources = [gathered.scanned.examples[row].source for row in rows]
    find = data.suspect_sets if form == "set" else data.suspect_labels
    return find(chances, targets, gathered.task.classes, sources)


def more_labels(gathered: Gathered, climbed: Climb, seed: int) -> LearningCurve | None:
    """Return how the probe does with fewer labels, and what to expect of more, from the stored features alone.

    None where an input has no one class: the curve is one of accuracy.
    """
    probe = probe_of(climbed)
    if gathered.task.form != "class":
        return None
    if probe is None or probe.basis is None or probe.folds is None or probe.development_logits is None:
        return None
    strength, outputs = float(probe.resolved["strength"]), gathered.task.outputs
    scores = probe.basis.scores
    truth = torch.from_numpy(gathered.targets(gathered.development[gathered.halves.both]))

    before: Solution | None = None

    def answers(train: Sequence[np.ndarray], asked: Sequence[np.ndarray]) -> list[np.ndarray]:
        nonlocal before
        used = np.unique(np.concatenate(train))
        counted = torch.from_numpy(np.stack([np.isin(used, one) for one in train], axis=1).astype(np.float32))
        here, goal, found = scores[used], truth[used], before
        # From strong to weak: a cold start at a weak penalty ends at any of many solutions without error. From the
        # solution of a part of the rows, which each call but the first has, it is not far.
        for step in np.geomspace(max(STRONG, strength), strength, STEPS) if found is None else (strength,):
            found = solve(here, goal, counted, outputs, step, start=found, tolerance=1e-3)
        assert found is not None
        before = found
        return [(scores[rows] @ found.weight[k] + found.bias[k]).numpy() for k, rows in enumerate(asked)]

    held_out = (probe.folds, probe.development_logits)
    return evaluation.learning_curve(truth.numpy(), answers, held_out=held_out, seed=seed)
