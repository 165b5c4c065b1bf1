"""A model as it is served: bytes in, answers out, by an exported network and the preprocessing it was fitted with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graft import preprocess, tasks
from graft.arrays import stacked
from graft.doubt.judging import Verdict
from graft.errors import ArtifactError, GraftError, UnreadableInputError, must
from graft.exemplars import Exemplars
from graft.fusion import Beside
from graft.fusion.beside import DESCRIPTOR
from graft.preprocess import Preprocess
from graft.serving.http.batching import Batcher
from graft.serving.http.exported import Exported, joined, opened
from graft.serving.http.faults import Refused
from graft.serving.http.keeping import Flagged, Keeping
from graft.serving.http.lengths import in_order, padded, together
from graft.serving.http.metrics import Metrics
from graft.serving.http.runners import Runner, choose
from graft.serving.http.settings import Limits
from graft.serving.http.watching import Watching
from graft.tasks import Answer, Task
from graft.types import Example

TOP = 5
"""Classes that an answer tells, the most probable first."""
KNOWN = 100
"""Categories of a column that are told, so that a person may choose."""


@dataclass(frozen=True)
class Input:
    """One input: encoded bytes, or the array that the network takes."""

    content: bytes | None = None
    array: np.ndarray | None = None
    quiet: bool = False
    """Whether it is no request of its own, and so counts for no statistics."""
    cells: Mapping[str, str | None] = field(default_factory=dict)
    """Of further columns of a table, where the model takes such."""
    beside: np.ndarray | None = None
    """(width,) float32 beside an array: what columns and descriptors give."""


@dataclass(frozen=True)
class Row:
    """What a network is given of one part of one input."""

    array: np.ndarray
    beside: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """What the network makes of one input."""

    logits: np.ndarray
    """(outputs,) float32, the mean over the parts of a long input."""
    features: np.ndarray | None
    """(width,) float32, the mean likewise."""
    answer: Answer | None = None
    """None until all parts are heard."""
    verdict: Verdict | None = None
    """None where the model cannot tell."""


@dataclass
class Served:
    """One version of one model, ready to answer."""

    name: str
    exported: Exported
    preprocess: Preprocess
    task: Task
    runner: Runner
    why: str
    """Why this runner was chosen."""
    limits: Limits
    metrics: Metrics
    width: int
    """Of the features; 0 where the network gives none."""
    report: Path | None = None
    watching: Watching | None = None
    """What judges whether an answer is accepted, and keeps count of it, where the model knows its doubts."""
    keeping: Keeping | None = None
    """Where inputs are kept whose answers are not accepted; None: nowhere."""
    beside: Beside | None = None
    """Columns and descriptors that the model takes beside the network's features."""
    exemplars: Exemplars | None = None
    """Training examples that the model keeps to be shown."""
    batcher: "Batcher[Input, Outcome]" = field(init=False)

    def __post_init__(self) -> None:
        """Start the threads."""
        # One thread more than the runtime computes on decodes meanwhile; of texts it would only make batches smaller.
        self.batcher = Batcher(self.work, self.runner.batch, self.runner.lanes + (not self.exported.varies))
        self.batcher.start()

    @property
    def told(self) -> Mapping[str, Any]:
        """What the exporter left in the file."""
        return self.exported.told

    @property
    def version(self) -> str:
        """Of the file."""
        return self.exported.version

    def work(self, inputs: Sequence[Input]) -> list[Outcome | Exception]:
        """Return what the network makes of each input, or why it makes nothing of it."""
        fitted = [self._fitted(one) for one in inputs]
        good = [one for one in fitted if not isinstance(one, Exception)]
        self.metrics.batch(self.name, len(inputs))
        # What is not the first part of a long input comes after, so that memory holds one part at a time.
        firsts = iter(self._run([next(one) for one in good]) if good else ())
        found: list[Outcome | Exception] = []
        for one in fitted:
            if isinstance(one, Exception):
                found.append(one)
                continue
            outcomes = [next(firsts)]
            try:
                outcomes += [self._run([row])[0] for row in one]
            except GraftError as error:
                found.append(error)
                continue
            found.append(outcomes[0] if len(outcomes) == 1 else _mean(outcomes))
        return self._answered(inputs, found)

    def _answered(self, inputs: Sequence[Input], found: Sequence[Outcome | Exception]) -> list[Outcome | Exception]:
        """Return the outcomes with their answers and verdicts, all of them judged at once."""
        places = [place for place, one in enumerate(found) if isinstance(one, Outcome)]
        outcomes = [one for one in found if isinstance(one, Outcome)]
        if not outcomes:
            return list(found)
        answers = self.task.answers(np.stack([one.logits for one in outcomes]), float(self.told["temperature"]))
        verdicts = self._judged([inputs[place] for place in places], outcomes, answers)
        done = list(found)
        for place, outcome, answer, verdict in zip(places, outcomes, answers, verdicts, strict=True):
            done[place] = Outcome(outcome.logits, outcome.features, answer, verdict)
        return done

    def _judged(
        self, inputs: Sequence[Input], outcomes: Sequence[Outcome], answers: Sequence[Answer]
    ) -> Sequence[Verdict | None]:
        features = [one.features for one in outcomes if one.features is not None]
        if self.watching is None or len(features) < len(outcomes):
            return [None] * len(outcomes)
        known = [one.probability for one in answers]
        sure = None if None in known else np.array(known, np.float64)
        vectors = np.stack(features)
        counted = np.array([not one.quiet for one in inputs]) & np.isfinite(vectors).all(axis=1)
        verdicts: list[Verdict | None] = [None] * len(outcomes)
        for rows, judge in ((counted, self.watching.add), (~counted, self.watching.rolling.doubt.judge)):
            if rows.any():
                found = judge(vectors[rows], None if sure is None else sure[rows])
                for place, verdict in zip(np.flatnonzero(rows).tolist(), found, strict=True):
                    verdicts[place] = verdict
        if self.keeping is not None:
            for place in np.flatnonzero(counted).tolist():
                content, told = inputs[place].content, verdicts[place]
                if content is not None and told is not None and not told.accepted:
                    self.keeping.keep(self._flagged(content, answers[place], told))
        return verdicts

    def _flagged(self, content: bytes, answer: Answer, verdict: Verdict) -> Flagged:
        kind = "" if self.preprocess.excerpt(content) else self.preprocess.inspect(content, "").format.lower()
        chance = "" if answer.probability is None else f"{answer.probability:.6f}"
        cells = (answer.label, chance, f"{verdict.unlike:.6g}", verdict.reason or "")
        return Flagged(self.name, content, f".{kind}" if kind.isalnum() else "", cells)

    def answer(self, outcome: Outcome) -> dict[str, Any]:
        """Return the answer as plain JSON data; for one class of several also the most probable ones."""
        answer = outcome.answer
        assert answer is not None
        found = dict(answer.told)
        if self.task.form == "class":
            best = np.argsort(-answer.outputs, kind="stable")[:TOP].tolist()
            found["top"] = [
                {"label": self.task.classes[place], "probability": round(float(answer.outputs[place]), 6)}
                for place in best
            ]
        if outcome.verdict is not None:
            found |= {"accepted": outcome.verdict.accepted, "reason": outcome.verdict.reason}
        return found

    def nearest(self, outcome: Outcome, count: int) -> dict[str, Any]:
        """Return the kept examples nearest to an input; none where the network's features are not finite."""
        assert self.exemplars is not None
        features = outcome.features
        if features is None or not np.isfinite(features).all():
            return {"nearest": []}
        return {"nearest": self.exemplars.nearest(features, count)}

    def _fitted(self, one: Input) -> "Parts | Exception":
        try:
            return Parts(self, one)
        except Exception as error:  # one input's fault, even an unforeseen one, is not its neighbours'
            return error

    def _run(self, given: Sequence[Row]) -> list[Outcome]:
        arrays, size, varies = [one.array for one in given], self.runner.batch, self.exported.varies
        found: dict[int, Outcome] = {}
        for places in together(arrays, size) if varies else in_order(len(arrays), size):
            some = [arrays[one] for one in places]
            told = [one for place in places if (one := given[place].beside) is not None]
            beside = np.stack(told) if told else None
            inputs = padded(some, self.preprocess.shape) if varies else stacked(some)
            logits, *features = self.runner.run(inputs, beside)
            for row, place in enumerate(places):
                found[place] = Outcome(logits[row], features[0][row] if features else None)
        return [found[place] for place in range(len(given))]

    def fitted(self, one: Input, number: int, count: int) -> Row:
        """Return one part of an input of bytes as the network takes it. Raises UnreadableInputError, Refused."""
        assert one.content is not None
        decoded = self.preprocess.part(one.content, number, count)
        array = self.preprocess.fit_light(decoded)
        beside = None
        if self.beside is not None:
            beside = self.beside.of(self.preprocess, Example("", columns=one.cells), decoded, array)
        return Row(self.exported.used(array, self.preprocess.used(array)), beside)

    @property
    def columns(self) -> tuple[str, ...]:
        """The further columns that the model takes."""
        return () if self.beside is None else self.beside.columns

    @property
    def columns_told(self) -> list[dict[str, Any]]:
        """Of each such column its name, whether it holds ``numbers`` or ``categories``, and some of the latter."""
        blocks = () if self.beside is None else self.beside.blocks
        columns = [one.to_json() for one in blocks if one.kind != DESCRIPTOR]
        return [{"name": one["name"], "kind": one["kind"], "known": one.get("known", [])[:KNOWN]} for one in columns]

    def check(self, cells: Mapping[str, str | None]) -> None:
        """Raise Refused where an input comes with other columns than the model takes."""
        if cells.keys() == set(self.columns):
            return
        wanted = f"the columns {', '.join(map(repr, self.columns))}" if self.columns else "no columns"
        got = ", ".join(repr(one[:60]) for one in list(cells)[:5]) or "none"
        do = 'Send such as "columns": {"price": 3.5} beside the input' if self.columns else "Leave them out"
        raise Refused(422, must("The input", f"given with {wanted}", got, do))

    def close(self) -> None:
        """Answer what was asked, then end the threads."""
        self.batcher.close()


