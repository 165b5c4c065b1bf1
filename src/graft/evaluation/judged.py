"""``evaluate``: answers against truth, once, and the result that says what it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from graft.errors import DataError, must, unknown_name
from graft.evaluation.calibration import Bin, reliability
from graft.evaluation.intervals import wilson
from graft.evaluation.metrics import METRICS, TITLES, Answers, confusion_matrix, f1_of
from graft.evaluation.numbers import Numbers
from graft.evaluation.sets import Sets
from graft.types import Estimate, LabelForm

if TYPE_CHECKING:
    from graft.tasks import Task
    from graft.tasks.regression import Regression

PAIRS = 400
"""Numbers that are kept for the chart of answers against truth."""


@dataclass(frozen=True)
class ClassScore:
    """How one class is told from the others; a share of nothing has n = 0 and the interval 0 to 1."""

    name: str
    precision: Estimate
    """Of the answers that name it, how many are right; n is their number."""
    recall: Estimate
    """Of its examples, how many are found; n is their number."""
    f1: Estimate
    support: int
    """Examples of it in the test set."""


@dataclass(frozen=True)
class Evaluation:
    """What a model's answers to n examples are worth."""

    metrics: dict[str, Estimate]
    """By name, each with its interval and n."""
    n: int
    form: LabelForm = "class"
    """What the answers are."""
    per_class: tuple[ClassScore, ...] = ()
    """In the order of the classes or labels."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """(C, C) counts, truth in rows and answers in columns, where an input has one class."""
    reliability: tuple[Bin, ...] = ()
    """After temperature scaling; of sets, over all of their labels together."""
    reliability_raw: tuple[Bin, ...] = ()
    """Before it."""
    pairs: tuple[tuple[float, float], ...] = ()
    """(truth, answer) of numbers, at most 400 of them."""
    half_width: float = 0.0
    """Of the range given with a number, in the unit of the labels."""
    temperature: float = 1.0
    fingerprint: str = ""
    """sha-256 of the data that was asked."""
    notes: tuple[str, ...] = ()
    """What limits these numbers: absent classes, few examples."""

    def __getitem__(self, name: str) -> Estimate:
        return self.metrics[name]

    def to_json(self) -> dict[str, dict[str, float | int]]:
        """Return ``{"accuracy": {"value", "low", "high", "n"}, ...}``."""
        return {name: one.to_json() for name, one in self.metrics.items()}

    def __str__(self) -> str:
        """Return the table that ``print(model.report)`` shows."""
        wide = max(len(TITLES[name]) for name in self.metrics)
        lines = [f"{'':{wide}}   value   95 % interval"]
        for name, one in self.metrics.items():
            lines.append(f"{TITLES[name]:{wide}}  {one.value:6.3f}   {one.low:.3f} to {one.high:.3f}")
        lines.append(f"n = {self.n}" + (f", data {self.fingerprint[:12]}" if self.fingerprint else ""))
        worst = sorted((one for one in self.per_class if one.support), key=lambda one: one.f1.value)[:12]
        if worst:
            name_wide = min(max(len(repr(one.name)) - 2 for one in worst), 30)
            shown = len(worst) < len(self.per_class)
            title = f"weakest {len(worst)} classes" if shown else "classes"
            lines += ["", f"{title:{name_wide}}  precision  recall     F1    n"]
            for score in worst:
                # repr keeps a line feed or escape sequence in a class name from reaching the terminal.
                name = repr(score.name)[1:-1][:30]
                scores = (
                    f"{score.precision.value:9.3f} {score.recall.value:7.3f} {score.f1.value:6.3f} {score.support:4d}"
                )
                lines.append(f"{name:{max(name_wide, len(title))}}  {scores}")
        return "\n".join([*lines, *(["", *self.notes] if self.notes else [])])


def evaluate(
    task: "Task",
    logits: np.ndarray,
    targets: np.ndarray,
    *,
    temperature: float = 1.0,
    names: Sequence[str] | None = None,
    seed: int = 0,
    fingerprint: str = "",
) -> Evaluation:
    """Judge logits (n, outputs) against targets (n,) or (n, outputs) by the metrics named (default: the task's own).

    Raises DataError for empty, misshapen or non-finite input, UnknownNameError for a metric that is not of the task.
    ``calibration_error_raw`` comes along with ``calibration_error``.
    """
    wanted = _check_names(task, task.metrics if names is None else names)
    logits, targets = _check(task, logits, targets)
    judge = {"class": _judged_classes, "set": _judged_sets, "number": _judged_numbers}[task.form]
    answers, found = judge(task, logits, targets, temperature, seed)
    metrics, notes = {}, []
    for name in wanted:
        value = METRICS[name](answers)
        if value is None:
            notes.append(f"{TITLES[name]} is left out: {_ALIKE[task.form]}.")
        else:
            metrics[name] = value
    return Evaluation(
        metrics=metrics,
        n=len(targets),
        form=task.form,
        temperature=temperature,
        fingerprint=fingerprint,
        notes=(*notes, *_limits(found.get("per_class", ()))),
        **found,
    )


_ALIKE: dict[LabelForm, str] = {
    "class": "the examples are all of one class",
    "set": "no example has a label that it could be told by",
    "number": "all numbers are the same",
}
"""Why a metric is not defined."""

_Judged = tuple[Any, dict[str, Any]]
"""What the metrics see, and what else the evaluation holds."""


def _judged_classes(task: "Task", logits: np.ndarray, targets: np.ndarray, temperature: float, seed: int) -> _Judged:
    raw = task.probabilities(logits)
    probabilities = raw if temperature == 1.0 else task.probabilities(logits, temperature)
    answers = Answers(targets, logits.argmax(axis=1), probabilities, raw, seed)
    matrix = confusion_matrix(targets, answers.predicted, len(task.classes))
    return answers, {
        "per_class": class_scores(task.classes, matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)),
        "confusion": tuple(tuple(int(one) for one in row) for row in matrix),
        "reliability": reliability(probabilities.max(axis=1), answers.right),
        "reliability_raw": reliability(raw.max(axis=1), answers.right),
    }


def _judged_sets(task: "Task", logits: np.ndarray, targets: np.ndarray, temperature: float, seed: int) -> _Judged:
    probabilities, raw = task.probabilities(logits, temperature), task.probabilities(logits)
    said = (logits >= 0).astype(np.int64)
    right = (said == targets).astype(np.float64).ravel()
    hits = (said * targets).sum(axis=0)
    return Sets(targets, said, probabilities, seed), {
        "per_class": class_scores(task.classes, hits, targets.sum(axis=0), said.sum(axis=0)),
        "reliability": reliability(np.maximum(probabilities, 1 - probabilities).ravel(), right),
        "reliability_raw": reliability(np.maximum(raw, 1 - raw).ravel(), right),
    }


def _judged_numbers(task: "Task", logits: np.ndarray, targets: np.ndarray, temperature: float, seed: int) -> _Judged:
    numbers = cast("Regression", task)
    truth, said, half = numbers.values(targets), numbers.values(logits), numbers.half_width(temperature)
    # A step through the rows, not the first ones: data are often sorted.
    rows = np.unique(np.linspace(0, len(truth) - 1, min(PAIRS, len(truth))).astype(np.int64))
    pairs = tuple((float(truth[row]), float(said[row])) for row in rows)
    return Numbers(truth, said, half, seed), {"pairs": pairs, "half_width": half}


def class_scores(
    classes: Sequence[str], hits: np.ndarray, truth: np.ndarray, said: np.ndarray
) -> tuple[ClassScore, ...]:
    """Return precision, recall and F1 of each class from how often it was said rightly, is the truth, was said."""
    value, low, high = f1_of(hits, truth + said - hits)
    return tuple(
        ClassScore(
            name=name,
            precision=wilson(float(hits[row]), int(said[row])),
            recall=wilson(float(hits[row]), int(truth[row])),
            f1=Estimate(float(value[row]), float(low[row]), float(high[row]), int(truth[row] + said[row] - hits[row])),
            support=int(truth[row]),
        )
        for row, name in enumerate(classes)
    )


def _check_names(task: "Task", names: Sequence[str]) -> list[str]:
    known = [*task.metrics, *(["calibration_error_raw"] if "calibration_error" in task.metrics else [])]
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known, "graft list metrics")
    with_raw = [("calibration_error_raw", one) if one == "calibration_error" else (one,) for one in names]
    return list(dict.fromkeys(one for both in with_raw for one in both))


def _check(task: "Task", logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, targets = np.asarray(logits, np.float32), np.asarray(targets)
    outputs = task.outputs
    shape = (len(logits),) if task.form == "class" else (len(logits), outputs)
    if logits.ndim != 2 or logits.shape[1] != outputs or targets.shape != shape or not len(logits):
        wanted = f"(n, {outputs}) beside targets of ({'n,' if task.form == 'class' else f'n, {outputs}'}), n at least 1"
        raise DataError(must("logits", wanted, f"{logits.shape} beside {targets.shape}", "Give one row an example"))
    if not np.isfinite(logits).all():
        raise DataError(must("logits", "finite numbers", "infinity or not-a-number", "Train again at a lower rate"))
    if task.form == "number":
        return logits, targets.astype(np.float64)
    targets, most = targets.astype(np.int64), outputs - 1 if task.form == "class" else 1
    if targets.min() < 0 or targets.max() > most:
        got = f"{targets.min()} to {targets.max()}"
        raise DataError(must("targets", f"from 0 to {most}", got, "Give labels that the model knows"))
    return logits, targets


def _limits(per_class: tuple[ClassScore, ...]) -> list[str]:
    absent = [one.name for one in per_class if one.support == 0]
    few = [one.name for one in per_class if 0 < one.support < 10]
    notes = []
    if absent:
        said = ", ".join(repr(name) for name in absent[:5]) + (" ..." if len(absent) > 5 else "")
        verb, them = ("class has", "it") if len(absent) == 1 else ("classes have", "them")
        notes.append(f"{len(absent)} {verb} no example here, so recall and rankings leave {them} out: {said}.")
    if few:
        verb, them = ("class has", "it") if len(few) == 1 else ("classes have", "them")
        notes.append(f"{len(few)} {verb} fewer than 10 examples here: read what is said of {them} with care.")
    return notes
