"""The verbs of Graft, one function each; the command line and Python are two doors to them."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from graft import (
    artifact,
    backbones,
    compression,
    contract,
    data,
    exporters,
    fusion,
    heads,
    preprocess,
    runtimes,
    selection,
    serving,
    strategies,
    tasks,
)
from graft.config import Recipe
from graft.data import Dataset, readers
from graft.doubt.promise import Promise
from graft.errors import DataError, NotInstalledError, must
from graft.evaluation import abstaining
from graft.evaluation import evaluate as judge
from graft.evaluation.abstaining import Covered, Given
from graft.evaluation.metrics import METRICS
from graft.exporters import Exported
from graft.outcomes import Evaluated, Inspected, Predicted, Smaller, outcome
from graft.preprocess import descriptors
from graft.serving import Model, Prediction, SetAside, drift, watched
from graft.serving.model import Measured
from graft.serving.watched import Watched
from graft.tasks.regression import Regression
from graft.types import Listener

__all__ = [
    "Evaluated",
    "Inspected",
    "Predicted",
    "Smaller",
    "abstain",
    "bench",
    "compress",
    "evaluate",
    "export",
    "fit",
    "inspect",
    "listing",
    "load",
    "outcome",
    "predict",
    "read",
    "show",
    "watch",
]

SILENT = Listener()


@selection.settled()
def fit(
    source: str | Path | Dataset,
    *,
    out: str | Path | None = None,
    recipe: Recipe | None = None,
    listener: Listener = SILENT,
    **settings: Any,
) -> Model:
    """Fit a model to labelled data and, with ``out``, write its folder; settings are the fields of the recipe.

    The data are looked over, split, passed once through the frozen network, and climbed on; the test part is opened
    once, at the end. Raises a GraftError (SettingError, DataError, WeightsError, ...) with one clear sentence.
    """
    start = time.perf_counter()
    target = Path(out) if out is not None else None
    recipe = recipe or Recipe.read(data=str(getattr(source, "source", source)), **settings)
    if target is not None:
        artifact.check_target(target)
    plan = selection.plan(
        recipe.strategy, recipe.head, recipe.settings, recipe.task, views=recipe.views, from_stage=recipe.cut
    )
    dataset = data.in_form(source, plan.task.form) if isinstance(source, Dataset) else read(source, recipe)
    backbone = selection.network(recipe, dataset.modality)
    selection.check(plan, backbone, recipe.augment)
    told, journal = selection.work(recipe, plan, dataset, backbone, listener, start, lessons=target is not None)
    with journal:
        manifest = told.manifest()
        model = Model(artifact.put(told.shipped.assembled, manifest), runtime=recipe.runtime, device=recipe.device)
        if target is not None:
            model = Model(
                artifact.save(
                    target,
                    model.assembled,
                    slim=recipe.slim,
                    extras=lambda folder: selection.write_beside(folder, told, manifest, journal),
                ),
                runtime=recipe.runtime,
                device=recipe.device,
            )
    journal.done()
    return model


def read(source: str | Path, recipe: Recipe) -> Dataset:
    """Return the labelled examples that a recipe names. Raises DataError."""
    if not str(source):
        do = "Name the folder, such as photos/"
        raise DataError(must("DATA", "a folder or a table of labelled inputs", "nothing", do))
    return selection.read(source, recipe)


def load(folder: str | Path, *, runtime: str = "auto", device: str = "auto", max_pixels: int | None = None) -> Model:
    """Return the model of a folder after its format, hashes and shapes were checked. Raises ArtifactError.

    ``max_pixels`` replaces the limit above which it refuses an image, which is that of its fit.
    """
    return serving.load(folder, runtime=runtime, device=device, max_pixels=max_pixels)


def evaluate(
    model: str | Path | Model,
    source: str | Path,
    *,
    input_column: str | None = None,
    label_column: str | None = None,
    device: str = "auto",
    runtime: str = "auto",
    seed: int = 0,
    listener: Listener = SILENT,
) -> Evaluated:
    """Measure a model on labelled data; all of it is used, whatever its folders.

    Raises DataError for data that cannot be used or a label that the model does not know.
    """
    judged = model if isinstance(model, Model) else load(model, runtime=runtime, device=device)
    task = judged.assembled.task
    dataset = data.read(
        source,
        input_column=input_column,
        label_column=label_column,
        kept_columns=judged.columns,
        min_classes=1,
        form=task.form,
    )
    task.targets([one.label for one in dataset.examples])
    if judged is not model:
        judged.expected = len(dataset.examples)
    measured = judged.measured(dataset.examples, progress=listener.progress)
    failed = measured.failed
    kept = [one for number, one in enumerate(dataset.examples) if number not in failed]
    if not kept:
        raise DataError(must("the data", "readable", f"{len(failed)} files that are not", "Look at `graft inspect`"))
    aside = [SetAside(one.example.source, one.message) for one in dataset.set_aside]
    aside += [SetAside(dataset.examples[number].source, why) for number, why in failed.items()]
    targets = task.targets([one.label for one in kept])
    found = judge(
        task,
        measured.logits,
        targets,
        temperature=float(judged.manifest["temperature"]),
        seed=seed,
    )
    seen = judged.seen(kept)
    if seen:
        listener.say(f"{seen} of {len(kept)} inputs are of the data that the model was fitted on: this is no test.")
    name = str(model) if not isinstance(model, Model) else ""
    return Evaluated(name, found, tuple(aside), seen, *_weighed(judged, measured, targets, seed))


def _weighed(model: Model, measured: Measured, targets: np.ndarray, seed: int) -> tuple[Given | None, Covered | None]:
    """Return which answers are accepted and how often those are wrong, and how prediction sets did where asked for."""
    task, caution = model.assembled.task, model.caution
    if isinstance(task, Regression):
        off = np.abs(task.values(measured.logits) - task.values(targets))
        verdicts = caution.verdicts(measured.vectors, None)
        ranges = None if caution.sets is None else abstaining.covered_numbers(off, caution.half, caution.sets)
        return abstaining.given(verdicts, None) if verdicts else None, ranges
    if task.form == "set":
        verdicts = caution.verdicts(measured.vectors, None)
        return abstaining.given(verdicts, None) if verdicts else None, None
    chances = task.probabilities(measured.logits, float(model.manifest["temperature"]))
    verdicts = caution.verdicts(measured.vectors, chances.max(axis=1))
    made = None if caution.sets is None else abstaining.covered(chances, targets, caution.level, caution.sets, seed)
    return abstaining.given(verdicts, chances.argmax(axis=1) == targets) if verdicts else None, made


def predict(
    model: str | Path | Model,
    inputs: Sequence[str | Path] = (),
    *,
    texts: Sequence[str] = (),
    input_column: str | None = None,
    values: Mapping[str, object] = MappingProxyType({}),
    device: str = "auto",
    runtime: str = "auto",
    listener: Listener = SILENT,
) -> Predicted:
    """Answer for files, for all inputs in folders and tables, and for texts as they are.

    ``values`` are those of further columns that the model takes, for every input whose table does not have them.
    Raises DataError for a path that does not exist, for texts where the model takes files, and for a column that the
    model takes and that is nowhere given.
    """
    asked = model if isinstance(model, Model) else load(model, runtime=runtime, device=device)
    modality = asked.manifest["modality"]
    examples = data.find_inputs(inputs, modality, input_column=input_column, kept_columns=asked.columns)
    examples += data.texts(texts, modality) if texts else ()
    examples = fusion.filled(examples, values, asked.columns)
    if asked is not model:
        asked.expected = len(examples)
    answers = list(asked.answers(examples, progress=listener.progress))
    return Predicted(
        tuple(one for one in answers if isinstance(one, Prediction)),
        tuple(one for one in answers if isinstance(one, SetAside)),
    )


def abstain(folder: str | Path, share: float | None) -> Promise | None:
    """Change which answers of a model folder are accepted: so sure ones that at most ``share`` of them is wrong.

    None accepts all again but those to inputs unlike the training data. Returns what can be promised. Raises
    ArtifactError for an older model, SettingError for a share that is none or a task whose answers are no classes.
    """
    told = artifact.doubting(Path(folder), lambda doubt: doubt.promising(share))["doubt"]["abstain"]
    return Promise.from_json(told) if told else None


def watch(
    model: str | Path | Model,
    source: str | Path | None = None,
    *,
    log: str | Path | None = None,
    input_column: str | None = None,
    most: int = watched.MOST,
    false_alarm: float = drift.FALSE_ALARM,
    seed: int = 0,
    listener: Listener = SILENT,
) -> Watched:
    """Compare new inputs, or a server's statistics (``log``: a file, or its address), with the training data.

    ``most`` inputs of ``source`` that are least like it are named; ``Watched.write`` makes a table to be labelled of
    them. Raises DataError for inputs or statistics that cannot be used, ArtifactError for a model without doubts.
    """
    false_alarm = drift.checked(false_alarm)
    asked = model if isinstance(model, Model) else load(model)
    if log is not None:
        return watched.watch_log(asked, str(log), false_alarm=false_alarm, seed=seed)
    modality = str(asked.manifest["modality"])
    inputs = [] if source is None else [source]
    examples = data.find_inputs(inputs, modality, input_column=input_column, kept_columns=asked.columns)
    return watched.watch_inputs(
        asked, examples, most=most, false_alarm=false_alarm, seed=seed, progress=listener.progress
    )


def inspect(
    source: str | Path, *, recipe: Recipe | None = None, listener: Listener = SILENT, **settings: Any
) -> Inspected:
    """Look data over as ``fit`` does before it trains: files, duplicates by content, hash and embedding, classes."""
    recipe = recipe or Recipe.read(data=str(source), **settings)
    dataset = read(source, recipe)
    plan = selection.plan("linear_probe", "linear", {}, recipe.task)
    backbone = selection.network(recipe, dataset.modality)
    found = selection.look(recipe.model_copy(update={"strategy": "linear_probe"}), plan, dataset, backbone, listener)
    form = found.scanned.form
    counts = Counter(name for one in found.scanned.examples for name in data.names(one.label, form))
    files = len(found.scanned.examples) + len(found.set_aside)
    return Inspected(files, dict(sorted(counts.items())), found.findings)


def compress(  # noqa: PLR0913 - one flat list of what a person may ask, all but the first by name
    model: str | Path,
    *,
    method: str,
    out: str | Path,
    max_drop: float = 1.0,
    force: bool = False,
    data: str | Path | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    seed: int = 0,
    listener: Listener = SILENT,
) -> Smaller:
    """Write a smaller or faster form of a model folder, scored on the same locked test items before and after.

    ``data`` says where the data of its fit lie now. Raises ContractError where more than ``max_drop`` points are lost
    and ``force`` is not given, UnknownNameError, SettingError, NotInstalledError, and DataError without those items.
    """
    chosen = compression.REGISTRY.create(method, settings)
    if absent := chosen.missing():
        do = f"pip install {absent}"
        raise NotInstalledError(must(f"what {method} needs", "installed", f"no {absent}", do))
    terms = contract.Terms(max_drop=max_drop, force=force, source=data, seed=seed)
    made, kept = contract.compress(Path(model), method, chosen, out=Path(out), terms=terms, listener=listener)
    return Smaller(made, str(out), method, kept)


def bench(
    models: str | Path | Sequence[str | Path],
    *,
    data: str | Path | None = None,
    listener: Listener = SILENT,
) -> contract.Bench:
    """Measure every form in which model folders can be run here: latency, throughput, size, and score.

    Raises ArtifactError for a folder that is no model, SettingError where they take different inputs.
    """
    folders = [models] if isinstance(models, str | Path) else models
    return contract.bench([Path(one) for one in folders], source=data, listener=listener)


def export(
    model: str | Path | Model,
    out: str | Path,
    *,
    format: str = "onnx",
    triton: str | None = None,
    data: str | Path | None = None,
    force: bool = False,
    seed: int = 0,
    listener: Listener = SILENT,
) -> Exported:
    """Write a model as a file of another format, its answers compared with the model's; `docs/export.md` tells of it.

    ``out`` is the file, or a folder; with ``triton``, the model's name, a model repository of Triton. The comparison is
    made on inputs of ``data``, else of the training data where they can still be read, else on noise drawn from
    ``seed``. ``force`` replaces what is there.
    Raises UnknownNameError, NotInstalledError, ArtifactError, DataError, and SettingError where the format cannot hold
    the network.
    """
    fitted = model if isinstance(model, Model) else load(model)
    return fitted.export(out, format=format, triton=triton, data=data, force=force, seed=seed, listener=listener)


def show(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a model folder after every hash in it was checked. Raises ArtifactError."""
    return artifact.check(Path(folder))


def listing(what: str, *, settings: bool = False, modality: str | None = None) -> list[dict[str, Any]]:
    """Return what there is of ``backbones`` and the other lists of ``graft list``, as plain data.

    ``modality`` keeps the backbones that take it, and its own preprocessing. Raises UnknownNameError.
    """
    if what == "backbones":
        taken = None if modality is None else (modality, *data.modalities.REGISTRY.get(modality).networks)
        return [asdict(one) for one in backbones.listing() if taken is None or one.modality in taken]
    if what == "metrics":
        return [{"name": name, "summary": str(one.__doc__).partition("\n")[0]} for name, one in METRICS.items()]
    folders = {
        "strategies": strategies,
        "heads": heads,
        "preprocess": preprocess,
        "tasks": tasks,
        "runtimes": runtimes,
        "exporters": exporters,
        "readers": readers,
        "descriptors": descriptors,
        "compressions": compression,
    }
    registry: Any = folders[what].REGISTRY
    names = (modality,) if what == "preprocess" and modality else registry.names()
    rows = [{"name": name, "summary": registry.summary(name)} for name in names]
    if settings:
        for row in rows:
            row["settings"] = [asdict(one) for one in registry.settings(row["name"])]
    return rows
