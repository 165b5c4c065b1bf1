"""A fitted model that answers: predict, embed, save; it needs no training code."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft import artifact, data, fusion, heads, runtimes
from graft.arrays import stacked
from graft.artifact import Assembled, seen
from graft.doubt.vectors import pooled
from graft.errors import UnreadableInputError
from graft.runtimes import Choice, Compiled
from graft.serving.caution import Caution
from graft.serving.scores import Scores
from graft.types import Example, Listener, Progress, silent

if TYPE_CHECKING:
    from graft.exporters import Exported

SILENT = Listener()

CHUNK = 64
"""Inputs that are decoded ahead; bounds the memory of a prediction over any number of files."""
FEW = 32
"""Fewer inputs than this are answered by torch, which needs no conversion."""
MANY = 10_000
"""The number of inputs that a model is made ready for when nothing is said."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one input."""

    input: str
    label: str
    """A class, the labels of a set joined by ``|``, or a number, as text."""
    probability: float | None
    """Of the class, or of the least certain label of a set; None for a number."""
    probabilities: np.ndarray
    """(classes,) float64, after temperature scaling; for a number the number itself, (1,)."""
    told: Mapping[str, Any]
    """The answer as plain JSON data."""
    accepted: bool | None = None
    """Whether the answer is given; None where the model does not know what it does not know."""
    reason: str | None = None
    """Why it is not given: ``unsure`` or ``unlike the training data``."""

    def to_json(self) -> dict[str, Any]:
        """Return ``{"input", "label", "probability", "accepted", "reason"}``, and ``set`` where it was asked for.

        Sets of labels have ``labels``, numbers ``value``, ``low``, ``high``.
        """
        return {"input": self.input, **self.told}


@dataclass(frozen=True)
class SetAside:
    """An input that could not be read, and why."""

    input: str
    message: str

    def to_json(self) -> dict[str, str]:
        """Return ``{"input", "message"}``."""
        return {"input": self.input, "message": self.message}


@dataclass(frozen=True)
class Features:
    """What the head of a model sees of one input."""

    network: np.ndarray
    """The backbone's output, (features,) or a map."""
    beside: np.ndarray | None
    """(features,) that stand beside the network's, where the model joins both."""
    rest: Iterator[np.ndarray] = field(default_factory=lambda: iter(()), repr=False)
    """The decoded parts of a long input that come after the first."""


@dataclass(frozen=True)
class Measured:
    """What a model makes of inputs, before it is put into words."""

    logits: np.ndarray
    """(readable, outputs) float32."""
    vectors: np.ndarray
    """(readable, features) float32, the network's features, maps and tokens averaged."""
    failed: Mapping[int, str]
    """By position, why the others could not be read."""


