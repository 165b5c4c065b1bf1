"""Charts as hand-written SVG: coloured by the page's style alone, readable on a phone, each with a title in words."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import LiteralString

from markupsafe import Markup

from graft.evaluation.calibration import Bin
from graft.evaluation.learning_curve import LearningCurve
from graft.evaluation.report.content import Doubts
from graft.evaluation.report.words import share, shown
from graft.types import Estimate

WIDTH, HEIGHT = 420, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 30, 40

Line = tuple[str, Sequence[tuple[float, float]]]
"""A name and its points."""


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about as many as wanted."""
    span = max(high - low, 1e-9)
    rough = span / wanted
    power = 10 ** floor(log10(rough))
    step = next(power * one for one in (1, 2, 2.5, 5, 10) if power * one >= rough * 0.999)
    return [round(step * one, 10) for one in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def filled(shape: LiteralString, *values: object) -> Markup:
    """Return SVG written here, its ``{}`` filled with escaped values."""
    return Markup(shape).format(*values)  # noqa: S704 - the shape is a literal; whatever varies is escaped


class Frame:
    """A pair of axes, and what was drawn on them."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, log_x: bool = False) -> None:
        self.x, self.y, self.log_x = x, y, log_x
        self.drawn: list[Markup] = []

    def across(self, value: float) -> float:
        """Return the place of a value on the horizontal axis, in pixels."""
        low, high, here = (log10(one) for one in (*self.x, value)) if self.log_x else (*self.x, value)
        part = (here - low) / (high - low) if high > low else 0.5
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def down(self, value: float) -> float:
        """Return the place of a value on the vertical axis, in pixels."""
        low, high = self.y
        part = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - _BOTTOM - part * (HEIGHT - _BOTTOM - _TOP), 1)

    def add(self, shape: LiteralString, *values: object) -> None:
        """Draw a shape whose ``{}`` are filled with escaped values."""
        self.drawn.append(filled(shape, *values))

    def axes(self, x: Sequence[tuple[float, str]], y: Sequence[tuple[float, str]], x_title: str, y_title: str) -> None:
        """Draw the grid, the labels (value, text) of both axes and their titles."""
        for value, text in y:
            self.add(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>',
                _LEFT,
                WIDTH - _RIGHT,
                self.down(value),
                self.down(value),
            )
            self.add('<text class="tick end" x="{}" y="{}">{}</text>', _LEFT - 7, self.down(value) + 4, text)
        for value, text in x:
            self.add('<text class="tick mid" x="{}" y="{}">{}</text>', self.across(value), HEIGHT - _BOTTOM + 17, text)
        self.add('<text class="axis end" x="{}" y="{}">{}</text>', WIDTH - _RIGHT, HEIGHT - 4, x_title)
        self.add('<text class="axis" x="{}" y="{}">{}</text>', 0, 10, y_title)

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        path = " ".join(f"{self.across(x)},{self.down(y)}" for x, y in points)
        self.add('<polyline class="line {}" points="{}"/>', kind, path)

    def whisker(self, x: float, one: Estimate, kind: str, title: str) -> None:
        """Draw a point with its interval."""
        at, low, high = self.across(x), self.down(one.low), self.down(one.high)
        self.add('<g><title>{}</title><line class="whisker {}" x1="{}" x2="{}"', title, kind, at, at)
        self.add(' y1="{}" y2="{}"/><circle class="dot {}" cx="{}" cy="{}" r="3.5"/></g>', low, high, kind, at,
                 self.down(one.value))  # fmt: skip

    def svg(self, title: str) -> Markup:
        """Return the drawing, ``title`` saying in words what it shows."""
        return _svg(WIDTH, HEIGHT, title, self.drawn)


def _svg(width: float, height: float, title: str, drawn: Sequence[Markup], kind: str = "chart") -> Markup:
    start = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="{}" width="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>'
    )
    return start.format(kind, width, width, height, shown(title)) + Markup("").join(drawn) + Markup("</svg>")


def bar(one: Estimate, *, low: float = 0.0, high: float = 1.0, kind: str = "first", title: str = "") -> Markup:
    """Return one bar from ``low`` to the value with its interval; as wide as its place, without a scale of its own."""

    def at(value: float) -> str:
        return f"{100 * min(max((value - low) / (high - low), 0.0), 1.0):.2f}%"

    words = title or f"{one.value:.3f}, 95 % interval {one.low:.3f} to {one.high:.3f}, n = {one.n}"
    # A pair of nested drawings leaves room at both ends, where a whisker's end would be cut off.
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="bar" role="img" height="14"><title>{}</title>'
        '<rect class="track" x="0" y="3" width="100%" height="8" rx="2"/>'
        '<rect class="fill {}" x="0" y="3" width="{}" height="8" rx="2"/>'
        '<line class="span" x1="{}" x2="{}" y1="7" y2="7"/>'
        '<line class="span" x1="{}" x2="{}" y1="3.5" y2="10.5"/><line class="span" x1="{}" x2="{}" y1="3.5" y2="10.5"/>'
        "</svg>"
    ).format(shown(words), kind, at(one.value), at(one.low), at(one.high), *(at(one.low),) * 2, *(at(one.high),) * 2)


def plain_bar(share_of_all: float, title: str) -> Markup:
    """Return one bar without an interval, for a share in 0..1."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="bar" role="img" height="14"><title>{}</title>'
        '<rect class="fill first" x="0" y="3" width="{}%" height="8" rx="2"/></svg>'
    ).format(shown(title), f"{100 * share_of_all:.2f}")


