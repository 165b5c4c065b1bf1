"""What the verbs of Graft give back beside models, and as what plain JSON it is printed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft import contract
from graft.evaluation import Evaluation
from graft.evaluation.abstaining import Covered, Given
from graft.serving import Model, Prediction, SetAside
from graft.types import Finding


def outcome(model: Model, folder: str | Path | None = None) -> dict[str, Any]:
    """Return what ``graft fit --json`` prints of a fitted model."""
    told = model.manifest
    return {
        "model": None if folder is None else str(folder),
        "task": told["task"]["name"],
        "modality": told["modality"],
        "backbone": told["backbone"]["name"],
        "cut": told["cut"],
        "strategy": told["strategy"],
        "classes": list(model.classes),
        "test": told["test"],
        "rungs": told["rungs"],
        "seconds": told["seconds"],
        "peak_rss_bytes": told["peak_rss_bytes"],
        "sentences": told["sentences"],
    }


@dataclass(frozen=True)
class Evaluated:
    """How a model did on labelled data."""

    model: str
    evaluation: Evaluation
    set_aside: tuple[SetAside, ...]
    seen: int
    """How many of the inputs the model was fitted on: with any, the figures are no test."""
    given: Given | None = None
    """Which answers were accepted, and how often those were wrong; None where the model cannot say."""
    covered: Covered | None = None
    """How prediction sets did, where they were asked for."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"model", "test", "accepted", "sets", "set_aside", "seen_in_training"}``."""
        aside = [one.to_json() for one in self.set_aside]
        test = self.evaluation.to_json()
        return {
            "model": self.model,
            "test": test,
            "accepted": self.given.to_json() if self.given else None,
            "sets": self.covered.to_json() if self.covered else None,
            "set_aside": aside,
            "seen_in_training": self.seen,
        }


@dataclass(frozen=True)
class Predicted:
    """The answers of a model, and what could not be read."""

    predictions: tuple[Prediction, ...]
    set_aside: tuple[SetAside, ...]

    def to_json(self) -> dict[str, Any]:
        """Return ``{"predictions": [{"input", "label", "probability", ...}], "set_aside"}``, as the task answers."""
        return {
            "predictions": [one.to_json() for one in self.predictions],
            "set_aside": [one.to_json() for one in self.set_aside],
        }


@dataclass(frozen=True)
class Inspected:
    """What the audit found in data."""

    files: int
    classes: dict[str, int]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return ``{"files", "classes", "findings": [{"kind", "files", ...}]}``."""
        found = [one.to_json() for one in self.findings]
        return {"files": self.files, "classes": self.classes, "findings": found}


@dataclass(frozen=True)
class Smaller:
    """A compressed model and what it kept."""

    model: Model
    folder: str
    method: str
    kept: contract.Kept

    def to_json(self) -> dict[str, Any]:
        """Return ``{"model", "method", "metric", "made", "contract"}``."""
        made = self.model.manifest["steps"][-1]["made"]
        told = {"model": self.folder, "method": self.method, "metric": self.kept.metric, "made": made}
        return {**told, "contract": self.kept.to_json()}
