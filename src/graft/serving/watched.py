"""``graft watch``: a model's inputs, from a folder or a server's statistics, compared with what it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft import data
from graft.data import modalities
from graft.doubt.judging import Doubt
from graft.errors import ArtifactError, DataError, must
from graft.serving import asking
from graft.serving.drift import FALSE_ALARM, FEWEST, Look, Rolling, of_bytes, of_file
from graft.serving.model import Model, SetAside
from graft.types import Example, Progress, silent

MOST = 100
"""Inputs that are collected for labelling."""


@dataclass(frozen=True)
class Strange:
    """One input of a folder, and how unlike the training data it is."""

    example: Example
    said: str
    probability: float | None
    unlike: float
    reason: str | None

    def cells(self) -> dict[str, str]:
        """Return what the table for labelling tells of it."""
        chance = "" if self.probability is None else f"{self.probability:.6f}"
        return {"said": self.said, "probability": chance, "unlike": f"{self.unlike:.6g}", "reason": self.reason or ""}


@dataclass(frozen=True)
class Watched:
    """What watching found."""

    look: Look
    strange: tuple[Strange, ...] = ()
    """The least like the training data first; none for statistics, which hold no inputs."""
    set_aside: tuple[SetAside, ...] = ()
    words: bool = False
    """Whether the inputs are texts."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"drift", "strange": [{"input", "said", "probability", "unlike", "reason"}], "set_aside"}``."""
        return {
            "drift": self.look.to_json(),
            "strange": [
                {
                    "input": one.example.source,
                    "said": one.said,
                    "probability": one.probability,
                    "unlike": one.unlike,
                    "reason": one.reason,
                }
                for one in self.strange
            ],
            "set_aside": [one.to_json() for one in self.set_aside],
        }

    def write(self, file: Path) -> int:
        """Write the strange inputs as a table to be labelled and return how many. Raises OSError."""
        examples, told = [one.example for one in self.strange], [one.cells() for one in self.strange]
        return data.write_to_label(file, examples, told, words=self.words)


def doubt_of(model: Model) -> Doubt:
    """Return what a model does not know. Raises ArtifactError for a model that was written without."""
    if model.caution.doubt is None:
        do = "Fit again with this version"
        raise ArtifactError(must("The model", "one that knows what it does not know", "an older one", do))
    return model.caution.doubt


def watch_log(model: Model, log: str, *, false_alarm: float = FALSE_ALARM, seed: int = 0) -> Watched:
    """Return what a server's statistics tell: a file of them, or its address.

    Raises DataError for others, ArtifactError for an old model.
    """
    doubt = doubt_of(model)
    if not asking.is_address(log):
        return Watched(of_file(Path(log), doubt, false_alarm=false_alarm, seed=seed))
    content = asking.statistics(log, doubt)
    return Watched(of_bytes(content, log, doubt, false_alarm=false_alarm, seed=seed))


def watch_inputs(
    model: Model,
    examples: Sequence[Example],
    *,
    most: int = MOST,
    false_alarm: float = FALSE_ALARM,
    seed: int = 0,
    progress: Progress = silent,
) -> Watched:
    """Return whether inputs are like the training data, and the ``most`` that are least.

    Raises DataError for fewer than 20 that can be read, ArtifactError for an old model.
    """
    doubt, task = doubt_of(model), model.assembled.task
    found = model.measured(examples, progress=progress)
    readable = [one for number, one in enumerate(examples) if number not in found.failed]
    if len(readable) < FEWEST:
        do = "Give more; of single ones `graft predict` tells whether they are unlike the training data"
        raise DataError(must("The inputs", f"{FEWEST} or more that can be read", f"{len(readable)}", do))
    answers = task.answers(found.logits, float(model.manifest["temperature"]))
    known = [one.probability for one in answers]
    sure = None if None in known else np.array(known, np.float64)
    # All of them are one look: a folder is asked about once.
    rolling = Rolling(doubt, size=len(readable), false_alarm=false_alarm, seed=seed)
    rolling.add(found.vectors, sure)
    look = rolling.look(least=len(readable))
    assert look is not None
    verdicts = doubt.judge(found.vectors, sure)
    order = np.argsort([-one.unlike for one in verdicts], kind="stable")[:most]
    strange = [
        Strange(readable[row], answers[row].label, answers[row].probability, verdicts[row].unlike, verdicts[row].reason)
        for row in order
    ]
    aside = [SetAside(examples[number].source, why) for number, why in found.failed.items()]
    words = modalities.is_written(str(model.manifest["modality"]))
    return Watched(look, tuple(strange), tuple(aside), words)
