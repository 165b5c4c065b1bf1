"""What every strategy promises, each on a network of four small stages."""

import dataclasses
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch

from graft.strategies import REGISTRY, Fitted, Strategy


def _tiny():
    spec = spec_from_file_location("tiny_network", Path(__file__).parents[1] / "strategies" / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = _tiny()
QUICK = {
    "optimisation.epochs": 3,
    "optimisation.batch_size": 8,
    "numerics.precision": "float32",
    "numerics.layout": "contiguous",
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=REGISTRY.names())
def strategy(request) -> Strategy:
    known = {one.name for one in REGISTRY.settings(request.param)}
    return REGISTRY.create(request.param, {key: value for key, value in QUICK.items() if key in known})


def weights(backbone):
    return {
        (stage.name, name): value.clone()
        for stage in backbone.stages
        for name, value in stage.module.state_dict().items()
    }


def all_equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_is_frozen_and_keyword_only(strategy):
    assert dataclasses.is_dataclass(strategy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        strategy.views = 3
    with pytest.raises(TypeError):
        type(strategy)(1)


def test_every_setting_says_what_it_is():
    for name in REGISTRY.names():
        assert len(dataclasses.fields(REGISTRY.get(name))) <= 8
        assert REGISTRY.summary(name)
        for one in REGISTRY.settings(name):
            assert one.doc, f"{name}.{one.name} has no docstring"


def test_cut_and_views_are_within_the_backbone(strategy):
    backbone = tiny.make_backbone()
    assert 0 <= strategy.cut(backbone) <= backbone.n_stages
    assert strategy.n_views >= 1


def test_result_has_its_promised_parts(strategy):
    material = tiny.make_material(strategy)
    fitted = strategy.fit(material)
    assert isinstance(fitted, Fitted)
    assert fitted.cut == strategy.cut(material.backbone)
    assert len(fitted.suffix) == material.backbone.n_stages - fitted.cut
    assert not fitted.suffix.training
    assert not fitted.head.training
    assert fitted.validation_logits.shape == (len(material.validation), 3)
    assert fitted.validation_logits.dtype == np.float32
    assert np.isfinite(fitted.validation_logits).all()
    if fitted.development_logits is not None:
        assert fitted.development_logits.shape == (len(material.train) + len(material.validation), 3)
        assert fitted.development_logits.dtype == np.float32
        assert np.isfinite(fitted.development_logits).all()
    for record in fitted.history:
        assert set(record) == {"epoch", "train_loss", "val_loss", "val_score", "lr", "seconds"}


def test_validation_logits_are_the_returned_modules(strategy):
    material = tiny.make_material(strategy)
    fitted = strategy.fit(material)
    inputs = torch.from_numpy(material.activations.read(material.validation))
    with torch.inference_mode():
        again = (fitted.training_head or fitted.head)(fitted.suffix(inputs))
    if fitted.history:
        # Each half of the rows is answered by the epoch that the other half chose, so not always by the one returned.
        assert (again.numpy().argmax(1) == fitted.validation_logits.argmax(1)).mean() > 0.8
    else:
        np.testing.assert_allclose(again.numpy(), fitted.validation_logits, rtol=1e-4, atol=1e-4)


def test_learns_more_than_chance_or_says_that_it_does_not(strategy):
    known = {one.name for one in REGISTRY.settings(_name(strategy))}
    if "optimisation.epochs" in known:
        strategy = REGISTRY.create(_name(strategy), QUICK | {"optimisation.epochs": 12, "optimisation.lr": 5e-3})
    material = tiny.make_material(strategy)
    fitted = strategy.fit(material)
    right = fitted.validation_logits.argmax(1) == material.targets[material.validation]
    assert (right.mean() > 0.6) == strategy.learns


def test_backbone_stays_bit_equal_and_frozen(strategy):
    material = tiny.make_material(strategy)
    before = weights(material.backbone)
    fitted = strategy.fit(material)
    assert all_equal(before, weights(material.backbone))
    stages = [stage.module for stage in material.backbone.stages]
    assert not any(module.training for stage in stages for module in stage.modules())
    assert not any(p.requires_grad for stage in stages for p in stage.parameters())
    own = {p.data_ptr() for stage in stages for p in stage.parameters()}
    assert not own & {p.data_ptr() for p in fitted.suffix.parameters()}


def test_same_seed_gives_the_same_bits_and_leaves_the_generators_alone(strategy):
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = strategy.fit(tiny.make_material(strategy))
    assert torch.equal(state, torch.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()
    torch.manual_seed(6)
    other = strategy.fit(tiny.make_material(strategy))
    assert np.array_equal(one.validation_logits, other.validation_logits)
    assert all_equal(one.head.state_dict(), other.head.state_dict())
    assert all_equal(one.suffix.state_dict(), other.suffix.state_dict())


def test_validation_labels_do_not_reach_the_validation_logits(strategy):
    """Relabelling validation rows may choose another epoch, but nothing may be fitted on them."""
    if "optimisation.epochs" in {one.name for one in REGISTRY.settings(_name(strategy))}:
        pytest.skip("the best epoch is chosen by validation labels")
    material = tiny.make_material(strategy)
    shuffled = material.targets.copy()
    shuffled[material.validation] = (shuffled[material.validation] + 1) % 3
    one = strategy.fit(material)
    other = strategy.fit(dataclasses.replace(material, targets=shuffled))
    np.testing.assert_allclose(one.validation_logits, other.validation_logits, rtol=1e-4, atol=1e-4)


def test_class_weights_move_the_answers(strategy):
    heavy = np.array([20.0, 1.0, 1.0], dtype=np.float32)
    plain = strategy.fit(tiny.make_material(strategy))
    weighted = strategy.fit(tiny.make_material(strategy, class_weights=heavy))
    assert np.isfinite(weighted.validation_logits).all()
    if "optimisation.epochs" in {one.name for one in REGISTRY.settings(_name(strategy))}:
        assert not np.array_equal(plain.validation_logits, weighted.validation_logits)


def _name(strategy):
    return next(name for name in REGISTRY.names() if REGISTRY.get(name) is type(strategy))
