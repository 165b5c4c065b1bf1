"""What is said with an answer: whether it is given, why not, and which classes are possible; needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.doubt import sets
from graft.doubt.judging import Doubt, Verdict
from graft.errors import ArtifactError, SettingError, must
from graft.types import LabelForm


@dataclass(frozen=True)
class Caution:
    """A model's doubts, and how much of them is to be said."""

    doubt: Doubt | None
    """None for a model that was written before doubts were measured: whether its answers are given is not known."""
    form: LabelForm
    classes: tuple[str, ...]
    sets: float | None = None
    """Share of prediction sets, or ranges, that may miss the truth; None: none are made."""
    level: float = 0.0
    """Probability from which on a class is in a set."""
    half: float = 0.0
    """Half of a range of numbers."""

    def asking(self, *, abstain: float | None = None, sets: float | None = None) -> "Caution":
        """Return it with another promise, and with sets or ranges.

        Raises SettingError for shares that are none or answers that have no such things, ArtifactError for a model
        without doubts.
        """
        if abstain is None and sets is None:
            return self
        if self.doubt is None:
            do = "Fit again with this version"
            raise ArtifactError(must("The model", "one that knows what it does not know", "an older one", do))
        doubt = self.doubt if abstain is None else self.doubt.promising(abstain)
        if sets is None:
            return Caution(doubt, self.form, self.classes, self.sets, self.level, self.half)
        if self.form != "number":
            return Caution(doubt, self.form, self.classes, sets, doubt.level(sets))
        half = doubt.half(sets)
        if not np.isfinite(half):
            n = len(doubt.calibration.unlike)
            do = "Give a larger share, or fit with more validation data"
            raise SettingError(must("--sets", f"at least {1 / (n + 1):.2g}, as n = {n} answers allow", f"{sets:g}", do))
        return Caution(doubt, self.form, self.classes, sets, half=half)

    def verdicts(self, vectors: np.ndarray, sure: np.ndarray | None) -> list[Verdict] | None:
        """Return whether answers to inputs of vectors (n, width) are given, or None where that is not known."""
        return None if self.doubt is None else self.doubt.judge(vectors, sure)

    def told(self, answer: Mapping[str, Any], outputs: np.ndarray, verdict: Verdict | None) -> dict[str, Any]:
        """Return an answer's plain JSON with ``accepted`` and ``reason``, and ``set`` or another range where asked.

        ``outputs`` (outputs,) are its probabilities, or the number.
        """
        found = {
            **answer,
            "accepted": verdict.accepted if verdict else None,
            "reason": verdict.reason if verdict else None,
        }
        if self.sets is not None and self.form == "class":
            found["set"] = list(self.members(outputs))
        elif self.sets is not None:
            found |= {"low": float(outputs[0]) - self.half, "high": float(outputs[0]) + self.half}
        return found

    def members(self, probabilities: np.ndarray) -> Sequence[str]:
        """Return the classes in the set of probabilities (classes,), the most probable first."""
        inside = sets.members(probabilities[None], self.level)[0]
        order = np.argsort(-probabilities, kind="stable")
        return [self.classes[place] for place in order if inside[place]]
