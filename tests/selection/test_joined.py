"""Features of two kinds read as one, for some rows of all."""

import numpy as np

from graft.selection.gather import Joined, Matrix, Rows

FIRST = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
SECOND = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)


def test_both_kinds_stand_side_by_side() -> None:
    kept = np.array([1, 2, 5, 8])
    both = Rows(Joined(Matrix(FIRST), Matrix(SECOND)), kept)
    assert both.shape == (4, 1, 7)
    asked = np.array([3, 0])
    np.testing.assert_array_equal(both.read(asked), np.hstack([FIRST, SECOND])[kept[asked]])
