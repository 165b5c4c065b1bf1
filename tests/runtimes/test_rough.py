"""Products in half of the bits: within the bound that those who use them count on."""

import numpy as np
import pytest

from graft.arrays import unit
from graft.data.duplicates import SLACK
from graft.runtimes import _rough


@pytest.mark.parametrize("width", [8, 384, 1280])
def test_they_are_within_the_slack_of_exact_ones(width, monkeypatch):
    monkeypatch.setattr(_rough, "able", lambda: True)
    vectors = unit(np.random.default_rng(width).standard_normal((300, width)).astype(np.float32))
    vectors[150:] = unit(vectors[:150] + 0.05 * vectors[150:])
    products = _rough.rough_products(vectors)
    assert products is not None
    rough, exact = products(slice(0, 200), slice(100, 300)), vectors[:200] @ vectors[100:].T
    assert rough.shape == exact.shape
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() <= SLACK


def test_there_are_none_where_they_are_no_faster(monkeypatch):
    monkeypatch.setattr(_rough, "able", lambda: False)
    assert _rough.rough_products(np.eye(3, dtype=np.float32)) is None
