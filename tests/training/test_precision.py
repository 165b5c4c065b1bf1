"""The choice of precision and layout by measurement."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from graft.training import Numerics, precision
from graft.training.precision import Choice, Sample
from graft.training.problem import Model


@pytest.fixture
def given(modules, monkeypatch):
    monkeypatch.setattr(precision, "_MEASURED", {})
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    inputs = torch.randn(4, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    model = Model(*modules()).eval()
    return Sample(model, inputs, torch.tensor([0, 1, 2, 0]), functional.cross_entropy, lambda copied: copied.train(), 9)


def measured(monkeypatch, table):
    """Let every way take the time and give the loss of the table; return the ways that were measured."""
    seen = []

    def measure(sample, way):
        seen.append((way.precision, way.layout))
        found = table[way.precision, way.layout]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(precision, "_measure", measure)
    return seen


F32, F32_LAST = ("float32", "contiguous"), ("float32", "channels_last")
B16, B16_LAST = ("bfloat16", "contiguous"), ("bfloat16", "channels_last")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({F32: (1.0, 2.0), F32_LAST: (0.5, 2.0), B16: (0.6, 2.0), B16_LAST: (0.6, 2.0)}, F32_LAST),
        ({F32: (1.0, 2.0), F32_LAST: (0.95, 2.0), B16: (0.95, 2.0), B16_LAST: (0.93, 2.0)}, F32),
        ({F32: (1.0, 2.0), F32_LAST: (0.9, 2.0), B16: (0.8, 2.0), B16_LAST: (0.2, 2.01)}, B16_LAST),
        ({F32: (1.0, 2.0), F32_LAST: (1.0, 2.0), B16: (0.1, 2.5), B16_LAST: (0.1, float("nan"))}, F32),
        ({F32: (1.0, 2.0), F32_LAST: RuntimeError("no"), B16: RuntimeError("no"), B16_LAST: (0.5, 2.0)}, B16_LAST),
    ],
)
def test_takes_the_fastest_that_agrees(given, monkeypatch, table, expected):
    measured(monkeypatch, table)
    found = precision.choose(given, Numerics())
    assert (found.precision, found.layout) == expected
    assert found.step_seconds == table[expected][0]


def test_is_measured_once_a_process(given, monkeypatch):
    seen = measured(monkeypatch, dict.fromkeys((F32, F32_LAST, B16, B16_LAST), (1.0, 2.0)))
    for _ in range(2):
        precision.choose(given, Numerics())
    assert seen == [F32, F32_LAST, B16, B16_LAST]


def test_nothing_is_measured_where_all_is_said(given, monkeypatch):
    seen = measured(monkeypatch, {})
    found = precision.choose(given, Numerics(precision="float32", layout="channels_last"))
    assert found == Choice("float32", "channels_last")
    assert seen == []


def test_vectors_have_one_layout(given, monkeypatch):
    seen = measured(monkeypatch, {F32: (1.0, 2.0), B16: (1.0, 2.0)})
    precision.choose(dataclasses.replace(given, inputs=given.inputs.flatten(1)), Numerics())
    assert seen == [F32, B16]


def test_measuring_ends_where_it_would_cost_more_than_it_brings(given, monkeypatch):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(now))
    table = dict.fromkeys((F32, F32_LAST, B16, B16_LAST), (1.0, 2.0))
    seen = measured(monkeypatch, table)
    precision.choose(given, Numerics())
    assert seen == [F32]
    monkeypatch.setattr(precision, "_MEASURED", {})
    precision.choose(dataclasses.replace(given, steps=10_000), Numerics())
    assert seen == [F32, F32, F32_LAST, B16, B16_LAST]


def test_real_measurement_leaves_the_model_as_it_is(given):
    model = given.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = precision.choose(given, Numerics())
    assert found.step_seconds > 0
    assert not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