class Parts:
    """The arrays of one input, one after another; the first is made at once, so that a fault is known early."""

    def __init__(self, served: Served, one: Input) -> None:
        self.served, self.one, self.place, self.count = served, one, 0, 1
        if one.content is not None:
            served.check(one.cells)
            lasts = served.preprocess.lasts(one.content)
            if lasts > served.limits.seconds:
                wanted = f"at most {served.limits.seconds:g} s long"
                raise Refused(413, must("The input", wanted, f"one of {lasts:.1f} s", "Send a part of it"))
            self.count = served.preprocess.parts(one.content)
        self.first = self._part()

    def __iter__(self) -> "Parts":
        return self

    def __next__(self) -> Row:
        if self.place >= self.count:
            raise StopIteration
        found = self.first if self.place == 0 else self._part()
        self.place += 1
        return found

    def _part(self) -> Row:
        if self.one.content is None:
            assert self.one.array is not None
            return Row(self.one.array, self.one.beside)
        return self.served.fitted(self.one, self.place, self.count)


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    features = [one.features for one in outcomes if one.features is not None]
    return Outcome(np.mean([one.logits for one in outcomes], axis=0), np.mean(features, axis=0) if features else None)


def load(name: str, file: Path, *, limits: Limits, metrics: Metrics, runtime: str = "auto") -> Served:
    """Return the model of an exported file, run once. Raises ArtifactError for one that cannot be served."""
    exported = opened(file)
    told = exported.told
    specification = preprocess.REGISTRY.get(told["modality"]).from_json(told["preprocess"])
    specification = specification.limited(max_pixels=limits.pixels)
    plain = {key: value for key, value in told["task"].items() if key not in ("name", "outputs")}
    task = tasks.REGISTRY.create(told["task"]["name"], plain)
    beside = joined(exported)
    runner, why = choose(exported, wish=runtime)
    found, *features = runner.run(exported.noise(1))
    if found.shape != (1, task.outputs) or not np.isfinite(found).all():
        do = "Export the model again with `graft export`"
        raise ArtifactError(must("The network", f"one with {task.outputs} finite outputs", str(found.shape), do))
    width = features[0].shape[1] if features else 0
    return Served(name, exported, specification, task, runner, why, limits, metrics, width, beside=beside)


def refusal(error: Exception) -> Refused:
    """Return what a client is told of a fault with its input. Raises the error itself where it is the server's."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, UnreadableInputError):
        return Refused(422, str(error))
    raise error
