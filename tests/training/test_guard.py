"""Noticing that training diverged."""

import math

import pytest

from graft.training.guard import diverged

FINE = {"train_loss": 0.9, "val_loss": 0.4, "score": 0.9, "start_loss": 0.5, "best": 0.92, "chance": 0.1}


def test_ordinary_epochs_are_fine():
    assert diverged(**FINE) is None
    assert diverged(**FINE | {"score": 0.6}) is None
    assert diverged(**FINE | {"best": 0.15, "score": 0.1}) is None
    assert diverged(**FINE | {"train_loss": 6.9, "start_loss": 6.9, "best": 0.0, "score": 0.01, "chance": 0.0}) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train_loss": math.nan}, "finite"),
        ({"val_loss": math.inf}, "finite"),
        ({"train_loss": 40.0}, "rose to 40"),
        ({"score": 0.2}, "fell to 0.200"),
    ],
)
def test_divergence_is_noticed(change, said):
    assert said in diverged(**FINE | change)
