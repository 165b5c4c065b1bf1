"""Augmented views of recordings: decided by the seed alone, each change what its help says, and none empties one."""

import numpy as np
import pytest

import sounds
from graft.errors import SettingError
from graft.preprocess import _audio_augment as augment
from graft.preprocess.audio import Audio

SPEC = Audio(rate=8000, seconds=0.5)
WAVE = sounds.tone(600, noise=0.02)[None]


@pytest.mark.parametrize("name", [one for one in Audio.augmentations() if one != "none"])
def test_a_seed_decides_and_every_change_changes(name):
    plain = SPEC.fit(WAVE)
    views = [SPEC.augmented(WAVE, name, seed) for seed in (1, 1, 2)]
    assert all(view.shape == plain.shape and view.dtype == np.uint8 for view in views)
    assert np.array_equal(views[0], views[1])
    if name != "gain":  # of which a picture of levels below the loudest shows nothing
        assert not np.array_equal(views[0], views[2])
        assert not np.array_equal(views[0], plain)


def test_no_change_is_the_plain_view():
    assert np.array_equal(SPEC.augmented(WAVE, "none", 5), SPEC.fit(WAVE))


def test_the_input_is_left_as_it_was():
    before = WAVE.copy()
    SPEC.augmented(WAVE, "speech,shift", 3)
    assert np.array_equal(WAVE, before)


def test_several_windows_are_augmented_together():
    spec = Audio(rate=8000, seconds=0.25, windows=2)
    waves = WAVE.reshape(2, -1)
    view = spec.augmented(waves, "auto,pitch,gain", 4)
    assert view.shape == (2, 3, 224, 224)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_noise_is_as_much_softer_as_it_says():
    waves = np.tile(WAVE, (1, 20))
    ratios = []
    for seed in range(20):
        added = augment.noise(waves, rng(seed)) - waves
        ratios.append(10 * np.log10(np.mean(waves**2) / np.mean(added**2)))
    assert 9.5 < min(ratios) < 20 and 30 < max(ratios) < 40.5
    assert not augment.noise(np.zeros((1, 100), np.float32), rng()).any()


def test_gain_is_at_most_six_decibels():
    factors = [20 * np.log10(augment.gain(WAVE, rng(seed)).max() / WAVE.max()) for seed in range(30)]
    assert -6.01 < min(factors) < -3 and 3 < max(factors) < 6.01


def test_speed_changes_length_and_pitch_together():
    for seed in range(6):
        (played,) = augment.speed(WAVE, rng(seed))
        factor = WAVE.shape[1] / len(played)
        assert 1 / 1.101 < factor < 1.101
        loudest = np.abs(np.fft.rfft(played, 80_000)).argmax() / 10
        assert abs(loudest - 600 * factor) < 12
    assert augment.speed(WAVE[:, :1], rng()).size >= 1


def test_a_shift_loses_nothing():
    moved = augment.shift(WAVE, rng(1))
    assert not np.array_equal(moved, WAVE)
    assert np.array_equal(np.sort(moved), np.sort(WAVE))


def test_masks_hide_bands_and_stretches_and_no_more_than_they_say():
    white = np.full((1, 3, 224, 224), 255, np.uint8)
    shares = []
    for seed in range(20):
        hidden = augment.masked(white, rng(seed))[0, 0] == 0
        bands, stretches = hidden.all(axis=1).mean(), hidden.all(axis=0).mean()
        assert np.array_equal(hidden, hidden.all(axis=1)[:, None] | hidden.all(axis=0)[None])
        assert bands <= 0.31 and stretches <= 0.31
        shares.append(hidden.mean())
    assert max(shares) > 0.2
    assert (white == 255).all()


def test_pitch_is_at_most_two_semitones():
    factors = [12 * np.log2(augment.pitch_factor(rng(seed))) for seed in range(40)]
    assert -2 <= min(factors) < -1.5 and 1.5 < max(factors) <= 2


def test_an_unknown_change_suggests_the_nearest():
    assert Audio.check_augmentation("masks, noise,none") == ("noise", "masks")
    with pytest.raises(SettingError, match="'noise'"):
        Audio.check_augmentation("nois")
    with pytest.raises(SettingError, match="recordings"):
        Audio.check_augmentation("photos")