def lines(series: Sequence[Line], title: str, x_title: str, y_title: str, *, per_cent: bool = False) -> Markup:
    """Return lines over epochs, each named at its end."""
    points = [point for _, line in series for point in line]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    pad = 0.06 * (max(ys) - min(ys)) or 0.05
    frame = Frame((min(xs), max(xs)), (min(ys) - 2.5 * pad, max(ys) + pad))
    whole = sorted({round(one) for one in ticks(min(xs), max(xs), 6) if one == round(one)})
    marks = [(one, share(one, 0) if per_cent else f"{one:g}") for one in ticks(*frame.y)]
    frame.axes([(float(one), str(one)) for one in whole], marks, x_title, y_title)
    highest = max(line[-1][1] for _, line in series)
    for index, (name, line) in enumerate(series):
        kind = ("first", "second", "third")[index % 3]
        frame.line(line, kind)
        # The name stands clear of the part of the line that it is over: above the uppermost line, below the others.
        near = [frame.down(y) for x, y in line if frame.across(x) > WIDTH - _RIGHT - 80]
        place = min(near) - 8 if line[-1][1] == highest else max(near) + 16
        frame.add('<text class="label end {}" x="{}" y="{}">{}</text>', kind, WIDTH - _RIGHT, round(place, 1), name)
    return frame.svg(title)


def reliability(after: Sequence[Bin], before: Sequence[Bin]) -> Markup:
    """Return how often the model is right against how sure it is, before and after temperature scaling."""
    frame = Frame((0.0, 1.0), (0.0, 1.0))
    marks = [(one, share(one, 0)) for one in (0.0, 0.25, 0.5, 0.75, 1.0)]
    frame.axes(marks, marks, "how sure it is", "how often it is right")
    frame.add('<line class="ideal" x1="{}" y1="{}" x2="{}" y2="{}"/>', frame.across(0), frame.down(0), frame.across(1),
              frame.down(1))  # fmt: skip
    for bins, kind, when in ((before, "faint", "before"), (after, "first", "after")):
        frame.line([(one.confidence, one.accuracy.value) for one in bins], f"thin {kind}")
        for one in bins:
            words = f"{when} scaling: sure to {share(one.confidence)}, right {share(one.accuracy.value)}"
            frame.whisker(one.confidence, one.accuracy, kind, f"{words} of {one.accuracy.n}")
    return frame.svg("Reliability: share of right answers against the confidence they were given with")


def certainty(bins: Sequence[Bin]) -> Markup:
    """Return how many answers were given with how much certainty."""
    counts = [one.accuracy.n for one in bins]
    frame = Frame((0.0, 1.0), (0.0, 1.08 * max(counts)))
    numbers = [(one, f"{one:,.0f}") for one in ticks(*frame.y) if one == round(one)]
    frame.axes([(one, share(one, 0)) for one in (0.0, 0.25, 0.5, 0.75, 1.0)], numbers, "how sure it is", "answers")
    for one in bins:
        left, right, top = frame.across(one.low), frame.across(one.high), frame.down(one.accuracy.n)
        words = f"{one.accuracy.n} answers given with {share(one.low, 0)} to {share(one.high, 0)}"
        frame.add('<g><title>{}</title><rect class="fill first" x="{}" y="{}"', words, left + 1, top)
        frame.add(' width="{:.1f}" height="{:.1f}" rx="2"/></g>', right - left - 2, frame.down(0) - top)
    return frame.svg("Number of answers by the certainty they were given with")


