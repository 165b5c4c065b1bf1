"""What the shipped model does not know, found from what the store holds: scores, thresholds, their worth."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from graft.doubt import sets
from graft.doubt.judging import Calibration, Doubt, Reference
from graft.doubt.likeness import KINDS, Likeness, drawn, narrowing
from graft.doubt.vectors import pooled
from graft.evaluation import abstaining
from graft.evaluation.intervals import wilson
from graft.selection.gather import Gathered
from graft.selection.ladder import honest
from graft.selection.shipping import BATCH, Shipped
from graft.strategies import Activations, Fitted
from graft.tasks import Task
from graft.tasks.regression import Regression
from graft.types import Estimate

SHARE = 0.02
"""Of inputs like the training data that are taken for others at most."""
SPOILT = 48
"""Validation inputs that are spoilt; running them is all that this costs of the network."""
MOST, MOST_RUN = 6000, 400
"""Training inputs that are looked at where their features are stored, and where trained stages have to be run."""
REFERENCE = 500
PROJECTED = 32
"""Training inputs that drift is measured against, and directions in which it is."""


@dataclass(frozen=True)
class Seen:
    """Development rows with their features, and who had not seen whom."""

    vectors: np.ndarray
    """(n, d) float32, training rows first."""
    groups: np.ndarray
    """(n,) the classes, or zeros."""
    parts: np.ndarray
    """(n,) 0 for validation rows, 1 and 2 for the halves of the training rows."""
    logits: np.ndarray
    """(n, outputs) from models that had not seen the row; of validation rows alone where training rows have none."""
    targets: np.ndarray
    """Of the rows that have logits."""
    frozen: bool
    """Whether the features are as pretrained, so that training rows are like any others."""


def doubts(gathered: Gathered, shipped: Shipped, share: float | None, seed: int) -> Doubt | None:
    """Return what the model does not know; ``share`` of accepted answers may be wrong, None promises nothing.

    None where the validation data are fewer than two inputs. Raises SettingError for a share that is none.
    """
    fitted, task = shipped.rung.fitted, gathered.task
    assert fitted is not None
    seen = _seen(gathered, fitted, seed)
    if (seen.parts == 0).sum() < 2 or (seen.parts > 0).sum() < 2:
        return None
    signs = narrowing(seen.vectors.shape[1], seed)
    way = None if signs is None else signs.astype(np.float32)
    vectors = seen.vectors if way is None else seen.vectors @ way
    first, facts = _chosen(gathered, fitted, replace(seen, vectors=vectors), way, seed)
    whole = seen.frozen and len(seen.logits) == len(seen.parts)
    likeness, unlike = scored(first, vectors, seen.groups, seen.parts, whole=whole, seed=seed)
    above = sets.quantile(unlike, SHARE)
    doubt = Doubt(
        likeness=likeness,
        above=above,
        share=SHARE,
        form=task.form,
        calibration=_calibration(task, seen, unlike, shipped.temperature),
        reference=reference(seen.vectors, seen.parts, whole=seen.frozen, seed=seed),
        narrowing=signs,
    ).promising(share)
    return tested(doubt, gathered, shipped, {**facts, "sentence": _sentence(facts, above, len(unlike))})


def tested(doubt: Doubt, gathered: Gathered, shipped: Shipped, facts: dict[str, Any]) -> Doubt:
    """Return it with what came of it on the test part, which nothing of it was chosen by."""
    fitted, task, rows = shipped.rung.fitted, gathered.task, shipped.test_rows
    assert fitted is not None
    if not len(rows):
        return replace(doubt, facts=facts)
    vectors = features(gathered.at(fitted.cut, 1, rows, "test data"), fitted, np.arange(len(rows)))
    targets = gathered.targets(rows)
    sure, right = _sure(task, shipped.test_logits, targets, shipped.temperature)
    found = abstaining.given(doubt.judge(vectors, sure), right).to_json()
    return replace(doubt, facts={**facts, "test": found})


def _seen(gathered: Gathered, fitted: Fitted, seed: int) -> Seen:
    """Return development rows with their features; where there are very many, some of them."""
    rows, halves, task = gathered.development, gathered.halves, gathered.task
    frozen = not len(fitted.suffix)
    train = halves.train[drawn(len(halves.train), MOST if frozen else MOST_RUN, seed)]
    validation = halves.validation[drawn(len(halves.validation), MOST, seed)]
    both = np.concatenate([train, validation])
    logits, with_logits = honest(fitted, halves.train, halves.validation)
    own = np.isin(with_logits, both)
    targets = gathered.targets(rows[both])
    parts = np.zeros(len(both), np.int64)
    parts[: len(train)] = 1 + gathered.parts.units[rows[train]] % 2
    return Seen(
        vectors=features(gathered.at(fitted.cut, 1, rows, "what the model knows"), fitted, both),
        groups=targets if task.form == "class" else np.zeros(len(both), np.int64),
        parts=parts,
        logits=logits[own],
        targets=gathered.targets(rows[with_logits[own]]),
        frozen=frozen,
    )


def features(activations: Activations, fitted: Fitted, rows: np.ndarray, view: int = 0) -> np.ndarray:
    """Return the network's features (len(rows), d) float32 of stored activations."""
    found: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            values = activations.read(rows[start : start + BATCH], view)
            if len(fitted.suffix):
                values = fitted.suffix(torch.from_numpy(values)).float().numpy()
            found.append(pooled(values))
    return np.concatenate(found)


