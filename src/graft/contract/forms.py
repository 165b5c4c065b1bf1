"""``bench``: every form in which a model can be run here, and its compressed siblings, measured side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graft import artifact, evaluation, runtimes
from graft.contract.reopened import Reopened, fitted, reopen
from graft.contract.speed import Speed, race
from graft.errors import DataError, GraftError, SettingError, must
from graft.runtimes import Compiled
from graft.serving import Model
from graft.serving import load as serve
from graft.types import Estimate, Listener

SAMPLE = 32


@dataclass(frozen=True, kw_only=True)
class Form:
    """One model in one runtime."""

    folder: str
    runtime: str
    """With its precision, such as ``openvino:bfloat16``."""
    steps: tuple[str, ...]
    """What it was compressed by."""
    bytes: int
    """Of the files that loading needs."""
    speed: Speed
    metric: str
    score: Estimate | None
    """On the locked test items; None where the data could not be had."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "model": self.folder,
            "runtime": self.runtime,
            "compressed": list(self.steps),
            "bytes": self.bytes,
            **self.speed.to_json(),
            "metric": self.metric,
            "score": self.score.to_json() if self.score else None,
        }


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Every form that runs here, and what was left out."""

    forms: tuple[Form, ...]
    notes: tuple[str, ...]
    fingerprint: str
    """Of the test items; empty where there were none."""

    @property
    def fastest(self) -> str:
        """Which form answers most inputs a second, and which one input soonest, as a sentence."""
        most = max(self.forms, key=lambda one: one.speed.throughput.value)
        soonest = min(self.forms, key=lambda one: one.speed.p50.value)
        return (
            f"Fastest on this machine: {most.folder} by {most.runtime} for many inputs "
            f"({most.speed.throughput.value:.0f} a second), {soonest.folder} by {soonest.runtime} for one alone "
            f"({soonest.speed.p50.value:.2f} ms)."
        )

    def to_json(self) -> dict[str, Any]:
        """Return ``{"forms": [...], "fastest": ..., "notes": [...], "test_fingerprint": ...}``."""
        return {
            "forms": [one.to_json() for one in self.forms],
            "fastest": self.fastest if self.forms else "",
            "notes": list(self.notes),
            "test_fingerprint": self.fingerprint,
        }


def bench(folders: Sequence[Path], *, source: str | Path | None, listener: Listener) -> Bench:
    """Measure each form of the models in ``folders``, which must take the same inputs.

    Latency, throughput and size need no labels: where the data of the fit cannot be had, the scores are left out with
    a note, and the speed is measured on noise. Raises ArtifactError for a folder that is no model, SettingError where
    the models take different inputs.
    """
    first = serve(folders[0])
    form = first.assembled.backbone.preprocess
    notes: list[str] = []
    again: Reopened | None = None
    try:
        again = reopen(first.manifest, form, source, listener)
    except DataError as error:
        if source is not None:
            raise
        notes.append(f"Scores are left out. {error}")
    sample = _sample(first, again)
    models: dict[tuple[str, str], Model] = {}
    for folder in folders:
        _same_inputs(first, serve(folder), folder)
        for runtime, model in _forms(folder, sample, notes):
            models[str(folder), runtime] = model
    names = {f"{folder} {runtime}": (folder, runtime) for folder, runtime in models}
    speeds = race(
        {name: partial(_open, models[key], sample) for name, key in names.items()}, sample, progress=listener.progress
    )
    found = []
    for name, (home, runtime) in names.items():
        model = models[home, runtime]
        found.append(
            Form(
                folder=home,
                runtime=runtime,
                steps=model.compressed,
                bytes=sum((Path(home) / one).stat().st_size for one in artifact.check(Path(home))["files"]),
                speed=speeds[name],
                metric=model.assembled.task.metrics[0],
                score=_score(model, again, name, listener) if again else None,
            )
        )
    return Bench(forms=tuple(found), notes=tuple(notes), fingerprint=again.fingerprint if again else "")


def _open(model: Model, sample: np.ndarray, batch: int) -> Compiled:
    return model.ready(sample[:batch], batch)[0]


def _same_inputs(first: Model, other: Model, folder: Path) -> None:
    here, there = (one.assembled.backbone.preprocess.to_json() for one in (first, other))
    if here != there:
        do = "Measure them in runs of their own"
        raise SettingError(must(f"the model {folder}", "one that takes the same inputs as the first", "others", do))


def _sample(model: Model, again: Reopened | None) -> np.ndarray:
    """Return preprocessed inputs of one shape, (n, ...): test items, else noise."""
    form = model.assembled.backbone.preprocess
    if again is not None:
        inputs = [fitted(form, one) for one in again.examples(again.test[:SAMPLE])]
        return np.stack([one for one in inputs if one.shape == inputs[0].shape])
    noise = np.random.default_rng(0).integers(0, 256 if form.dtype == "uint8" else 100, (8, *form.shape))
    return noise.astype(form.dtype)


def _forms(folder: Path, sample: np.ndarray, notes: list[str]) -> Iterator[tuple[str, Model]]:
    """Yield each runtime and precision that runs a model here; what does not is noted."""
    network = serve(folder).assembled.network
    for name in runtimes.REGISTRY.names():
        kind = runtimes.REGISTRY.get(name)
        if absent := kind.missing():
            notes.append(f"{name} is left out: {absent} is not installed.")
            continue
        if network is not None and name == "torch":
            continue
        precisions = kind.candidates("cpu")
        for precision in precisions if network is None else precisions[:1]:
            model = serve(folder, runtime=f"{name}:{precision}", device="cpu")
            try:
                model.ready(sample[:1], 1)[0].close()
            except (GraftError, RuntimeError) as error:
                notes.append(f"{folder} is not run by {name}:{precision}: {error}")
                continue
            yield f"{name}:int8" if network is not None else f"{name}:{precision}", model


def _score(model: Model, again: Reopened, name: str, listener: Listener) -> Estimate:
    task = model.assembled.task

    def progress(_: str, done: int, total: int) -> None:
        listener.progress(f"scoring {name}", done, total)

    logits, _ = model.logits(again.examples(again.test), progress=progress)
    targets = again.targets(task, again.test)
    temperature = float(model.manifest["temperature"])
    metrics: Mapping[str, Estimate] = evaluation.evaluate(task, logits, targets, temperature=temperature).metrics
    return metrics[task.metrics[0]]
