"""Inputs of several lengths: batches of one length each, stored at one shape, and no value depends on a neighbour."""

from hashlib import sha256

import numpy as np
import pytest
import torch

import tiny_transformers
from graft.backbones import load
from graft.features import Store, extract
from graft.runtimes import by_shape, whole
from graft.types import Example

DRAW = np.random.default_rng(3)
TEXTS = [" ".join(DRAW.choice(tiny_transformers.WORDS, size)) for size in DRAW.integers(1, 60, 90)]
CONTENTS = [f"{text} {number}".encode() for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return load(str(tiny_transformers.write(tmp_path_factory.mktemp("bert"), "bert")))


def run(backbone, contents, folder, cut, **settings):
    examples = [Example(f"text {n}", content=content) for n, content in enumerate(contents)]
    hashes = [sha256(one).hexdigest() for one in contents]
    return extract(
        examples, hashes, backbone=backbone, cut=cut, store=Store(folder), runtime="torch:float32", **settings
    )


def rows(found, n):
    return found.activations.read(np.arange(n))


def test_vectors_are_those_of_each_text_alone(bert, tmp_path, one_thread):
    found = run(bert, CONTENTS, tmp_path, bert.n_stages)
    preprocess = bert.preprocess
    with torch.no_grad():
        wanted = [
            bert.prefix(bert.n_stages)(torch.from_numpy(preprocess.fit(preprocess.decode(one)))[None])[0].numpy()
            for one in CONTENTS
        ]
    np.testing.assert_allclose(rows(found, len(CONTENTS)), np.stack(wanted), rtol=1e-4, atol=1e-5)
    assert found.computed == len(CONTENTS)


def test_tokens_are_stored_at_one_shape_with_zeros_behind(bert, tmp_path, one_thread):
    found = run(bert, CONTENTS[:20], tmp_path, 2)
    stored = rows(found, 20)
    assert stored.shape == (20, *bert.shape(2))
    for content, row in zip(CONTENTS, stored, strict=False):
        tokens = bert.preprocess.fit(bert.preprocess.decode(content))
        real = (tokens >= 0).sum()
        np.testing.assert_array_equal(row[:, -1], np.arange(len(row)) < real)
        assert not row[len(bert.preprocess.used(tokens)) :].any()
        assert row[:real, :-1].any(axis=1).all()


def test_no_value_depends_on_what_else_was_asked(bert, tmp_path, one_thread):
    everything = rows(run(bert, CONTENTS, tmp_path / "a", bert.n_stages, also=("perceptual_hash",)), len(CONTENTS))
    part = CONTENTS[::3]
    found = run(bert, part, tmp_path / "b", bert.n_stages)
    np.testing.assert_array_equal(rows(found, len(part)), everything[::3])


def test_every_hash_and_feature_is_kept(bert, tmp_path, one_thread):
    found = run(bert, CONTENTS, tmp_path, bert.n_stages, also=("perceptual_hash", "simple_features"))
    assert (found.perceptual_hashes != 0).all()
    assert np.abs(found.measures["simple_features"]).sum(axis=1).all()
    again = run(bert, CONTENTS, tmp_path, bert.n_stages, also=("perceptual_hash", "simple_features"))
    assert (again.computed, again.reused) == (0, len(CONTENTS))


def test_batches_hold_one_shape_each():
    arrays = [np.zeros(size) for size in (3, 5, 3, 3, 5)]
    assert [(places, stack.shape) for places, stack in by_shape(arrays, 2)] == [
        ([0, 2], (2, 3)),
        ([3], (1, 3)),
        ([1, 4], (2, 5)),
    ]
    full = whole(np.ones((2, 3, 4)), (5, 4))
    assert full.shape == (2, 5, 4)
    assert full.sum() == 24
    assert whole(full, (5, 4)) is full
