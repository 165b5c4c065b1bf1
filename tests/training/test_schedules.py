"""Learning-rate schedules."""

import pytest

from graft.training.schedules import factor

STEPS = 100


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "constant"])
def test_rises_to_the_peak_and_never_leaves_its_bounds(schedule):
    values = [factor(schedule, step, STEPS, 0.1) for step in range(STEPS)]
    assert all(0 < value <= 1 for value in values)
    assert values[0] < 0.2
    assert max(values) == pytest.approx(1, abs=0.01)
    peak = values.index(max(values))
    assert values[:peak] == sorted(values[:peak])
    assert values[peak:] == sorted(values[peak:], reverse=True)


def test_where_they_end():
    assert factor("constant", STEPS - 1, STEPS, 0.1) == 1
    assert factor("cosine", STEPS - 1, STEPS, 0.1) < 0.01
    assert factor("one_cycle", STEPS - 1, STEPS, 0.1) < 0.01


def test_one_cycle_peaks_late():
    assert factor("one_cycle", 20, STEPS, 0.1) < factor("cosine", 20, STEPS, 0.1)


def test_no_warm_up_and_one_step():
    assert factor("cosine", 0, STEPS, 0) == 1
    for schedule in ("cosine", "one_cycle", "constant"):
        assert 0 < factor(schedule, 0, 1, 0.1) <= 1
