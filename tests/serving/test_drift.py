"""Watching: the rate of false alarms is the stated one, drift is seen, statistics are bounded, others are refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binom

from graft.doubt.judging import Calibration, Doubt, Reference
from graft.doubt.likeness import Nearest
from graft.errors import DataError, SettingError
from graft.serving import drift
from graft.serving.drift import Rolling, energy, of_file

WIDTH, PROJECTED = 20, 6


def made(seed=0, m=120):
    draw = np.random.default_rng(seed)
    training = draw.normal(size=(m, WIDTH)).astype(np.float32)
    projection = draw.normal(size=(WIDTH, PROJECTED)).astype(np.float32)
    likeness = Nearest.fit(training, np.zeros(m))
    scores = likeness.score(draw.normal(size=(200, WIDTH)))
    return Doubt(
        likeness=likeness,
        above=float(np.quantile(scores, 0.98)),
        share=0.02,
        form="class",
        calibration=Calibration(scores.astype(np.float32)),
        reference=Reference(projection, training @ projection),
    )


def inputs(n, seed=1, away=0.0):
    return (np.random.default_rng(seed).normal(size=(n, WIDTH)) + away).astype(np.float32)


def test_equal_sources_raise_false_alarms_as_often_as_stated(monkeypatch):
    monkeypatch.setattr(drift, "SHUFFLES", 99)
    draw, looks, level = np.random.default_rng(0), 400, 0.05
    # Skewed values of unlike scales and unlike numbers: nothing that the test could lean on.
    alarms = 0
    for number in range(looks):
        one, other = (draw.exponential(size=(n, 3)) ** 2 * (1, 10, 0.1) for n in (25, 40))
        alarms += energy(one, other, seed=number)[1] <= level
    assert binom.ppf(0.001, looks, level) <= alarms <= binom.ppf(0.999, looks, level)


def test_energy_is_that_of_its_definition():
    one, other = inputs(15), inputs(20, seed=2, away=0.5)
    apart = lambda a, b: np.linalg.norm(a[:, None].astype(float) - b, axis=2).mean()  # noqa: E731
    wanted = 2 * apart(one, other) - apart(one, one) - apart(other, other)
    assert energy(one, other)[0] == pytest.approx(wanted, rel=1e-3)


def test_equal_rows_are_no_drift():
    assert energy(np.ones((30, 2)), np.ones((30, 2)))[1] == 1.0


def test_drift_is_seen_once_there_are_enough_inputs():
    rolling = Rolling(made(), size=60)
    rolling.add(inputs(59), np.full(59, 0.9))
    assert rolling.look() is None
    rolling.add(inputs(1))
    first = rolling.look()
    assert first is rolling.look()
    assert (first.n, first.reference, first.alarm, rolling.looks) == (60, 120, False, 1)
    assert first.sure == pytest.approx(0.9)
    rolling.add(inputs(60, seed=5, away=0.6))
    second = rolling.look()
    assert (second.alarm, second.p_value, rolling.looks, rolling.alarms) == (True, 0.001, 2, 1)
    assert "Drift" in second.sentence()
    assert "No drift" in first.sentence()


def test_no_input_is_looked_at_twice():
    rolling = Rolling(made(), size=40)
    for number in range(9):
        rolling.add(inputs(15, seed=number))
        rolling.look()
    assert (rolling.total, rolling.looks) == (135, 3)


def test_memory_is_bounded_and_no_input_is_kept():
    rolling = Rolling(made(), size=50)
    rolling.add(inputs(20))
    small = len(json.dumps(rolling.to_json()))
    rolling.add(inputs(400))
    full = len(json.dumps(rolling.to_json()))
    rolling.add(inputs(4000))
    assert abs(len(json.dumps(rolling.to_json())) - full) < 20
    assert small < full < 50 * (PROJECTED + 3) * 6 + 400
    assert rolling.to_json()["total"] == 4420


def test_statistics_go_through_a_file(tmp_path):
    rolling, file = Rolling(made(), size=80), tmp_path / "statistics.json"
    rolling.add(inputs(200, seed=7, away=0.5), np.full(200, 0.7))
    file.write_text(json.dumps(rolling.to_json()))
    assert of_file(file, made()) == rolling.look()
    with pytest.raises(DataError, match="of this model"):
        of_file(file, made(seed=3))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"values": "AAAA"},
        {"values": 3},
        {"told": ""},
        {"values": "%%%"},
        {"model": None},
        {"told": None},
    ],
)
def test_changed_statistics_are_refused(change, tmp_path):
    rolling, file = Rolling(made()), tmp_path / "statistics.json"
    rolling.add(inputs(30))
    file.write_text(json.dumps({**rolling.to_json(), **change}))
    with pytest.raises(DataError, match=r"--log must be .*\. Got"):
        of_file(file, made())


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_statistics_is_refused(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"--log must be .*\. Got"):
        of_file(tmp_path / "a.json", made())
    with pytest.raises(DataError, match="can be read"):
        of_file(tmp_path / "absent.json", made())


def test_too_few_inputs_are_said_to_be_so(tmp_path):
    rolling, file = Rolling(made()), tmp_path / "a.json"
    rolling.add(inputs(5))
    file.write_text(json.dumps(rolling.to_json()))
    with pytest.raises(DataError, match="of 20 inputs or more"):
        of_file(file, made())


def test_features_of_another_network_are_refused():
    for bad in (inputs(3)[:, :5], inputs(3)[0], np.full((2, WIDTH), np.nan)):
        with pytest.raises(DataError, match="features must be finite"):
            Rolling(made()).add(bad)


@pytest.mark.parametrize("rate", [0, 0.001, 1, 2])
def test_rates_that_cannot_be_told_are_refused(rate):
    with pytest.raises(SettingError, match="--false-alarm must be"):
        drift.checked(rate)


def test_what_a_server_needs_brings_no_torch():
    code = "import sys, graft.serving.caution, graft.serving.drift, graft.doubt.kept; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "numpy" in loaded
    assert not {"torch", "scipy", "PIL"} & set(loaded)
