"""The report: one HTML file that shows what a model is, how good it is and where it fails, and loads nothing."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from graft.evaluation.intervals import wilson
from graft.evaluation.metrics import TITLES
from graft.evaluation.report import charts, forms, words
from graft.evaluation.report.content import (
    Alike,
    Doubts,
    Mistake,
    ModelFacts,
    ReportData,
    Rung,
    Suspect,
    address,
)
from graft.evaluation.report.scatter import scatter

__all__ = ["Alike", "Doubts", "Mistake", "ModelFacts", "ReportData", "Rung", "Suspect", "render"]

SECTIONS = (
    ("summary", "Summary"),
    ("ladder", "The ladder"),
    ("classes", "Classes"),
    ("calibration", "Calibration"),
    ("doubts", "What it does not know"),
    ("training", "Training"),
    ("learning-curve", "More labels"),
    ("mistakes", "Mistakes"),
    ("data", "The data"),
    ("recipe", "Recipe"),
    ("provenance", "Provenance"),
)
"""Anchor and title of every section, in order."""

MATRIX_UP_TO = 30
"""With more classes the confusion matrix gives way to the list of pairs."""
_PICTURE_BYTES = 2_400_000
_SOUND_BYTES = 2_400_000
_MEANINGS = {
    "accuracy": "right answers among all",
    "balanced_accuracy": "mean recall of the classes, each counting alike",
    "macro_f1": "precision and recall in one, each class counting alike",
    "log_loss": "surprise at the truth, in nats; lower is better",
    "roc_auc": "how well each class is ranked above the rest",
    "calibration_error_raw": "gap between certainty and truth before scaling; lower is better",
    "calibration_error": "the same after temperature scaling; lower is better",
    "item_f1": "labels of an input that were found and rightly said, mean over inputs",
    "micro_f1": "the same over all labels of all inputs together",
    "mean_average_precision": "how well each label ranks the inputs that have it first",
    "exact_match": "inputs whose labels were all right",
    "r2": "share of the truth's variance that the answers explain",
    "mae": "how far off an answer is on average; lower is better",
    "rmse": "the same with large errors counting more; lower is better",
    "spearman": "how well the answers rank the inputs",
    "coverage": "how often the truth was in the range given with the answer; 95 % is meant",
}


class _Album:
    """Hands out pictures, or sounds, as ``data:`` addresses until the file would grow too large."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self.left_out = 0

    def address(self, content: bytes) -> str:
        """Return the address, or an empty string where the content does not fit in."""
        try:
            found = address(content)
        except ValueError:
            found = ""
        if not found or self.used + len(found) > self.most:
            self.left_out += 1
            return ""
        self.used += len(found)
        return found


@cache
def _template() -> Template:
    # Escaping is on for everything; only charts and names come as Markup, which escape for themselves.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {**words.FILTERS, "plural": words.plural}
    return environment.from_string(Path(__file__).with_name("page.html.j2").read_text("utf-8"))


@cache
def _style() -> Markup:
    return Markup(Path(__file__).with_name("style.css").read_text("utf-8"))  # noqa: S704 - a file of this package


def prepare() -> None:
    """Make ready what is the same for all reports: it takes longer than writing one."""
    _template()


