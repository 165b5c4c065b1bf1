"""The data that a model was fitted on, read again and parted as then, so that its locked items can be scored again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft import data, selection
from graft.config import Recipe
from graft.data import Scanned
from graft.errors import DataError, UnreadableInputError, must
from graft.preprocess import Preprocess
from graft.selection.gather import without_failed
from graft.tasks import Task
from graft.types import Example, Listener


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """Examples and parts of a fit, found again."""

    scanned: Scanned
    train: np.ndarray
    """Row numbers."""
    validation: np.ndarray
    """Row numbers."""
    test: np.ndarray
    """Row numbers of the items that the fit had locked away."""
    units: np.ndarray
    """(n,) of all rows: what has to stay together."""
    seed: int
    """Of the fit."""
    fingerprint: str
    """sha-256 of the test items' contents and labels: that of the fit."""

    def examples(self, rows: np.ndarray) -> list[Example]:
        """Return the examples of rows."""
        return [self.scanned.examples[row] for row in rows]

    def hashes(self, rows: np.ndarray) -> list[str]:
        """Return the content hashes of rows."""
        return [self.scanned.hashes[row] for row in rows]

    def targets(self, task: Task, rows: np.ndarray) -> np.ndarray:
        """Return the targets of rows."""
        return task.targets([self.scanned.examples[row].label for row in rows])


def reopen(manifest: Mapping[str, Any], form: Preprocess, source: str | Path | None, listener: Listener) -> Reopened:
    """Return the data of a fit with the test part that its manifest has the fingerprint of.

    ``source`` says where the data lie now, if not where they lay. Raises DataError where they cannot be read, hold
    other test items than those of the fit, or had none.
    """
    told = manifest.get("data", {})
    recipe = Recipe.read(**manifest.get("asked", {}))
    where = Path(str(source or told.get("source", "")))
    if not told.get("parts", {}).get("test"):
        do = "Fit again with a test_share above 0"
        raise DataError(must("The model", "fitted with test items locked away", "none to score it on", do))
    if source is None and not (str(told.get("source", "")) and where.exists()):
        do = "Say by --data where they lie now"
        raise DataError(must("The data that the model was fitted on", "reachable, to score it", f"no {where}", do))
    scanned = data.scan(selection.read(where, recipe), form.inspect, in_place=form.in_place, progress=listener.progress)
    if told.get("set_aside", 0) > len(scanned.set_aside):
        scanned = _decodable(scanned, form, listener)
    parts = data.split(scanned.examples, scanned.hashes, shares=recipe.shares, seed=recipe.seed, form=scanned.form)
    if parts.test.fingerprint != told["test_fingerprint"]:
        got = f"{parts.test.n} items of fingerprint {parts.test.fingerprint[:12]} in {where}"
        want = f"the {told['parts']['test']} of the fit, fingerprint {told['test_fingerprint'][:12]}"
        do = "Give the data as they were then by --data, or fit again on those of today"
        raise DataError(must("The locked test items", want, got, do))
    return Reopened(
        scanned=scanned,
        train=parts.train,
        validation=parts.val,
        test=parts.test.open(),
        units=parts.units,
        seed=recipe.seed,
        fingerprint=parts.test.fingerprint,
    )


def _decodable(scanned: Scanned, form: Preprocess, listener: Listener) -> Scanned:
    """Return what can be decoded: a look at a file's head does not find every fault."""
    failed: dict[int, str] = {}
    for row, one in enumerate(scanned.examples):
        listener.progress("decoding", row, len(scanned.examples))
        try:
            fitted(form, one)
        except UnreadableInputError as error:
            failed[row] = str(error)
    return without_failed(scanned, failed)[0]


def fitted(form: Preprocess, example: Example) -> np.ndarray:
    """Return the first part of an input, preprocessed, without the padding of those that vary in length."""
    content = example.read(in_place=form.in_place)
    return form.used(form.fit(form.part(content, 0, form.parts(content))))
