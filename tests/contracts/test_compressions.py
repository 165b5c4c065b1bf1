"""What every way of compressing promises, on a tiny fitted model."""

import dataclasses

import numpy as np
import pytest

import quick_fit
from graft import api, compression
from graft.contract import speed
from graft.errors import SettingError, UnknownNameError
from graft.serving import load

REGISTRY = compression.REGISTRY
FAST = {"binary": {"epochs": 1}, "prune": {"epochs": 1}, "int8": {"inputs": 8, "tolerance": 1e6}}


@pytest.fixture(scope="module", params=REGISTRY.names())
def name(request):
    absent = REGISTRY.get(request.param).missing()
    if absent:
        pytest.skip(f"{absent} is not installed")
    return request.param


@pytest.fixture(scope="module")
def compressed(name, probe, tmp_path_factory):
    out = tmp_path_factory.mktemp(name) / "smaller"
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SECONDS", 0.01)
        patch.setenv("GRAFT_CACHE", str(out.parent / "cache"))
        made = api.compress(probe.folder, method=name, out=out, force=True, settings=FAST.get(name, {}))
    return made, out


def test_settings_are_documented_frozen_and_few(name):
    method = REGISTRY.create(name)
    fields = dataclasses.fields(method)
    assert len(fields) <= 8
    for one in REGISTRY.settings(name):
        assert one.doc, f"{name}.{one.name} has no docstring"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(method, fields[0].name, 1)


def test_what_was_saved_answers_as_what_was_made_and_says_what_it_is(name, compressed, probe):
    made, out = compressed
    files = sorted(probe.photos.rglob("*.*"))[:6]
    loaded = load(out)
    assert np.array_equal(loaded.predict_proba(files), made.model.predict_proba(files))
    step = api.show(out)["steps"][-1]
    assert (step["step"], step["method"]) == ("compress", name)
    assert loaded.compressed == (name,)
    assert name in repr(loaded)
    assert step["contract"]["after"]["bytes"] == sum((out / one).stat().st_size for one in api.show(out)["files"])
    assert made.kept.bytes[1] < made.kept.bytes[0]


def test_the_model_it_came_from_is_left_as_it_was(name, compressed, probe):
    before = api.show(probe.folder)
    assert [one["step"] for one in before["steps"]] == ["fit"]
    assert load(probe.folder).compressed == ()


def test_the_same_locked_items_are_scored_before_and_after(compressed, probe):
    made, out = compressed
    fitted = api.show(probe.folder)
    kept = made.kept
    assert kept.fingerprint == fitted["data"]["test_fingerprint"]
    assert kept.before.n == kept.after.n == kept.difference.n == fitted["data"]["parts"]["test"]
    assert kept.after.value - kept.before.value == pytest.approx(kept.difference.value)
    assert api.show(out)["test"]["accuracy"]["value"] == kept.after.value


def test_twice_by_the_same_method_is_refused(name, compressed, tmp_path):
    _, out = compressed
    with pytest.raises(SettingError, match="must be"):
        api.compress(out, method=name, out=tmp_path / "again", force=True)
    assert not (tmp_path / "again").exists()


def test_an_unknown_method_suggests_the_nearest(probe, tmp_path):
    with pytest.raises(UnknownNameError, match="'half'"):
        api.compress(probe.folder, method="halv", out=tmp_path / "none")


def test_what_it_does_not_know_is_told_by_its_own_features(compressed, probe):
    """The features that new inputs are compared with are those that the compressed network gives."""
    made, out = compressed
    doubt = load(out).assembled.doubt
    assert doubt.facts["test"]["share"]["n"] == made.kept.after.n
    files = sorted(probe.photos.rglob("*.*"))
    own = load(out).embed(files) @ doubt.reference.projection
    apart = np.abs(doubt.reference.values[:, None] - own[None]).max(2).min(1)
    assert apart.max() < 0.05 * np.abs(own).max()