def _chosen(
    gathered: Gathered, fitted: Fitted, seen: Seen, way: np.ndarray | None, seed: int
) -> tuple[Likeness, dict[str, Any]]:
    """Return the score that tells spoilt validation inputs better from plain ones, and how well each does.

    It is fitted to the training rows, whose vectors are narrowed as ``way`` says.
    """
    held = seen.parts == 0
    spoilt = _spoilt(gathered, fitted, seed)
    if spoilt is None or not len(spoilt):
        return held_out("mahalanobis", seen.vectors, seen.groups, seen.parts, seed), {"auroc": {}, "noticed": None}
    spoilt = spoilt if way is None else spoilt @ way
    fits = {name: held_out(name, seen.vectors, seen.groups, seen.parts, seed) for name in KINDS}
    found: dict[str, Estimate] = {}
    noticed: dict[str, Estimate] = {}
    for name, likeness in fits.items():
        usual, strange = likeness.score(seen.vectors[held]), likeness.score(spoilt)
        found[name] = abstaining.auroc(usual, strange, seed)
        above = sets.quantile(usual, SHARE)
        noticed[name] = wilson(float((strange > above).sum()), len(strange))
    best = max(found, key=lambda name: found[name].value)
    auroc = {name: one.to_json() for name, one in found.items()}
    return fits[best], {"auroc": auroc, "noticed": noticed[best].to_json()}


def _spoilt(gathered: Gathered, fitted: Fitted, seed: int) -> np.ndarray | None:
    """Return the features of a few validation inputs spoilt, or None where their modality has no way to."""
    way = gathered.backbone.preprocess.spoilt
    rows = gathered.parts.val[drawn(len(gathered.parts.val), SPOILT, seed)]
    if not way or not len(rows):
        return None
    activations = gathered.spoilt(fitted.cut, rows, way)
    return features(activations, fitted, np.arange(len(rows)), 1)


def held_out(name: str, vectors: np.ndarray, groups: np.ndarray, parts: np.ndarray, seed: int) -> Likeness:
    """Return the score of that name fitted to all but the validation rows; ``parts`` (n,) are as in ``Seen``."""
    return KINDS[name].fit(vectors[parts > 0], groups[parts > 0], seed)


def scored(
    first: Likeness, vectors: np.ndarray, groups: np.ndarray, parts: np.ndarray, *, whole: bool, seed: int
) -> tuple[Likeness, np.ndarray]:
    """Return the score fitted to what the model was fitted to, and its values on rows that a fit had not seen.

    ``first`` is what ``held_out`` gave, ``parts`` (n,) are as in ``Seen``. Features of trained stages are other ones on
    the rows that trained them: but for the ``whole``, validation rows alone are scored.
    """
    kind = KINDS[first.name]
    if not whole:
        return first, first.score(vectors[parts == 0])
    unlike = np.empty(len(parts))
    for part in np.unique(parts):
        out = parts == part
        fitted = kind.fit(vectors[~out], groups[~out], seed) if part else first
        unlike[out] = fitted.score(vectors[out])
    return kind.fit(vectors, groups, seed), unlike


def _calibration(task: Task, seen: Seen, unlike: np.ndarray, temperature: float) -> Calibration:
    scores, known = unlike.astype(np.float32), len(unlike) == len(seen.logits)
    assert known
    if task.form == "class":
        chances = task.probabilities(seen.logits, temperature)
        sure, right = _sure(task, seen.logits, seen.targets, temperature)
        assert sure is not None and right is not None
        truth = chances[np.arange(len(chances)), seen.targets].astype(np.float32)
        return Calibration(scores, sure.astype(np.float32), truth, right)
    if isinstance(task, Regression):
        off = np.abs(task.values(seen.logits) - task.values(seen.targets))
        return Calibration(scores, off=off.astype(np.float32))
    return Calibration(scores)


def _sure(
    task: Task, logits: np.ndarray, targets: np.ndarray, temperature: float
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the probabilities of answers (n,) and where they are right (n,) uint8, if the answers are classes."""
    if task.form != "class":
        return None, None
    chances = task.probabilities(logits, temperature)
    return chances.max(axis=1), (chances.argmax(axis=1) == targets).astype(np.uint8)


def reference(vectors: np.ndarray, parts: np.ndarray, *, whole: bool, seed: int) -> Reference:
    """Return what drift of vectors (n, width) is looked for in: directions, and values of rows to compare with."""
    width = vectors.shape[1]
    projection = np.random.default_rng((seed, width)).standard_normal((width, PROJECTED)) / np.sqrt(PROJECTED)
    rows = np.arange(len(parts)) if whole else np.flatnonzero(parts == 0)
    rows = rows[drawn(len(rows), REFERENCE, seed)]
    projection = projection.astype(np.float32)
    return Reference(projection, vectors[rows] @ projection)


def _sentence(facts: dict[str, Any], above: float, n: int) -> str:
    if not np.isfinite(above):
        return f"{n} inputs are too few to say from which score on one is unlike the training data: nothing is flagged."
    start = f"At most {100 * SHARE:g} of 100 inputs like the training data are taken for others (n = {n})"
    if facts["noticed"] is None:
        return f"{start}; these inputs have no way to be spoilt, so how many strange ones are noticed was not measured."
    noticed = Estimate(**facts["noticed"])
    return f"{start}; of {noticed.n} validation inputs that were spoilt on purpose, {100 * noticed.value:.0f} % are."
