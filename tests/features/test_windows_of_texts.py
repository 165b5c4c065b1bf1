"""Long texts: every window goes through the frozen network, and the mean of a text's own windows is its vector."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
import torch

import tiny_transformers
from graft.backbones import load
from graft.features import Store, extract
from graft.runtimes.torch import Eager
from graft.types import Example

DRAW = np.random.default_rng(4)
CONTENTS = [" ".join(DRAW.choice(tiny_transformers.WORDS, size)).encode() for size in DRAW.integers(3, 70, 40)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a tiny network that reads 16 tokens."""
    found = load(str(tiny_transformers.write(tmp_path_factory.mktemp("bert"), "bert")))
    return found.given(replace(found.preprocess, max_length=16))


@pytest.fixture(scope="module")
def windowed(plain):
    return plain.given(replace(plain.preprocess, max_windows=4))


def run(backbone, contents, folder, cut=None, **settings):
    examples = [Example(f"text {n}", content=content) for n, content in enumerate(contents)]
    hashes = [sha256(one).hexdigest() for one in contents]
    cut = backbone.n_stages if cut is None else cut
    return extract(
        examples, hashes, backbone=backbone, cut=cut, store=Store(folder), runtime="torch:float32", **settings
    )


def rows(found):
    return found.activations.read(np.arange(len(CONTENTS)))


def of_windows(plain, windowed, content):
    """Return the vector of each window of a text, each passed alone."""
    form = plain.preprocess
    fitted = [form.fit(form.decode(one.encode())) for one in windowed.preprocess.windows(content.decode())]
    with torch.no_grad():
        return plain.prefix(plain.n_stages)(torch.from_numpy(np.stack(fitted))).numpy()


def test_a_text_is_the_mean_of_its_own_windows(plain, windowed, tmp_path, one_thread):
    found = rows(run(windowed, CONTENTS, tmp_path))
    vectors = [of_windows(plain, windowed, one) for one in CONTENTS]
    assert {len(one) for one in vectors} == {1, 2, 3, 4}
    np.testing.assert_allclose(found, np.stack([one.mean(axis=0) for one in vectors]), rtol=1e-4, atol=1e-5)


def test_a_text_costs_no_more_than_its_own_windows_and_tokens(windowed, tmp_path, one_thread, monkeypatch):
    seen = []
    run_ = Eager._run
    monkeypatch.setattr(Eager, "_run", lambda self, batch: seen.append(batch.shape) or run_(self, batch))
    run(windowed, CONTENTS, tmp_path)
    form = windowed.preprocess
    shapes = {form.used(form.fit(form.decode(one))).shape for one in CONTENTS}
    assert len(shapes) > 4 and min(shapes) == (1, 12)
    assert {one[1:] for one in seen[2:]} >= shapes
    assert max(rows * count * tokens for rows, count, tokens in seen[2:]) <= 512


def test_one_window_is_what_it_was(plain, windowed, tmp_path, one_thread):
    short = [number for number, one in enumerate(CONTENTS) if len(of_windows(plain, windowed, one)) == 1]
    first, several = rows(run(plain, CONTENTS, tmp_path)), rows(run(windowed, CONTENTS, tmp_path))
    np.testing.assert_allclose(several[short], first[short], rtol=1e-4, atol=1e-6)
    long = np.setdiff1d(np.arange(len(CONTENTS)), short)
    assert (np.abs(several[long] - first[long]).max(axis=1) > 1e-3).all()


def test_what_is_stored_depends_on_the_number_of_windows(plain, windowed, tmp_path, one_thread):
    two = plain.given(replace(plain.preprocess, max_windows=2))
    for cut in (0, 2, None):
        for backbone in (plain, two, windowed):
            assert run(backbone, CONTENTS, tmp_path, cut).computed == len(set(CONTENTS))
            assert run(backbone, CONTENTS, tmp_path, cut).computed == 0


@pytest.mark.parametrize("cut", [1, 3])
def test_stages_behind_a_cut_see_the_real_windows_alone(windowed, tmp_path, cut, one_thread):
    stored = rows(run(windowed, CONTENTS, tmp_path, cut))
    assert stored.shape[1:] == windowed.shape(cut) == (4, 16, 17)
    for content, row in zip(CONTENTS, stored, strict=True):
        used = len(windowed.preprocess.used(windowed.preprocess.fit(windowed.preprocess.decode(content))))
        assert row[:used, 0, -1].all() and not row[used:].any()
    with torch.no_grad():
        behind = windowed.suffix(cut)(torch.from_numpy(stored.astype(np.float32))).numpy()
    np.testing.assert_allclose(behind, rows(run(windowed, CONTENTS, tmp_path)), rtol=0.02, atol=0.01)


def test_trained_stages_have_finite_slopes_where_there_is_no_window(windowed):
    form = windowed.preprocess
    inputs = torch.from_numpy(np.stack([form.fit(form.decode(one)) for one in CONTENTS]))
    marked = windowed.prefix(1)(inputs).detach().requires_grad_()
    windowed.suffix(1)(marked).square().sum().backward()
    assert marked.grad.isfinite().all()
    absent = (inputs < 0).all(2)
    assert absent.any() and not marked.grad[..., :-1][absent].any()


def test_resumed_is_bit_for_bit_uninterrupted(windowed, tmp_path, one_thread):
    whole = run(windowed, CONTENTS, tmp_path / "whole")
    run(windowed, CONTENTS[:17], tmp_path / "parts")
    resumed = run(windowed, CONTENTS, tmp_path / "parts")
    assert 0 < resumed.computed < whole.computed
    np.testing.assert_array_equal(rows(resumed), rows(whole))


def test_shorter_windows_and_fewer_of_them(windowed):
    few = windowed.given(replace(windowed.preprocess, max_length=8, max_windows=2))
    assert [few.shape(cut) for cut in (0, 1, few.n_stages - 1, few.n_stages)] == [(2, 8), (2, 8, 17), (2, 17), (16,)]
    assert windowed.ending_in("tokens").stages[-1].shape == (4, 17)
