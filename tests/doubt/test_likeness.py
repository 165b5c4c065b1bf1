"""The scores: known distances, strange inputs above usual ones, the same after writing and reading."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from graft.doubt import kept
from graft.doubt.judging import UNLIKE, UNSURE, Calibration, Doubt, Reference
from graft.doubt.likeness import KINDS, NARROW, WIDE, Mahalanobis, Nearest, drawn, narrowing
from graft.doubt.vectors import pooled
from graft.errors import ArtifactError, SettingError


def cloud(n, d=40, classes=3, seed=0, away=0.0):
    """Return n vectors of classes that lie 5 apart each along an axis of its own, and their classes."""
    draw = np.random.default_rng(seed)
    groups = draw.integers(0, classes, n)
    vectors = draw.normal(size=(n, d)) * np.linspace(2, 0.2, d) + away
    vectors[np.arange(n), groups] += 5
    return vectors.astype(np.float32), groups


def doubt(form="class", n=400, above=np.inf):
    vectors, groups = cloud(200)
    draw = np.random.default_rng(1)
    sure = draw.uniform(0.4, 1, n).astype(np.float32)
    right = (draw.random(n) < 0.7 + 0.3 * (sure > 0.6)).astype(np.uint8)
    answers = {
        "class": {"sure": sure, "truth": np.where(right, sure, 1 - sure).astype(np.float32), "right": right},
        "number": {"off": draw.exponential(size=n).astype(np.float32)},
        "set": {},
    }[form]
    return Doubt(
        likeness=Nearest.fit(vectors, groups),
        above=above,
        share=0.02,
        form=form,
        calibration=Calibration(draw.random(n).astype(np.float32), **answers),
        reference=Reference(draw.normal(size=(40, 8)).astype(np.float32), draw.normal(size=(50, 8)).astype(np.float32)),
        facts={"sentence": "words"},
    )


def test_mahalanobis_is_the_distance_of_a_ledoit_wolf_covariance():
    vectors, groups = cloud(300)
    found = Mahalanobis.fit(vectors, groups)
    means = np.stack([vectors[groups == one].mean(axis=0) for one in range(3)]).astype(np.float64)
    covariance, _ = ledoit_wolf(vectors - means[groups], assume_centered=True)
    asked, _ = cloud(20, seed=9, away=1.0)
    apart = asked[:, None] - means
    wanted = np.einsum("nki,ij,nkj->nk", apart, np.linalg.inv(covariance), apart).min(axis=1)
    np.testing.assert_allclose(found.score(asked), np.sqrt(wanted / 40), rtol=2e-3)


@pytest.mark.parametrize("n", [12, 30, 300])
def test_mahalanobis_of_few_and_many_vectors_is_about_1_on_new_ones(n):
    found = Mahalanobis.fit(*cloud(n, d=60))
    assert 0.5 < np.median(found.score(cloud(200, d=60, seed=5)[0])) < 3


def test_nearest_is_1_less_the_kth_cosine():
    vectors, groups = cloud(100)
    found = Nearest.fit(vectors, groups)
    asked = cloud(7, seed=3)[0]
    cosines = (asked / np.linalg.norm(asked, axis=1)[:, None]) @ (vectors / np.linalg.norm(vectors, axis=1)[:, None]).T
    np.testing.assert_allclose(found.score(asked), 1 - np.sort(cosines, axis=1)[:, -5], atol=2e-3)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_far_from_all_classes_scores_higher(name):
    score = KINDS[name].fit(*cloud(300))
    usual, strange = score.score(cloud(200, seed=1)[0]), score.score(cloud(200, seed=2, away=-4.0)[0])
    assert np.quantile(strange, 0.05) > np.quantile(usual, 0.95)
    alone = np.concatenate([score.score(cloud(200, seed=1)[0][row : row + 1]) for row in range(5)])
    np.testing.assert_allclose(alone, usual[:5], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_equal_vectors_are_no_fault(name):
    score = KINDS[name].fit(np.ones((10, 5), np.float32), np.zeros(10, int))
    found = score.score(np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 9]], np.float32))
    assert np.isfinite(found).all()
    assert found[1] > found[0]


def test_wide_vectors_are_scored_in_few_directions(tmp_path):
    assert narrowing(WIDE, 0) is None
    signs = narrowing(1280, 0)
    assert set(np.unique(signs)) == {-1, 1}
    way = signs.astype(np.float32)
    assert way.shape == (1280, NARROW)
    assert np.array_equal(signs, narrowing(1280, 0))
    assert not np.array_equal(signs, narrowing(1280, 1))
    vectors, groups = cloud(300, d=1280)
    plain = np.linalg.norm(vectors[:100] - vectors[100:200], axis=1)
    few = np.linalg.norm((vectors[:100] - vectors[100:200]) @ way / np.sqrt(NARROW), axis=1)
    assert np.abs(few / plain - 1).max() < 0.25
    whole = replace(
        doubt(),
        likeness=Mahalanobis.fit(vectors @ way, groups),
        reference=Reference(np.zeros((1280, 8), np.float32), np.zeros((50, 8), np.float32)),
        narrowing=signs,
    )
    again = kept.read(kept.write(tmp_path, whole))
    asked, _ = cloud(9, d=1280, seed=4)
    assert np.array_equal(again.unlike(asked), whole.likeness.score(asked @ way))
    # Of a model that joins further features, the first are the network's.
    assert np.array_equal(again.unlike(np.hstack([asked, asked[:, :3]])), again.unlike(asked))


def test_rows_are_drawn_by_the_seed():
    assert np.array_equal(drawn(5, 9, 0), np.arange(5))
    assert np.array_equal(drawn(100, 9, 1), drawn(100, 9, 1))
    assert len(np.unique(drawn(100, 9, 1))) == 9
    assert not np.array_equal(drawn(100, 9, 1), drawn(100, 9, 2))


def test_maps_and_tokens_are_averaged():
    draw = np.random.default_rng(0)
    maps = draw.normal(size=(2, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(pooled(maps), maps.mean(axis=(2, 3)))
    tokens = draw.normal(size=(2, 4, 3)).astype(np.float32)
    tokens[..., -1] = [[1, 1, 0, 0], [1, 1, 1, 1]]
    np.testing.assert_allclose(pooled(tokens)[0], tokens[0, :2].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(pooled(tokens)[1], tokens[1].mean(axis=0), rtol=1e-6)
    tokens[..., -1] = draw.normal(size=(2, 4))
    np.testing.assert_allclose(pooled(tokens), tokens.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("form", ["class", "number", "set"])
def test_the_file_brings_everything_back(form, tmp_path):
    whole = doubt(form, above=0.4)
    whole = whole.promising(0.2) if form == "class" else whole
    again = kept.read(kept.write(tmp_path, whole))
    assert kept.told(again) == kept.told(whole)
    asked = cloud(9)[0]
    sure = np.linspace(0.4, 1, 9)
    assert again.judge(asked, sure) == whole.judge(asked, sure)
    assert np.array_equal(again.reference.values, whole.reference.values)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100])
def test_another_file_is_refused(content, tmp_path):
    (tmp_path / kept.NAME).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"must be .* Got"):
        kept.read(tmp_path / kept.NAME)


def test_a_newer_format_and_a_missing_tensor_are_refused(tmp_path, monkeypatch):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(1)}, tmp_path / kept.NAME, {"doubt": '{"format": 9}'})
    with pytest.raises(ArtifactError, match="newer"):
        kept.read(tmp_path / kept.NAME)
    save_file({"a": np.zeros(1)}, tmp_path / kept.NAME, {"doubt": '{"format": 1, "score": "nearest"}'})
    with pytest.raises(ArtifactError, match="whole"):
        kept.read(tmp_path / kept.NAME)


def test_verdicts_say_why():
    vectors = cloud(20)[0]
    vectors[0] = -10
    scores = doubt().unlike(vectors)
    assert scores[0] > scores[1:].max()
    whole = doubt(above=float(scores[0] + scores[1:].max()) / 2).promising(0.2)
    level = whole.abstain.threshold
    sure = np.full(20, 0.999)
    sure[1] = np.float32(level) - 1e-3
    first, second, third = whole.judge(vectors, sure)[:3]
    assert (first.accepted, first.reason) == (False, UNLIKE)
    assert (second.accepted, second.reason) == (False, UNSURE)
    assert (third.accepted, third.reason) == (True, None)
    assert [one.accepted for one in whole.promising(None).judge(vectors, sure)] == [False] + [True] * 19


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, "much", None])
def test_shares_that_are_none_are_refused(share):
    whole = doubt()
    if share is not None:
        with pytest.raises(SettingError, match=r"--abstain must be a share between 0 and 1\. Got"):
            whole.promising(share)
    with pytest.raises(SettingError, match=r"--sets must be a share between 0 and 1\. Got"):
        whole.level(share)


def test_answers_that_are_no_classes_have_no_promise_and_no_sets():
    for form in ("number", "set"):
        with pytest.raises(SettingError, match="--abstain must be for a model that answers with one class"):
            doubt(form).promising(0.1)
        with pytest.raises(SettingError, match="--sets must be for a model"):
            doubt(form).level(0.1)
    with pytest.raises(SettingError, match="a range must be"):
        doubt().half(0.1)