def learning(curve: LearningCurve) -> Markup:
    """Return accuracy by number of labels, the curve through it, and what is expected of twice the labels."""
    ends = [one.accuracy for one in curve.points] + ([curve.expected] if curve.expected else [])
    low, high = min(one.low for one in ends), min(1.0, max(one.high for one in ends))
    first, last = curve.points[0].labels, curve.points[-1].labels
    right = curve.ahead if curve.expected else last
    pad = 0.05 * (high - low) or 0.05
    frame = Frame((first / 1.15, right * 1.15), (max(0.0, low - pad), min(1.0, high + pad)), log_x=True)
    labels = [(float(one.labels), f"{one.labels:,}") for one in curve.points]
    ahead = [(float(curve.ahead), f"{curve.ahead:,}")] if curve.expected else []
    marks = [(one, share(one, 0 if one * 100 == round(one * 100) else 1)) for one in ticks(*frame.y)]
    frame.axes(_apart(labels + ahead, frame), marks, "labelled examples", "accuracy of the linear probe")
    if curve.expected:
        steps = [first * (right / first) ** (one / 40) for one in range(41)]
        frame.line([(one, curve.at(one)) for one in steps if one <= last], "thin first")
        frame.line([(one, curve.at(one)) for one in steps if one >= last], "thin first dashed")
        words = f"{curve.ahead} labels: {share(curve.expected.value)} expected"
        frame.whisker(curve.ahead, curve.expected, "second", words)
    for one in curve.points:
        frame.whisker(one.labels, one.accuracy, "first", f"{one.labels} labels: {share(one.accuracy.value)}")
    return frame.svg("Learning curve: accuracy by the number of labelled examples")


def abstaining(doubts: Doubts) -> Markup:
    """Return how often given answers are wrong by how many are given, and the place of the promise."""
    top = max(1e-3, *(one.high for _, one in doubts.curve), doubts.asked or 0.0)
    frame = Frame((0.0, 1.0), (0.0, min(1.0, 1.08 * top)))
    marks = [(one, share(one, 0 if one * 100 == round(one * 100) else 1)) for one in ticks(*frame.y)]
    frame.axes([(one, share(one, 0)) for one in (0.0, 0.25, 0.5, 0.75, 1.0)], marks, "answers given", "of them wrong")
    frame.line([(at, one.value) for at, one in doubts.curve], "first")
    frame.line([(at, one.high) for at, one in doubts.curve], "thin first dashed")
    frame.line([(at, one.low) for at, one in doubts.curve], "thin first dashed")
    if doubts.given is not None and doubts.asked is not None:
        frame.line([(0.0, doubts.asked), (1.0, doubts.asked)], "thin second dashed")
        frame.line([(doubts.given, 0.0), (doubts.given, frame.y[1])], "thin second")
    return frame.svg("Share of wrong answers by the share of answers that are given, with 95 % intervals")


def _apart(marks: Sequence[tuple[float, str]], frame: Frame) -> list[tuple[float, str]]:
    """Leave out labels that would touch the next, the last one staying."""
    kept: list[tuple[float, str]] = []
    for one in reversed(marks):
        if not kept or frame.across(kept[-1][0]) - frame.across(one[0]) > 12 + 7 * len(one[1]):
            kept.append(one)
    return kept


def matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """Return the confusion matrix: truth in rows, answers in columns, shaded by share of the row."""
    n = len(classes)
    names = [_short(one) for one in classes]
    cell = 40 if n <= 12 else 25
    left = 12 + 6.6 * max(len(one) for one in names)
    # Column names stand at 45 degrees, so they are as high as they are wide, and the last leans out to the right.
    top = 8 + 4.9 * max(len(one) for one in names)
    drawn: list[Markup] = []

    def add(shape: LiteralString, *values: object) -> None:
        drawn.append(filled(shape, *values))

    for row, name in enumerate(names):
        y, x = top + cell * row + cell / 2, left + cell * row + cell / 2
        add('<text class="tick end" x="{:.1f}" y="{:.1f}">{}</text>', left - 8, y + 4, name)
        add('<text class="tick" transform="translate({:.1f} {:.1f}) rotate(-45)">{}</text>', x, top - 6, name)
        total = max(sum(confusion[row]), 1)
        for column, number in enumerate(confusion[row]):
            box = (left + cell * column, top + cell * row, cell - 2)
            if not number:
                add('<rect class="empty" x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="3"/>', *box, box[2])
                continue
            kind, power = ("first", 1.0) if row == column else ("second", 0.6)
            opacity = 0.14 + 0.86 * (number / total) ** power
            said = f"{number} of {total} {shown(classes[row])} taken for {shown(classes[column])}"
            add("<g><title>{}</title>", said)
            add(
                '<rect class="cell {}" fill-opacity="{:.2f}" x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="3"/>',
                kind,
                opacity,
                *box,
                box[2],
            )
            dark = " inside" if opacity > 0.62 else ""
            add('<text class="number mid{}" x="{:.1f}" y="{:.1f}">{}</text></g>', dark, box[0] + cell / 2 - 1,
                box[1] + cell / 2 + 3, number)  # fmt: skip
    width = left + cell * n + 4.9 * len(names[-1]) + 4
    title = f"Confusion matrix of {n} classes: truth in rows, answers in columns"
    wide = "chart matrix small" if n <= 6 else "chart matrix" if n <= 20 else "chart matrix wide"
    return _svg(round(width, 1), round(top + cell * n + 2, 1), title, drawn, wide)


def _short(name: str, letters: int = 14) -> str:
    text = shown(name)
    return text if len(text) <= letters else text[: letters - 1] + "…"
