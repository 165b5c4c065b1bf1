"""Near duplicates: found by either sign, not by chance, without n x n at once."""

import tracemalloc

import numpy as np
import pytest

from graft import data
from graft.data import duplicates
from graft.errors import DataError
from graft.preprocess.text import Text


def made(n, seed=0, d=64):
    """Return features as a ReLU network gives them, with a common part, and hashes without relation."""
    rng = np.random.default_rng(seed)
    features = np.maximum(rng.normal(0.3, 1, (n, d)), 0) + 1.0
    return features.astype(np.float32), rng.integers(0, 2**64, n, dtype=np.uint64)


def names(n):
    return [f"{row}.png" for row in range(n)]


def test_unrelated_inputs_are_not_near():
    features, hashes = made(300)
    assert data.near_duplicates(features, hashes, ["train"] * 300, names(300), ["a"] * 300) == ()


def test_the_same_features_or_the_same_hash_make_a_pair():
    features, hashes = made(200)
    rng = np.random.default_rng(1)
    features[10] = features[3] + rng.normal(0, 0.05, 64)  # mirrored: another hash
    hashes[20] = hashes[4] ^ np.uint64(3)  # recompressed: features drift, hash stays
    features[20] = 0.6 * features[4] + 0.4 * features[150]
    hashes[30] = hashes[5] ^ np.uint64(0xFF)  # cropped a little: both near
    features[30] = features[5] + rng.normal(0, 0.35, 64)
    hashes[41] = hashes[40] ^ np.uint64(0xFF)  # near by hash, unlike by features
    parts = ["test" if row == 10 else "train" for row in range(200)]
    labels = ["b" if row == 30 else "a" for row in range(200)]
    found = data.near_duplicates(features, hashes, parts, names(200), labels)
    assert (found[0].kind, found[0].files, found[0].severity) == (
        "near_duplicate_across_parts",
        ("3.png", "10.png"),
        "warning",
    )
    assert {one.files: one.severity for one in found[1:]} == {
        ("4.png", "20.png"): "note",
        ("5.png", "30.png"): "warning",
    }
    assert "lie in train and test" in found[0].message and found[0].details["parts"] == ["train", "test"]
    assert any("their labels differ: a, b" in one.message for one in found)


def test_a_chain_is_one_set_and_exact_duplicates_are_left_to_the_audit():
    features, hashes = made(100)
    hashes[[7, 8, 9]] = hashes[6] ^ np.array([1, 3, 7], dtype=np.uint64)
    features[[7, 8, 9]] = features[6]
    contents = [str(row) for row in range(100)]
    contents[9] = contents[6]
    (found,) = data.near_duplicates(features, hashes, [None] * 100, names(100), ["a"] * 100, contents=contents)
    assert found.kind == "near_duplicate" and found.files == ("6.png", "7.png", "8.png")
    contents[7] = contents[8] = contents[6]
    assert data.near_duplicates(features, hashes, [None] * 100, names(100), ["a"] * 100, contents=contents) == ()


def test_of_exact_duplicates_the_one_that_is_in_a_part_stands():
    features, hashes = made(50)
    features[[1, 2]], hashes[[1, 2]] = features[0], hashes[0]
    contents = ["same", "same", *map(str, range(2, 50))]
    parts = [None, "test", "train", *["train"] * 47]
    (found,) = data.near_duplicates(features, hashes, parts, names(50), ["a"] * 50, contents=contents)
    assert found.kind == "near_duplicate_across_parts" and found.files == ("1.png", "2.png")


def test_rows_without_features_and_tiny_data():
    features, hashes = made(20)
    features[[3, 4]], features[5, 0] = 0, np.nan
    hashes[[3, 4, 5]] = 7
    assert data.near_duplicates(features, hashes, ["train"] * 20, names(20), ["a"] * 20) == ()
    for n in (0, 1, 2):
        features, hashes = made(n)
        assert data.near_duplicates(features, hashes, ["train"] * n, names(n), ["a"] * n) == ()
    features, hashes = made(2)
    features[1] = features[0]
    assert len(data.near_duplicates(features, hashes, ["train"] * 2, names(2), ["a"] * 2)) == 1


def test_pictures_of_two_colours_with_the_hash_of_blank_paper():
    features, hashes = np.eye(4, 8, dtype=np.float32), np.zeros(4, dtype=np.uint64)
    assert data.near_duplicates(features, hashes, ["train"] * 4, names(4), ["a"] * 4) == ()


def test_blocks_find_what_one_block_finds(monkeypatch):
    features, hashes = made(90)
    rng = np.random.default_rng(5)
    twins = rng.permutation(90).reshape(2, 45)[:, :20]
    features[twins[1]] = features[twins[0]]
    arguments = (features, hashes, ["train"] * 90, names(90), ["a"] * 90)
    whole = {one.files for one in data.near_duplicates(*arguments)}
    assert whole == {tuple(f"{row}.png" for row in sorted(pair)) for pair in twins.T.tolist()}
    monkeypatch.setattr(duplicates, "BLOCK", 16)
    assert {one.files for one in data.near_duplicates(*arguments)} == whole


def test_rough_cosines_only_show_where_to_look(monkeypatch):
    features, hashes = made(200)
    rng = np.random.default_rng(7)
    # Copies at all distances from the limits, some so near them that a rough cosine is on the wrong side.
    features[100:] = features[:100] + rng.normal(0, 1, (100, 64)) * np.linspace(0, 1.2, 100)[:, None]
    asked = []

    def rough(vectors):
        def products(rows, columns):
            exact = vectors[rows] @ vectors[columns].T
            asked.append(exact.size)
            return exact + rng.choice([-duplicates.SLACK, duplicates.SLACK], exact.shape).astype(np.float32)

        return products

    monkeypatch.setattr(duplicates, "BLOCK", 64)
    arguments = (features, hashes, ["train"] * 200, names(200), ["a"] * 200)
    exact, found = (data.near_duplicates(*arguments, rough=one) for one in (None, rough))
    assert len(exact) > 20 and asked
    assert [one.files for one in found] == [one.files for one in exact]
    assert [one.details["similarity"] for one in found] == pytest.approx(
        [one.details["similarity"] for one in exact], abs=1e-4
    )


def test_thousands_of_equal_inputs_stay_small_in_memory(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 128)
    features, hashes = made(1500)
    features[:1400], hashes[:1400] = features[0], hashes[0]
    tracemalloc.start()
    (found,) = data.near_duplicates(features, hashes, ["train"] * 1500, names(1500), ["a"] * 1500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.files) == 1400 and found.details["similarity"] == pytest.approx(1, abs=1e-3)
    # All cosines at once would be 9 MB, all pairs as rows 16 MB and more.
    assert peak < 8_000_000


def test_arrays_of_other_lengths():
    features, hashes = made(4)
    with pytest.raises(DataError, match=r"^The arrays must be of one length\. Got 4 features, 4 hashes, 3 parts"):
        data.near_duplicates(features, hashes, ["train"] * 3, names(4), ["a"] * 4)


def test_what_is_alike_is_told_by_the_kind_of_input():
    features, hashes = made(100)
    features[10] = features[3] + np.random.default_rng(1).normal(0, 0.15, 64)
    named = names(100), ["a"] * 100
    assert len(data.near_duplicates(features, hashes, [None] * 100, *named)) == 1
    words = Text.alike
    assert data.near_duplicates(features, hashes, [None] * 100, *named, alike=words) == ()
    hashes[10] = hashes[3] ^ np.uint64(0xFF)
    assert len(data.near_duplicates(features, hashes, [None] * 100, *named, alike=words)) == 1
