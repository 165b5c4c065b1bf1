"""Averages over places and tokens: padding has no part in them."""

import numpy as np

from graft.backbones import averaged


def test_vectors_stay_and_maps_are_averaged():
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    assert averaged(vectors) is vectors
    np.testing.assert_allclose(averaged(np.tile(vectors[..., None, None], (1, 1, 2, 4))), vectors, rtol=1e-6)


def test_tokens_are_averaged_without_their_padding():
    tokens = np.random.default_rng(0).normal(size=(3, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(averaged(tokens), tokens.mean(axis=1), rtol=1e-5, atol=1e-6)
    tokens[..., -1] = np.arange(6) < np.array([[6], [2], [1]])
    expected = np.stack([tokens[row, :length].mean(axis=0) for row, length in enumerate((6, 2, 1))])
    np.testing.assert_allclose(averaged(tokens), expected, rtol=1e-5, atol=1e-6)


def test_nothing_has_an_average_of_its_own_width():
    assert averaged(np.zeros((0, 6, 5), np.float32)).shape[0] == 0
