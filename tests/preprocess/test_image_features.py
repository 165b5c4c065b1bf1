"""Perceptual hash, colour histogram and oriented gradients: against definitions, and what they are for."""

import numpy as np
import pytest
import scipy.fft
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from graft.preprocess import _image_features as features
from graft.preprocess.image import Image

RECIPE = Image()


def hashed(fitted):
    return int(RECIPE.perceptual_hashes(RECIPE.miniature(fitted)[None])[0])


def distance(one, other):
    return (one ^ other).bit_count()


def test_the_hash_is_the_dct_one(photo):
    fitted = RECIPE.fit(photo(300, 300, seed=1))
    boxes = fitted.reshape(3, 32, 7, 32, 7).mean(axis=(2, 4)).round()
    grey = np.tensordot([0.299, 0.587, 0.114], boxes, 1)
    low = scipy.fft.dct(scipy.fft.dct(grey.astype(float), axis=0), axis=1)[:8, :8]
    bits = (low > np.median(low)).ravel()
    assert hashed(fitted) == int("".join("01"[int(bit)] for bit in bits), 2)


def test_any_size_is_made_small_alike():
    whole = np.random.default_rng(0).integers(0, 256, (3, 64, 96), np.uint8)
    odd = whole.repeat(3, axis=1)[:, :190]
    assert np.abs(features.miniature(whole) - whole.reshape(3, 32, 2, 32, 3).mean(axis=(2, 4))).max() <= 0.5
    assert features.miniature(odd).shape == (3, 32, 32)


def test_near_copies_share_the_hash_and_others_do_not(photo, encode):
    hashes = []
    for seed in range(12):
        pixels = photo(280, 340, seed=seed)
        plain = hashed(RECIPE.fit(pixels))
        small = photo(140, 170, seed=seed)
        jpeg = RECIPE.decode(encode(pixels, "JPEG", quality=60))
        bright = np.clip(pixels * 0.9 + 10, 0, 255).astype(np.uint8)
        for copy in (small, jpeg, bright):
            assert distance(plain, hashed(RECIPE.fit(copy))) <= 6
        hashes.append(plain)
    apart = [distance(one, other) for k, one in enumerate(hashes) for other in hashes[:k]]
    assert min(apart) > 12
    assert all(0 <= one < 2**64 for one in hashes)


def test_a_plain_picture_has_a_hash_and_features():
    plain = np.full((3, 224, 224), 77, np.uint8)
    assert 0 <= hashed(plain) < 2**64
    values = RECIPE.simple_features(plain)
    assert np.isfinite(values).all()
    assert values.max() == 1.0
    assert not values[64:].any()


def test_colour_histogram():
    pixels = np.zeros((3, 8, 8), np.uint8)
    pixels[0, :4] = 255
    shares = features.colour_histogram(pixels)
    assert shares[0] == pytest.approx(np.sqrt(0.5))
    assert shares[3 * 16] == pytest.approx(np.sqrt(0.5))
    assert (shares > 0).sum() == 2


@pytest.mark.parametrize(("turn", "bins"), [("right", {0, 8}), ("down", {4})])
def test_gradients_have_their_direction(turn, bins):
    ramp = np.tile(np.arange(96, dtype=np.float32) * 2, (96, 1))
    values = features.oriented_gradients(ramp if turn == "right" else ramp.T).reshape(5, 5, 4, 9)
    assert set(np.flatnonzero(values[2, 2, 0] > 0.05)) == bins


def test_gradients_ignore_light_and_contrast():
    rng = np.random.default_rng(0)
    grey = np.kron(rng.uniform(40, 200, (12, 12)), np.ones((8, 8))).astype(np.float32)
    plain = features.oriented_gradients(grey)
    assert plain.shape == (900,)
    assert plain.dtype == np.float32
    assert np.abs(plain - features.oriented_gradients(grey * 0.5 + 20)).max() < 1e-3


def test_size_does_not_change_the_number_of_features(photo):
    for size in ((224, 224), (64, 80)):
        recipe = Image(size=size, resize=256)
        assert recipe.simple_features(recipe.fit(photo(100, 120))).shape == (964,)


def test_handwritten_digits_can_be_told_apart_without_a_network():
    digits = load_digits()
    recipe = Image(size=(96, 96), resize=96)
    rows = [
        recipe.simple_features(recipe.fit(np.repeat((image * 15.9).astype(np.uint8)[..., None], 3, -1)))
        for image in digits.images[:600]
    ]
    model = LogisticRegression(max_iter=300).fit(rows[:400], digits.target[:400])
    assert model.score(rows[400:], digits.target[400:600]) > 0.9