class Model:
    """An adapted network with its preprocessing, classes and calibration."""

    def __init__(
        self, assembled: Assembled, *, runtime: str = "auto", device: str = "auto", expected: int = MANY
    ) -> None:
        self.expected = expected
        """How many inputs will be asked: for few of them, compiling would cost more than it saves."""
        self.assembled = assembled
        self.runtime = runtime
        self.device = device
        self.choice: Choice | None = None
        """How the network is run, once it was asked."""
        self._compiled: Compiled | None = None
        self._logits = heads.applied(assembled.head)
        task = assembled.task
        self.caution = Caution(assembled.doubt, task.form, task.classes)
        """Which answers are given, and what is said with them."""

    def __getstate__(self) -> dict[str, Any]:
        # What a runtime compiled belongs to this process; a copy compiles its own when it is asked.
        return {**vars(self), "_compiled": None}

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Everything that graft.json says of the model."""
        return self.assembled.manifest

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities; none where the answers are numbers."""
        return self.assembled.task.classes

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table that the model takes beside its inputs."""
        return self.assembled.beside.columns if self.assembled.beside else ()

    @property
    def compressed(self) -> tuple[str, ...]:
        """The methods that it was compressed by, in their order."""
        return tuple(one["method"] for one in self.manifest.get("steps", ()) if one["step"] == "compress")

    @property
    def report(self) -> Scores:
        """The metrics on the locked test part, with n and 95 % intervals."""
        return Scores.from_json(self.manifest.get("test", {}))

    def __repr__(self) -> str:
        told = self.manifest
        answers = f"{len(self.classes)} classes" if self.classes else "numbers"
        made = "".join(f", {one}" for one in self.compressed)
        return f"<graft.Model {told['backbone']['name']}, cut {told['cut']}, {answers}{made}>"

    def predict(
        self, inputs: Sequence[object], *, columns: Mapping[str, Sequence[object]] | None = None
    ) -> list[Prediction]:
        """Return one Prediction an input: paths, (h, w[, 3]) arrays or PIL images, or the texts themselves.

        ``columns`` has the further values of the inputs, n a column, for a model that was fitted with such.
        Raises UnreadableInputError for an input that cannot be decoded, DataError for columns that do not fit.
        """
        return list(map(_readable, self.answers(data.with_columns(self._examples(inputs), columns or {}))))

    def predict_proba(
        self, inputs: Sequence[object], *, columns: Mapping[str, Sequence[object]] | None = None
    ) -> np.ndarray:
        """Return probabilities (n, classes) float64, as ``predict`` does. Raises SettingError where there are none."""
        self.assembled.task.probabilities(np.zeros((0, self.assembled.task.outputs), np.float32))
        found = [one.probabilities for one in self.predict(inputs, columns=columns)]
        return np.stack(found) if found else np.zeros((0, len(self.classes)))

    def asking(self, *, abstain: float | None = None, sets: float | None = None) -> "Model":
        """Return the same model with another promise, and with prediction sets (of numbers, ranges).

        ``abstain`` is the share of accepted answers that may be wrong, ``sets`` that of sets that may miss the truth.
        Raises SettingError for shares that are none or a task that has no such things, ArtifactError for an old model.
        """
        changed = copy(self)
        changed.caution = self.caution.asking(abstain=abstain, sets=sets)
        return changed

    def embed(self, inputs: Sequence[object]) -> np.ndarray:
        """Return the backbone's features, (n, features) float32; maps and tokens are averaged."""
        rows: list[np.ndarray] = []
        for _, outcome in self._features(self._examples(inputs), silent):
            if isinstance(outcome, UnreadableInputError):
                raise outcome
            rows.append(_vector(outcome)[0])
        return np.stack(rows) if rows else np.zeros((0, self._width), np.float32)

    @property
    def _width(self) -> int:
        shape = self.assembled.backbone.stages[-1].shape
        return shape[1] if len(shape) == 2 else shape[0]

    def answers(self, examples: Sequence[Example], *, progress: Progress = silent) -> Iterator[Prediction | SetAside]:
        """Yield the answer to each example in order, and a SetAside for what cannot be read."""
        fusion.refuse_incomplete(examples, self.columns)
        for example, outcome in self._features(examples, progress):
            if isinstance(outcome, UnreadableInputError):
                yield SetAside(example.source, str(outcome))
                continue
            logits = self._head(outcome)
            (found,) = self.assembled.task.answers(logits, float(self.manifest["temperature"]))
            sure = None if found.probability is None else np.array([found.probability])
            verdicts = self.caution.verdicts(_vector(outcome), sure)
            verdict = verdicts[0] if verdicts else None
            told = self.caution.told(found.told, found.outputs, verdict)
            judged = (verdict.accepted, verdict.reason) if verdict else (None, None)
            yield Prediction(example.source, found.label, found.probability, found.outputs, told, *judged)

    def logits(self, examples: Sequence[Example], *, progress: Progress = silent) -> tuple[np.ndarray, dict[int, str]]:
        """Return logits (readable, outputs) float32 and, by position, why the others could not be read."""
        found = self.measured(examples, progress=progress)
        return found.logits, dict(found.failed)

    def measured(self, examples: Sequence[Example], *, progress: Progress = silent) -> Measured:
        """Return logits and features of examples, and why some could not be read."""
        fusion.refuse_incomplete(examples, self.columns)
        rows: list[np.ndarray] = [np.zeros((0, self.assembled.task.outputs), np.float32)]
        vectors: list[np.ndarray] = [np.zeros((0, self._width), np.float32)]
        failed: dict[int, str] = {}
        for number, (_, outcome) in enumerate(self._features(examples, progress)):
            if isinstance(outcome, UnreadableInputError):
                failed[number] = str(outcome)
            else:
                rows.append(self._head(outcome))
                vectors.append(_vector(outcome))
        return Measured(np.concatenate(rows), np.concatenate(vectors), failed)

    def seen(self, examples: Sequence[Example]) -> int:
        """Return how many of the examples the model was fitted on. Raises OSError for one that cannot be read."""
        packed = self.manifest.get("data", {}).get("seen", "")
        return seen.count(packed, (sha256(one.read(in_place=True)).hexdigest() for one in examples)) if packed else 0

    def save(self, folder: str | Path) -> "Model":
        """Write the model as a folder of data and return the model as it was written. Raises ArtifactError."""
        return Model(artifact.save(Path(folder), self.assembled), runtime=self.runtime, device=self.device)

    def export(
        self,
        out: str | Path,
        *,
        format: str = "onnx",
        triton: str | None = None,
        data: str | Path | None = None,
        force: bool = False,
        seed: int = 0,
        listener: Listener = SILENT,
    ) -> "Exported":
        """Write the model as a file of another format, its answers compared with the model's.

        ``out`` is the file, or a folder; with ``triton``, the model's name, a model repository of Triton. The
        comparison is made on inputs of ``data``, else of the training data where they can still be read, else on noise
        drawn from ``seed``. ``force`` replaces what is there.
        Raises UnknownNameError, NotInstalledError, ArtifactError, DataError, and SettingError where the format cannot
        hold the network.
        """
        from graft import exporters

        return exporters.export(
            self.assembled, out, format=format, triton=triton, data=data, force=force, seed=seed, listener=listener
        )

    def _examples(self, inputs: Sequence[object]) -> Sequence[Example]:
        return data.from_objects(inputs, modality=str(self.manifest["modality"])).examples

    def _head(self, seen: Sequence[Features]) -> np.ndarray:
        """Return the mean logits (1, outputs) float32 of an input's parts."""
        rows = stacked([one.network if one.beside is None else np.hstack([one.network, one.beside]) for one in seen])
        return _averaged(self._logits(rows))

    def _features(
        self, examples: Sequence[Example], progress: Progress
    ) -> Iterator[tuple[Example, list[Features] | UnreadableInputError]]:
        """Yield each example with the features of its parts, or with why it could not be read; memory stays flat."""
        done = 0
        # Starting threads takes a fifth of the time of one answer.
        with ThreadPoolExecutor(2) if len(examples) > 1 else nullcontext() as pool:
            source = iter(examples)
            while chunk := list(islice(source, CHUNK)):
                decoded = list((pool.map if pool else map)(self._decode, chunk))
                good = [one.network for one in decoded if isinstance(one, Features)]
                features = iter(self._run(good) if good else ())
                for example, one in zip(chunk, decoded, strict=True):
                    yield example, self._whole(next(features), one, example) if isinstance(one, Features) else one
                done += len(chunk)
                progress("predicting", done, len(examples))

    def _decode(self, example: Example) -> Features | UnreadableInputError:
        """Return the preprocessed input in the place of the network's features, or why there is none."""
        preprocess = self.assembled.backbone.preprocess
        try:
            content = example.read(in_place=preprocess.in_place)
            count = preprocess.parts(content)
            first = self._fitted(preprocess.part(content, 0, count), example)
            # Only what has more parts keeps its bytes.
            more = (preprocess.part(content, number, count) for number in range(1, count))
            return replace(first, rest=more) if count > 1 else first
        except UnreadableInputError as error:
            return error
        except OSError as error:
            return UnreadableInputError(f"{example.source} cannot be read: {error.strerror}.")

    def _fitted(self, decoded: np.ndarray, example: Example) -> Features:
        preprocess, beside = self.assembled.backbone.preprocess, self.assembled.beside
        fitted = preprocess.fit(decoded)
        # Without its cells an example is only asked for what the network makes of it.
        known = beside is not None and not fusion.columns_needed([example], beside.columns)
        return Features(fitted, beside.of(preprocess, example, decoded, fitted) if beside and known else None)

    def _whole(self, first: np.ndarray, begun: Features, example: Example) -> list[Features] | UnreadableInputError:
        """Return the features of all parts, the first of which has been through the network."""
        found = [Features(first, begun.beside)]
        try:
            for decoded in begun.rest:
                one = self._fitted(decoded, example)
                found.append(replace(one, network=self._run([one.network])[0]))
        except UnreadableInputError as error:
            return error
        return found

    def _run(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return the network's outputs (n, ...) float32 of preprocessed inputs."""
        backbone = self.assembled.backbone
        used = [backbone.preprocess.used(one) for one in inputs]
        if self._compiled is None:
            # One form for one input and for many: an answer does not depend on what else was asked.
            size = 1 if runtimes.resolve_device(self.device) == "cpu" else None
            self._compiled, self.choice = self.ready(runtimes.by_shape(used, CHUNK)[0][1], size)
        batches = runtimes.by_shape(used, self._compiled.batch)
        shape = backbone.stages[-1].shape
        found = np.empty((len(used), *shape), np.float32)
        for (positions, _), output in zip(batches, self._compiled.stream(one for _, one in batches), strict=True):
            found[positions] = runtimes.whole(output, shape)
        return found

    def ready(self, sample: np.ndarray, batch: int | None) -> tuple[Compiled, Choice]:
        """Return the network made ready for a batch size, and how it is run: preprocessed inputs (n, ...) to features.

        ``sample`` are such inputs, from 1 to a batch; without a size it is the device's own. The caller closes it.
        Raises SettingError, NotInstalledError, or RuntimeError where it cannot be run as was asked.
        """
        backbone, axes = self.assembled.backbone, self.assembled.backbone.preprocess.open_axes
        if self.assembled.network is not None:
            return runtimes.opened(
                self.assembled.network,
                sample.shape[1:],
                batch=batch or 1,
                device=self.device,
                runtime=self.runtime,
                axes=axes,
            )
        return runtimes.choose(
            backbone.prefix(backbone.n_stages),
            sample,
            expected=self.expected,
            device=self.device,
            runtime=self._wish(),
            batch=batch,
            axes=axes,
        )

    def _wish(self) -> str:
        """Return the runtime that was asked for, else the one that the fit chose: every copy then answers alike."""
        known = self.manifest.get("resolved", {}).get("runtime")
        if self.runtime != "auto" or not known or runtimes.resolve_device(self.device) != known["device"]:
            return self.runtime
        if self.expected < FEW:
            return "torch:float32"
        missing = known["runtime"] not in runtimes.REGISTRY.names() or runtimes.REGISTRY.get(known["runtime"]).missing()
        return "auto" if missing else f"{known['runtime']}:{known['precision']}"


def _vector(seen: Sequence[Features]) -> np.ndarray:
    """Return the network's features of an input, (1, features) float32: the mean of its parts."""
    return _averaged(pooled(stacked([one.network for one in seen])))


def _averaged(rows: np.ndarray) -> np.ndarray:
    return rows if len(rows) == 1 else np.asarray(rows.mean(axis=0, keepdims=True))


def _readable(answer: Prediction | SetAside) -> Prediction:
    if isinstance(answer, SetAside):
        raise UnreadableInputError(answer.message)
    return answer


def load(folder: str | Path, *, runtime: str = "auto", device: str = "auto", max_pixels: int | None = None) -> Model:
    """Return the model of a folder after its format, hashes and shapes were checked. Raises ArtifactError.

    ``max_pixels`` replaces the limit above which it refuses an image, which is that of its fit.
    """
    assembled = artifact.load(Path(folder))
    if max_pixels is not None:
        limited = assembled.backbone.preprocess.limited(max_pixels=max_pixels)
        assembled = replace(assembled, backbone=replace(assembled.backbone, preprocess=limited))
    return Model(assembled, runtime=runtime, device=device)
