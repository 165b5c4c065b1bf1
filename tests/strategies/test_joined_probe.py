"""The joined probe: a weight chosen by cross-validation, and heads that take plain features all the same."""

from dataclasses import replace

import numpy as np
import torch
from test_linear_probe import make_features

from graft.strategies._joined_probe import JoinedProbe
from graft.strategies.linear_probe import LinearProbe
from graft.types import silent


class Table:
    """Features in memory."""

    def __init__(self, values):
        self.values = values

    @property
    def shape(self):
        return (len(self.values), 1, self.values.shape[1])

    def read(self, rows, views=0):
        return self.values[rows]


def material_of(values, targets, material):
    train = np.arange(len(values) * 3 // 4)
    rest = np.arange(len(train), len(values))
    task = material.task.taught([str(one) for one in targets])
    return replace(
        material,
        activations=Table(values),
        targets=targets,
        train=train,
        validation=rest,
        units=None,
        task=task,
        progress=silent,
    )


def test_the_weight_has_the_lowest_loss_on_training_rows_and_the_head_takes_plain_features(material):
    features, targets = make_features(noise=3.0)
    noise = np.random.default_rng(1).normal(size=(300, 60)).astype(np.float32)
    for beside, wanted in ((noise, 0.25), (10 * np.eye(4, dtype=np.float32)[targets] + 0.1 * noise[:, :4], 4.0)):
        values = np.hstack([features, beside])
        given = material_of(values, targets, material(LinearProbe()))
        fitted = JoinedProbe(width=beside.shape[1]).fit(given)
        losses = dict(map(tuple, fitted.resolved["weights"]))
        assert fitted.resolved["weight"] == wanted == min(losses, key=losses.get)
        with torch.inference_mode():
            logits = fitted.training_head(torch.from_numpy(values[given.validation])).numpy()
        np.testing.assert_allclose(logits, fitted.validation_logits, atol=2e-3)


def test_one_weight_of_one_is_the_linear_probe(material):
    features, targets = make_features()
    given = material_of(features, targets, material(LinearProbe()))
    joined = JoinedProbe(width=5, weights=(1.0,)).fit(given)
    plain = LinearProbe().fit(given)
    np.testing.assert_array_equal(joined.development_logits, plain.development_logits)
    torch.testing.assert_close(joined.head.state_dict(), plain.head.state_dict(), rtol=0, atol=0)
