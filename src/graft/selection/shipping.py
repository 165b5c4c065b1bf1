"""From the rung that won to the model that is shipped: put together, calibrated, judged once on locked data."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from graft import artifact, evaluation
from graft.artifact import Assembled
from graft.doubt.judging import Doubt
from graft.evaluation import Evaluation
from graft.selection.gather import Added, Gathered, Joined, Matrix, Rows
from graft.selection.ladder import Climb, Rung, honest
from graft.selection.rungs import JOINED
from graft.selection.settings import Plan

BATCH = 64


@dataclass(frozen=True)
class Shipped:
    """The model of the winning rung, and what is known of it."""

    assembled: Assembled
    """Its manifest is not sealed yet."""
    rung: Rung
    temperature: float
    test: Evaluation | None
    """None before it is judged, and where no test part was held out."""
    test_rows: np.ndarray
    test_logits: np.ndarray


def ship(gathered: Gathered, climbed: Climb, plan: Plan) -> Shipped:
    """Put the winner together, fit its temperature, and open the test part, which ``examined`` judges."""
    rung = climbed.best
    fitted = rung.fitted
    assert fitted is not None
    targets = gathered.targets(gathered.development)
    logits, rows = honest(fitted, gathered.halves.train, gathered.halves.validation)
    temperature = evaluation.calibrate(gathered.task.form, logits, targets[rows])
    network = (
        artifact.adapted(gathered.backbone, fitted.cut, fitted.suffix) if len(fitted.suffix) else gathered.backbone
    )
    joined = gathered.beside if rung.strategy == JOINED else None
    learned = joined.learned if joined else None
    manifest: dict[str, Any] = artifact.describe(network, fitted.cut, rung.head or plan.head, gathered.task, learned)
    manifest |= {"temperature": temperature}
    test_rows = gathered.parts.test.open()
    test_logits = answers(gathered, fitted.cut, fitted.suffix, fitted.head, test_rows, joined)
    assembled = Assembled(network, fitted.head, gathered.task, manifest, learned)
    return Shipped(assembled, rung, temperature, None, test_rows, test_logits)


def examined(gathered: Gathered, shipped: Shipped, seed: int) -> Shipped:
    """Return the model with what its answers on the test part are worth, if there is one."""
    if not len(shipped.test_rows):
        return shipped
    test = evaluation.evaluate(
        gathered.task,
        shipped.test_logits,
        gathered.targets(shipped.test_rows),
        temperature=shipped.temperature,
        seed=seed,
        fingerprint=gathered.parts.test.fingerprint,
    )
    return replace(shipped, test=test)


def doubting(shipped: Shipped, doubt: Doubt | None) -> Shipped:
    """Return the model with what it does not know."""
    return replace(shipped, assembled=replace(shipped.assembled, doubt=doubt))


def answers(
    gathered: Gathered, cut: int, suffix: nn.Module, head: nn.Module, rows: np.ndarray, joined: Added | None
) -> np.ndarray:
    """Return logits (rows, outputs) float32 of rows, from their stored activations at the cut, and what is beside."""
    if not len(rows):
        return np.zeros((0, gathered.task.outputs), np.float32)
    activations = gathered.at(cut, 1, rows, "test data")
    if joined is not None:
        activations = Joined(activations, Rows(Matrix(joined.values), rows))
    found: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            here = np.arange(start, min(start + BATCH, len(rows)))
            found.append(head(suffix(torch.from_numpy(activations.read(here)))).float().numpy())
    return np.concatenate(found)
