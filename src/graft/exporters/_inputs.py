"""The inputs that an exported file is compared on: of the training data where they are still there, else noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft import data
from graft.artifact import Assembled
from graft.errors import DataError, GraftError, UnreadableInputError, must
from graft.exporters._network import BESIDE, INPUT
from graft.types import Example

COUNT = 16
"""Inputs that are compared."""


@dataclass(frozen=True)
class Sample:
    """Preprocessed inputs, and where they came from."""

    arrays: Mapping[str, np.ndarray]
    """(n, ...) by the names of the network's inputs."""
    used: list[tuple[int, ...]]
    """How much of each input is no padding."""
    told: str
    """What they are, in words."""


def sample(model: Assembled, source: str | Path | None, seed: int) -> Sample:
    """Return inputs of ``source``, else of the data that the model was fitted on, else noise drawn from ``seed``.

    Raises DataError where ``source`` is given and holds no inputs that can be read.
    """
    if source is not None:
        found = _real(model, str(source), {}, seed)
        if found is None:
            do = "Name inputs of the kind that the model was fitted on"
            raise DataError(must("--data", "inputs that can be read", f"none in {source}", do))
        return found
    known = str(model.manifest.get("data", {}).get("source", ""))
    asked = {**model.manifest.get("asked", {}), **model.manifest.get("resolved", {})}
    if known and Path(known).exists():
        try:
            if (found := _real(model, known, asked, seed)) is not None:
                return found
        except GraftError:  # the data have changed since the fit
            return _noise(model, seed)
    return _noise(model, seed)


def _real(model: Assembled, source: str, asked: Mapping[str, Any], seed: int) -> Sample | None:
    """Return some inputs of a folder or table, spread over it; None where none can be read."""
    columns = model.beside.columns if model.beside else ()
    modality = str(model.manifest["modality"])
    examples = data.find_inputs([source], modality, input_column=asked.get("input_column"), kept_columns=columns)
    rows = np.random.default_rng(seed).permutation(len(examples))
    found: list[tuple[np.ndarray, np.ndarray | None]] = []
    for row in rows[: 4 * COUNT].tolist():
        try:
            found.append(_fitted(model, examples[row]))
        except (UnreadableInputError, OSError):
            continue
        if len(found) == COUNT:
            break
    return _stacked(model, found, f"inputs of {source}") if found else None


def _fitted(model: Assembled, example: Example) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an input as the network takes it, the first part of a long one. Raises UnreadableInputError, OSError."""
    preprocess = model.backbone.preprocess
    content = example.read(in_place=preprocess.in_place)
    decoded = preprocess.part(content, 0, preprocess.parts(content))
    fitted = preprocess.fit(decoded)
    return fitted, model.beside.of(preprocess, example, decoded, fitted) if model.beside else None


def _noise(model: Assembled, seed: int) -> Sample:
    preprocess = model.backbone.preprocess
    draw = np.random.default_rng(seed)
    fitted = [preprocess.fit(preprocess.noise(seed + row)) for row in range(COUNT)]
    width = model.beside.width if model.beside else 0
    beside = draw.normal(size=(COUNT, width)).astype(np.float32)
    return _stacked(model, list(zip(fitted, beside, strict=True)), f"noise drawn from seed {seed}")


def _stacked(model: Assembled, found: Sequence[tuple[np.ndarray, np.ndarray | None]], told: str) -> Sample:
    preprocess = model.backbone.preprocess
    arrays = {INPUT: np.stack([one for one, _ in found])}
    if model.beside:
        arrays[BESIDE] = np.stack([np.asarray(beside, np.float32) for _, beside in found])
    return Sample(arrays, [preprocess.used(one).shape for one, _ in found], told)
