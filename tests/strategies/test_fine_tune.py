"""Partial and full fine-tuning, and heads on frozen features."""

import dataclasses

import numpy as np
import pytest
import torch

from graft.errors import DivergenceError, SettingError
from graft.registry import describe
from graft.strategies import REGISTRY
from graft.strategies._fine_tune import _start
from graft.strategies.frozen_head import FrozenHead
from graft.strategies.full import Full
from graft.strategies.linear_probe import LinearProbe
from graft.strategies.partial import Partial
from graft.training import Numerics, Optimisation, Regularisation

PLAIN = Numerics(precision="float32", layout="contiguous")
SHORT = Optimisation(lr=2e-3, epochs=2, batch_size=8)


def quick(kind, **settings):
    return kind(**({"views": 2, "optimisation": SHORT, "numerics": PLAIN} | settings))


@pytest.mark.parametrize(
    ("settings", "cut"),
    [
        ({"stages": 2}, 2),
        ({"stages": 4}, 0),
        ({"from_stage": "layer2"}, 2),
        ({"from_stage": "stem"}, 0),
        ({"from_stage": "1"}, 1),
        ({}, 2),
    ],
)
def test_where_partial_cuts(backbone, settings, cut):
    assert Partial(**settings).cut(backbone) == cut


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stages": 9}, "from 0 to 4"),
        ({"from_stage": "layer9"}, "layer1, layer2"),
        ({"from_stage": "7"}, "from 0 to 4"),
        ({"stages": 1}, "have weights"),
        ({"from_stage": "4"}, "have weights"),
    ],
)
def test_cuts_that_do_not_fit(backbone, settings, said):
    with pytest.raises(SettingError, match=said):
        Partial(**settings).cut(backbone)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Partial, {"stages": 0}),
        (Partial, {"stages": 1, "from_stage": "a"}),
        (Partial, {"views": 0}),
        (Full, {"views": 0}),
    ],
)
def test_settings_are_checked(kind, settings):
    with pytest.raises(SettingError, match="must be"):
        kind(**settings)


def test_full_cuts_before_everything_and_trains_on_bytes(material, backbone):
    strategy = quick(Full)
    given = material(strategy)
    assert strategy.cut(backbone) == 0
    assert given.activations.values.dtype == np.uint8
    fitted = strategy.fit(given)
    assert len(fitted.suffix) == 4
    moved = [not torch.equal(a, b) for a, b in zip(fitted.suffix.parameters(), _own(given.backbone), strict=True)]
    assert fitted.resolved["best_epoch"] == 0 or all(moved)


def _own(backbone):
    return (p for stage in backbone.stages for p in stage.module.parameters())


def test_starts_from_the_probes_training_head(material):
    strategy = quick(Partial)
    probe = LinearProbe().fit(material(LinearProbe()))
    given = material(strategy, probe=probe)
    stages = given.backbone.suffix(strategy.cut(given.backbone))
    head = _start(given, stages, given.backbone.shape(4), 0.1)
    factor = (head[1].weight / probe.training_head[1].weight).flatten()
    torch.testing.assert_close(factor, factor[:1].expand_as(factor))
    assert 1 / 16 <= factor[0] <= 2
    own = _start(dataclasses.replace(given, probe=None), stages, given.backbone.shape(4), 0.1)
    features = torch.from_numpy(given.activations.read(given.validation))
    with torch.inference_mode():
        agree = head(stages(features)).argmax(1) == own(stages(features)).argmax(1)
    assert agree.float().mean() > 0.9


def test_climbs_past_the_probe_where_the_features_do_not_separate(material):
    """Faint stripes of three kinds: averages of untrained filters hardly tell them apart, trained ones do."""
    strategy = quick(Partial, stages=3, optimisation=Optimisation(lr=1e-2, epochs=12, batch_size=8))
    given = material(strategy)
    row, column = np.mgrid[:8, :8]
    stripes = 2.0 * np.stack([row % 2, column % 2, (row + column) % 2]) - 1
    noise = np.random.default_rng(0).normal(size=given.activations.shape)
    given.activations.values[:] = 0.15 * stripes[given.targets][:, None, None] + noise
    with torch.inference_mode():
        table = given.backbone.suffix(1)(torch.from_numpy(given.activations.read(np.arange(72)))).numpy()
    for_probe = material(LinearProbe())
    for_probe.activations.values[:, 0] = table
    probe = LinearProbe().fit(for_probe)
    fitted = strategy.fit(dataclasses.replace(given, probe=probe))
    goal = given.targets[given.validation]
    before, after = ((one.validation_logits.argmax(1) == goal).mean() for one in (probe, fitted))
    assert before < 0.6
    assert after >= 0.75


def test_a_head_that_no_probe_can_start_learns_first(material):
    strategy = quick(Partial)
    given = material(strategy, head="mlp")
    stages = given.backbone.suffix(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(given.seed)
        fresh = given.head.build((24,), 3)
    started = _start(given, stages, (24,), 0.1)
    assert not torch.equal(started[1].weight, fresh[1].weight)
    assert np.isfinite(strategy.fit(given).validation_logits).all()


@pytest.mark.parametrize("kind", [Partial, Full, FrozenHead])
@pytest.mark.parametrize("head", ["mlp", "conv"])
def test_takes_every_head(material, kind, head):
    strategy = quick(kind)
    given = material(strategy, head=head)
    fitted = strategy.fit(given)
    assert fitted.validation_logits.shape == (24, 3)
    assert [p.shape for p in fitted.head.parameters()] == [
        p.shape for p in given.head.build(given.backbone.shape(given.backbone.n_stages), 3).parameters()
    ]


def test_resumes_from_its_checkpoint(material, tmp_path):
    class KilledError(Exception):
        pass

    def kill(record):
        raise KilledError

    strategy = quick(Partial)
    whole = strategy.fit(material(strategy))
    with pytest.raises(KilledError):
        strategy.fit(material(strategy, checkpoint=tmp_path, on_epoch=kill))
    resumed = strategy.fit(material(strategy, checkpoint=tmp_path))
    assert np.array_equal(whole.validation_logits, resumed.validation_logits)
    assert any("taken up again" in note for note in resumed.notes)


def test_an_absurd_rate_is_noticed(material):
    wild = Optimisation(optimiser="sgd", lr=1e6, epochs=9, batch_size=8, warmup=0)
    strategy = quick(Partial, optimisation=wild, regularisation=Regularisation(clip=0))
    with pytest.raises(DivergenceError, match="lr must be"):
        strategy.fit(material(strategy))


def test_nested_settings_keep_the_strategys_own_defaults():
    for name in ("partial", "full", "frozen_head"):
        plain, changed = REGISTRY.create(name), REGISTRY.create(name, {"optimisation.epochs": 2})
        assert changed.optimisation == dataclasses.replace(plain.optimisation, epochs=2)
        shown = {one.name: one.default for one in describe(REGISTRY.get(name))}
        assert shown["optimisation.lr"] == plain.optimisation.lr
