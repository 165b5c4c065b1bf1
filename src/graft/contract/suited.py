"""What was learned of a model's answers, brought in line with its compressed form: temperature, and what it doubts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graft.contract.reopened import Reopened
from graft.doubt import sets
from graft.doubt.judging import Calibration, Doubt
from graft.doubt.likeness import drawn
from graft.evaluation import abstaining
from graft.evaluation.calibration import HIGHEST, LOWEST
from graft.evaluation.intervals import wilson
from graft.selection.doubting import MOST, MOST_RUN, held_out, reference, scored
from graft.serving import Model
from graft.tasks import Task
from graft.tasks.regression import Regression
from graft.types import Listener

RUN = 1500
"""Inputs, at most, that both models answer."""
EDGE = 1e-6
"""Probabilities nearer to 0 or 1 than this are taken for this."""


@dataclass(frozen=True)
class Rows:
    """Inputs of the fit, training ones first, and what is known of them."""

    rows: np.ndarray
    parts: np.ndarray
    """(n,) 0 for validation rows, 1 and 2 for the halves of the training rows."""
    known: np.ndarray
    """(m,) places in the calibration of the rows that it holds, which are the last m."""
    whole: bool
    """Whether training rows are among those."""


def suited(before: Model, after: Model, again: Reopened, name: str, listener: Listener) -> tuple[float, Doubt | None]:
    """Return temperature and doubts of a compressed model.

    Its own answers to inputs of the fit would be too sure, since the head may have been fitted on them. So what is
    honest is carried over: the scale of its logits is brought to that of the logits before, and each held-out answer
    is moved as far as compression moved the model's answer to the same input; one that became another counts as
    wrong. How unlike the training data inputs are is measured anew, on its own features.
    """
    doubt, task = before.assembled.doubt, before.assembled.task
    chosen = _chosen(before, after, again)
    held = chosen.rows[len(chosen.rows) - len(chosen.known) :]
    old = before.measured(again.examples(held), progress=listener.progress)
    new = after.measured(again.examples(chosen.rows), progress=listener.progress)
    temperature = float(before.manifest["temperature"])
    if old.failed or new.failed or not len(held):
        return temperature, None
    logits = new.logits[len(chosen.rows) - len(held) :]
    warmer = scaled(task, old.logits, logits, temperature)
    enough = (chosen.parts == 0).sum() >= 2 and (chosen.parts > 0).sum() >= 2
    if doubt is None or not enough or chosen.known[-1] < 0:
        return warmer, None
    targets = again.targets(task, chosen.rows)
    vectors = doubt.narrowed(new.vectors)
    groups = targets if task.form == "class" else np.zeros(len(targets), np.int64)
    likeness, unlike = scored(
        held_out(doubt.likeness.name, vectors, groups, chosen.parts, again.seed),
        vectors,
        groups,
        chosen.parts,
        whole=chosen.whole,
        seed=again.seed,
    )
    answers = (_outputs(task, old.logits, temperature), _outputs(task, logits, warmer))
    calibration = carried(task, doubt.calibration, chosen.known, answers, targets[len(targets) - len(held) :])
    changed = wilson(float((answers[0].argmax(1) != answers[1].argmax(1)).sum()), len(held))
    asked = doubt.abstain.asked if doubt.abstain else None
    facts: dict[str, Any] = {"auroc": {}, "noticed": None, "sentence": _sentence(doubt.share, len(unlike), name)}
    if task.form == "class":
        facts["changed"] = changed.to_json()
    found = replace(
        doubt,
        likeness=likeness,
        above=sets.quantile(unlike, doubt.share),
        calibration=replace(calibration, unlike=unlike.astype(np.float32)),
        reference=reference(new.vectors[:, : doubt.width], chosen.parts, whole=chosen.whole, seed=again.seed),
        facts=facts,
    )
    return warmer, found.promising(asked)


def tested(doubt: Doubt, task: Task, logits: np.ndarray, vectors: np.ndarray, targets: np.ndarray, at: float) -> Doubt:
    """Return it with what came of it on the test part: logits, features and targets of n items; ``at`` warms them."""
    sure, right = None, None
    if task.form == "class":
        chances = task.probabilities(logits, at)
        sure, right = chances.max(axis=1), chances.argmax(axis=1) == targets
    found = abstaining.given(doubt.judge(vectors, sure), right)
    return replace(doubt, facts={**doubt.facts, "test": found.to_json()})


def _chosen(before: Model, after: Model, again: Reopened) -> Rows:
    """Return the inputs of the fit that both models answer, paired with the answers that the doubts were made of."""
    stages, seed = before.assembled.backbone.n_stages, again.seed
    most = MOST if before.assembled.cut == stages else MOST_RUN
    train = again.train[drawn(len(again.train), most, seed)]
    validation = again.validation[drawn(len(again.validation), MOST, seed)]
    doubt = before.assembled.doubt
    count = len(doubt.calibration.unlike) if doubt else 0
    everything = count == len(train) + len(validation)
    rows = np.concatenate([train, validation])
    parts = np.zeros(len(rows), np.int64)
    parts[: len(train)] = 1 + again.units[train] % 2
    places = np.arange(len(rows)) - (0 if everything else len(train))
    if not everything and count != len(validation):
        places[:] = -1
    # Stages that the method trained have seen the training rows; features of those are no longer like any others.
    whole = everything and after.assembled.cut == stages
    if whole:
        taken = drawn(len(rows), RUN, seed)
        return Rows(rows[taken], parts[taken], places[taken], whole)
    first = drawn(len(train), MOST_RUN, seed)
    last = len(train) + drawn(len(validation), RUN, seed)
    taken = np.concatenate([first, last])
    return Rows(rows[taken], parts[taken], places[last], whole)


def scaled(task: Task, old: np.ndarray, new: np.ndarray, temperature: float) -> float:
    """Return the temperature of logits ``new`` (n, outputs) that makes of them what the old one makes of ``old``.

    Of numbers it is the size of an error, to which what compression moved the answers by is added.
    """
    if task.form == "number":
        return float(np.sqrt(temperature**2 + np.square(new - old, dtype=np.float64).mean()))
    if task.form == "class":
        old, new = (one - one.mean(axis=1, keepdims=True) for one in (old, new))
    slope = float((old * new).sum() / max(float(np.square(new).sum()), 1e-12))
    return float(np.clip(temperature / max(slope, 1e-6), LOWEST, HIGHEST))


def carried(
    task: Task, known: Calibration, places: np.ndarray, answers: tuple[np.ndarray, np.ndarray], targets: np.ndarray
) -> Calibration:
    """Return held-out answers moved as the model's own ``answers`` (m, outputs) before and after are apart."""
    old, new = answers
    unlike = known.unlike[places]
    if known.off is not None:
        return Calibration(unlike, off=known.off[places] + np.abs(new - old).max(axis=1).astype(np.float32))
    if known.sure is None or known.truth is None or known.right is None:
        return Calibration(unlike)
    rows, same = np.arange(len(places)), old.argmax(axis=1) == new.argmax(axis=1)
    return Calibration(
        unlike,
        sure=moved(known.sure[places], old.max(axis=1), new.max(axis=1)),
        truth=moved(known.truth[places], old[rows, targets], new[rows, targets]),
        right=known.right[places] * same.astype(np.uint8),
    )


def moved(chances: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return probabilities (n,) float32 with their log odds moved by as much as ``new`` are from ``old``."""

    def odds(values: np.ndarray) -> np.ndarray:
        inside = np.clip(np.asarray(values, np.float64), EDGE, 1 - EDGE)
        return np.asarray(np.log(inside) - np.log1p(-inside))

    return np.asarray(1 / (1 + np.exp(-(odds(chances) + odds(new) - odds(old)))), np.float32)


def _outputs(task: Task, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return what answers consist of, (n, outputs): probabilities, or numbers in the unit of the labels."""
    if isinstance(task, Regression):
        return np.asarray(task.values(logits)).reshape(len(logits), -1)
    return task.probabilities(logits, temperature)


def _sentence(share: float, n: int, name: str) -> str:
    return (
        f"At most {100 * share:g} of 100 inputs like the training data are taken for others (n = {n}), measured again "
        f"after {name}; how many strange ones are noticed was not."
    )