def render(data: ReportData) -> str:
    """Return the report as one self-contained HTML page; every name in it is escaped, nothing in it is loaded."""
    shown = data.evaluation
    headline = next(iter(shown.metrics), "")
    tested = [one for one in shown.per_class if one.support or one.precision.n]
    few = len(data.model.classes) <= MATRIX_UP_TO
    return _template().render(
        d=data,
        e=shown,
        sections=[(key, forms.section_title(shown, key, title)) for key, title in SECTIONS],
        kinds=forms.kinds(data),
        unbounded=forms.UNBOUNDED,
        unchecked=forms.UNCHECKED,
        scatter=scatter(shown.pairs, shown.half_width) if shown.pairs else "",
        style=_style(),
        album=_Album(_PICTURE_BYTES),
        sounds=_Album(_SOUND_BYTES),
        titles=TITLES,
        meanings=_MEANINGS,
        headline=headline,
        headline_title=forms.in_sentence(TITLES.get(headline, "")),
        lede=forms.lede(data),
        metric=words.metric,
        data=words.data,
        bar=charts.bar,
        plain_bar=charts.plain_bar,
        matrix=charts.matrix(shown.confusion, data.model.classes) if few and shown.confusion else "",
        pairs=_pairs(data, 8 if few else 20),
        weakest=sorted(tested, key=lambda one: (one.f1.value, one.name)),
        shown_classes=30 if few else 20,
        calibration_words=_calibration_words(data),
        reliability=charts.reliability(shown.reliability, shown.reliability_raw) if shown.reliability else "",
        certainty=charts.certainty(shown.reliability) if shown.reliability else "",
        abstaining=charts.abstaining(data.doubts) if data.doubts and data.doubts.curve else "",
        curves=[(one.strategy, _curves(one)) for one in data.ladder if len(one.history) > 1],
        learning=charts.learning(data.curve) if data.curve else "",
        with_marks=any(one.marks for one in data.mistakes),
        with_heat=any(one.heat for one in data.mistakes),
        parts_words=_parts_words(data),
        recipe="\n".join(words.shown(line) for line in data.recipe.splitlines()),
        longest=max(data.seconds.values(), default=0.0) or 1.0,
    )


def _pairs(data: ReportData, most: int) -> list[dict[str, Any]]:
    """Return the most confused pairs of classes, the most frequent first."""
    classes, found = data.model.classes, []
    for row, counts in enumerate(data.evaluation.confusion):
        total = sum(counts)
        found += [(times, total, row, column) for column, times in enumerate(counts) if times and row != column]
    found.sort(key=lambda one: (-one[0], one[1], one[2], one[3]))
    return [
        {"truth": classes[row], "said": classes[column], "times": times, "total": total, "share": wilson(times, total)}
        for times, total, row, column in found[:most]
    ]


def _curves(rung: Rung) -> list[Markup]:
    """Return the charts of one rung: losses, and the score on validation data."""

    def line(key: str) -> list[tuple[float, float]]:
        points = [(float(one.get("epoch", row)), float(one[key])) for row, one in enumerate(rung.history) if key in one]
        return [(x, y) for x, y in points if y - y == 0]

    losses = [(title, line(key)) for key, title in (("train_loss", "training"), ("val_loss", "validation"))]
    losses = [one for one in losses if len(one[1]) > 1]
    found = [charts.lines(losses, f"Losses of {rung.strategy} by epoch", "epoch", "loss")] if losses else []
    score = line("val_score")
    if len(score) > 1:
        title = f"Validation score of {rung.strategy} by epoch"
        found.append(charts.lines([("validation", score)], title, "epoch", "score", per_cent=True))
    return found


def _calibration_words(data: ReportData) -> str:
    metrics = data.evaluation.metrics
    if data.evaluation.form == "number":
        return forms.range_words(data.evaluation)
    start = "On the dotted line an answer given with 80 % certainty is right 80 times in 100."
    if "calibration_error" not in metrics or "calibration_error_raw" not in metrics:
        return start
    before, after = metrics["calibration_error_raw"], metrics["calibration_error"]
    return (
        f"{start} The mean gap to it was {words.share(before.value)} before temperature scaling and is "
        f"{words.share(after.value)} after it (95 % interval {words.share(after.low)} to {words.share(after.high)})."
    )


def _parts_words(data: ReportData) -> str:
    titles = {"train": "to train on", "val": "to choose by", "test": "to judge by, opened once"}
    if not data.parts:
        return "The sizes of the parts were not recorded."
    said = ", ".join(f"{words.count(size)} {titles.get(part, part)}" for part, size in data.parts.items())
    return f"{words.plural(sum(data.parts.values()), 'example')}: {said}."
