"""A head that is only asked gives the logits that torch gives."""

import pickle

import numpy as np
import pytest
import torch

from graft import heads

FEATURES = np.random.default_rng(0).normal(size=(7, 24)).astype(np.float32)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_it_gives_the_logits_of_the_module(name: str) -> None:
    torch.manual_seed(0)
    module = heads.REGISTRY.create(name).build((24,), 5).eval()
    for value in module.parameters():
        torch.nn.init.normal_(value)
    with torch.no_grad():
        expected = module(torch.from_numpy(FEATURES)).numpy()
    asked = heads.applied(module)
    np.testing.assert_allclose(asked(FEATURES), expected, rtol=1e-5, atol=1e-5)
    assert asked(FEATURES).dtype == np.float32
    again = pickle.loads(pickle.dumps(asked))
    np.testing.assert_array_equal(again(FEATURES[:1]), asked(FEATURES[:1]))


def test_a_layer_without_a_bias_is_run_by_torch() -> None:
    module = torch.nn.Linear(24, 5, bias=False)
    with torch.no_grad():
        expected = module(torch.from_numpy(FEATURES)).numpy()
    np.testing.assert_array_equal(heads.applied(module)(FEATURES), expected)
