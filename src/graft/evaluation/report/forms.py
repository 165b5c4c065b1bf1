"""What a report and a card say of answers by what they are: one class, a set of labels, or a number."""

from graft.evaluation.judged import Evaluation
from graft.evaluation.report.content import ReportData
from graft.evaluation.report.words import count, metric, plural, share
from graft.types import LabelForm

UNBOUNDED = ("log_loss", "mae", "rmse")
"""Metrics without an upper end, which get no bar."""
_TITLES: dict[LabelForm, dict[str, str]] = {
    "class": {},
    "set": {"classes": "Labels"},
    "number": {"classes": "Answers and truth", "calibration": "Range"},
}
UNCHECKED = "Labels that are numbers are not checked: this looks for classes that out-of-fold answers contradict."


def section_title(evaluation: Evaluation, key: str, usual: str) -> str:
    """Return the title of a section for these answers."""
    return _TITLES[evaluation.form].get(key, usual)


def in_sentence(title: str) -> str:
    """Return a metric's title as it stands within a sentence: ``accuracy``, but ``R2``."""
    return title if title[1:2].isdigit() else title.lower()


def kinds(data: ReportData) -> str:
    """Return what the model answers with, in a word or two: ``3 classes``."""
    if data.evaluation.form == "number":
        return "numbers"
    one, many = ("label", "labels") if data.evaluation.form == "set" else ("class", "classes")
    return plural(len(data.model.classes), one, many)


def does(data: ReportData) -> str:
    """Return what the model does, without a full stop."""
    if data.evaluation.form == "number":
        return "gives a number for each input"
    if data.evaluation.form == "set":
        return f"says which of {kinds(data)} an input has"
    return f"tells {kinds(data)} apart"


def lede(data: ReportData) -> str:
    """Return the sentence under the headline."""
    shown = data.evaluation
    start, of = f"This model {does(data)}.", f"Of {plural(shown.n, 'example')} that it never saw while it was made,"
    if "accuracy" in shown.metrics:
        return f"{start} {of} it got {count(round(shown.metrics['accuracy'].value * shown.n))} right."
    if "exact_match" in shown.metrics:
        right = count(round(shown.metrics["exact_match"].value * shown.n))
        return f"{start} {of} it got all labels of {right} right."
    if "mae" in shown.metrics:
        off = metric("mae", shown.metrics["mae"].value)
        return f"{start} {of} its answers were {off} off on average."
    return start


def range_words(evaluation: Evaluation) -> str:
    """Return what is to be said of the range that comes with each number."""
    said = (
        f"Each number comes with a range of ±{metric('mae', evaluation.half_width)}, as wide as the errors on answers "
        "that training had not seen: it is meant to hold the truth in 95 of 100 cases."
    )
    held = evaluation.metrics.get("coverage")
    if held is None:
        return said
    return f"{said} Here it held {share(held.value)} (95 % interval {share(held.low)} to {share(held.high)})."


def limits(data: ReportData) -> list[str]:
    """Return what a user of the model must know of its answers, for the card."""
    shown = data.evaluation
    if shown.form == "number":
        return [
            "It always answers with a number, also for inputs of another kind, and hardly beyond the numbers it was "
            "trained on.",
            f"The range of ±{metric('mae', shown.half_width)} that comes with each answer is as wide as its errors on "
            "validation data; it holds only for inputs of the same kind.",
        ]
    always = (
        "It knows no other labels than these; an input may get none of them."
        if shown.form == "set"
        else "It always answers with one of its classes, also for inputs that are none of them."
    )
    return [
        always,
        f"Probabilities are calibrated on validation data (temperature {shown.temperature:.2f}); they hold only for "
        "inputs of the same kind.",
    ]
