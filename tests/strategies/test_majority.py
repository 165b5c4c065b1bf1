"""The most frequent class."""

import numpy as np

from graft.strategies.majority import Majority


def test_gives_the_shares_of_the_training_rows(material):
    given = material(Majority())
    given.targets[given.train] = 1
    given.targets[given.train[:12]] = 0
    fitted = Majority().fit(given)
    expected = np.array([12.5, 36.5, 0.5]) / 49.5
    np.testing.assert_allclose(np.exp(fitted.validation_logits), np.tile(expected, (24, 1)), rtol=1e-5)
    assert not Majority.learns


def test_works_with_every_head(material):
    for head in ("linear", "mlp", "conv"):
        given = material(Majority(), head=head)
        assert Majority().fit(given).validation_logits.shape == (24, 3)
