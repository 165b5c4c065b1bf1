"""Charts: round ticks, places that follow from the values, and odd values that break nothing."""

import re

import pytest

from graft.evaluation.calibration import Bin
from graft.evaluation.intervals import wilson
from graft.evaluation.learning_curve import LearningCurve, Point
from graft.evaluation.report import charts, words
from graft.types import Estimate


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.83, 0.91, [0.84, 0.86, 0.88, 0.9]), (0, 12, [0, 2.5, 5, 7.5, 10])],
)
def test_ticks_are_round(low, high, expected):
    assert charts.ticks(low, high) == pytest.approx(expected)


def test_a_bar_is_as_long_as_its_value():
    drawing = charts.bar(Estimate(0.25, 0.2, 0.5, 40))
    assert 'width="25.00%" height="8"' in drawing
    assert 'x1="20.00%" x2="50.00%"' in drawing
    assert "n = 40" in drawing


def test_a_frame_puts_the_ends_of_the_axes_at_its_ends():
    frame = charts.Frame((0, 10), (0, 1))
    assert frame.across(0) < frame.across(5) < frame.across(10)
    assert frame.across(5) == pytest.approx((frame.across(0) + frame.across(10)) / 2, abs=0.1)
    assert frame.down(0) > frame.down(1)
    assert frame.down(7) == frame.down(1)


def test_lines_that_do_not_vary_can_be_drawn():
    drawing = charts.lines([("a", [(1, 0.5), (2, 0.5)])], "t", "x", "y")
    assert "nan" not in drawing
    assert drawing.count("<polyline") == 1


def test_names_at_line_ends_do_not_touch():
    drawing = charts.lines([("up", [(1, 0.5), (9, 0.51)]), ("low", [(1, 0.5), (9, 0.5)])], "t", "x", "y")
    places = [float(y) for y in re.findall(r'class="label end \w+" x="[\d.]+" y="([\d.]+)"', drawing)]
    assert abs(places[0] - places[1]) > 14


def test_a_curve_without_extrapolation_can_be_drawn():
    points = (Point(10, wilson(5, 10), 0.1), Point(20, wilson(6, 10), 0.1))
    drawing = charts.learning(LearningCurve(points, None, None, None, 40, None, None, ""))
    assert drawing.count("<circle") == 2
    assert "dashed" not in drawing


def test_reliability_of_one_bin():
    drawing = charts.reliability([Bin(0.9, 1.0, 0.95, wilson(3, 3))], [])
    assert drawing.count("<circle") == 1


@pytest.mark.parametrize(
    ("value", "said"), [(0.8634, "86.3 %"), (1.0, "100.0 %"), (0.9999, "99.9 %"), (0.0, "0.0 %"), (0.5, "50.0 %")]
)
def test_shares_never_round_up_to_all(value, said):
    assert words.share(value).replace("\u00a0", " ") == said


def test_other_words():
    assert words.p_value(1e-9) == "< 0.001"
    assert words.p_value(None) == "–"
    assert words.seconds(125) == "2 min 05 s"
    assert words.seconds(0.012).replace("\u00a0", " ") == "12 ms"
    assert words.count(3_400_000) == "3.4 M"
    assert words.count(12_810) == "12,810"
    assert words.plural(1, "class", "classes") == "1 class"
    assert words.shown("a\nb\u202ec\ud800") == "a\\u000ab\\u202ec\\ud800"
    assert words.path("../x/<b>.jpg") == '<bdi class="path" title="../x/&lt;b&gt;.jpg">&lt;b&gt;.jpg</bdi>'
