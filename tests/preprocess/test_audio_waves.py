"""Waves and spectrograms against the library's feature extractors, their masks, their views, and what data settle."""

import warnings

import numpy as np
import pytest

import sounds
from graft.errors import ArtifactError, SettingError
from graft.preprocess import _audio_augment as augment
from graft.preprocess import _audio_mels as mels
from graft.preprocess._audio_waves import Waves
from graft.preprocess.audio import Audio

RATE = 16_000
FORMS = {
    "wave": Waves(seconds=0.5),
    "fbank": Waves(features="fbank", seconds=(63 * 160 + 400) / RATE, bands=64),
    "log_mel": Waves(features="log_mel", seconds=1.0, normalised=False),
}


def wave(seconds=0.31, seed=0):
    """A tone that swells and fades, and a second one above it."""
    low, high = sounds.tone(400, seconds, RATE, seed=seed), sounds.tone(2300, seconds, RATE, noise=0, seed=seed)
    return (low + 0.1 * high).astype(np.float32)


@pytest.fixture(params=FORMS)
def spec(request):
    return FORMS[request.param]


@pytest.mark.parametrize("normalised", [True, False])
def test_a_wave_is_that_of_the_library(normalised):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalised, return_attention_mask=True)
    told = extractor(wave(), sampling_rate=RATE, padding="max_length", max_length=8000)
    found = Waves(seconds=0.5, normalised=normalised).fit(wave()[None])
    assert np.array_equal(found[:, 0], told["input_values"][0])
    assert np.array_equal(found[:, 1], told["attention_mask"][0])
    assert 0 < found[:, 1].sum() < len(found)


@pytest.mark.parametrize(("seconds", "normalised"), [(0.31, True), (0.655, True), (0.9, False)])
def test_filter_banks_are_those_of_the_library(seconds, normalised):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=64, max_length=64, do_normalize=normalised)
    told = extractor(wave(seconds), sampling_rate=RATE)["input_values"][0]
    spec = Waves(features="fbank", seconds=(63 * 160 + 400) / RATE, bands=64, normalised=normalised)
    found = spec.fit(wave(seconds)[None])
    assert found.shape == (64, 65)
    np.testing.assert_allclose(found[:, :-1], told, rtol=0, atol=2e-5)
    assert np.ptp(told) > 1


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("seconds", [3.3, 30.0, 31.0])
def test_whispers_spectrogram_is_that_of_the_library(bands, seconds):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor(feature_size=bands)
    told = extractor(wave(seconds), sampling_rate=RATE, return_attention_mask=True)
    found = Waves(features="log_mel", seconds=30.0, bands=bands, normalised=False).fit(wave(seconds)[None])
    assert found.shape == (3000, bands + 1)
    np.testing.assert_allclose(found[:, :-1].T, told["input_features"][0], rtol=0, atol=1e-4)
    assert np.array_equal(found[:, -1], told["attention_mask"][0])
    assert np.ptp(told["input_features"][0]) > 1


def test_the_triangles_are_those_of_the_library():
    audio_utils = pytest.importorskip("transformers.audio_utils")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of 128 bands some are narrower than a bin: so they are published
        kaldi = audio_utils.mel_filter_bank(
            257, 128, 20, 8000, RATE, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
        )
    slaney = audio_utils.mel_filter_bank(201, 80, 0, 8000, RATE, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mels.kaldi_bank(RATE, 128), kaldi, atol=1e-9)
    np.testing.assert_allclose(mels.whisper_bank(RATE, 80), slaney, atol=1e-7)


def test_the_mask_ends_with_the_sound(spec):
    shares = [spec.fit(wave(seconds)[None])[:, -1].mean() for seconds in (0.1, 0.2, 0.4, 2.0)]
    assert shares == sorted(shares)
    assert shares[0] > 0 and shares[-1] == 1
    found = spec.fit(wave(0.2)[None])
    assert np.array_equal(found[:, -1], np.sort(found[:, -1])[::-1])


@pytest.mark.parametrize("name", [one for one in Waves.augmentations() if one != "none"])
def test_a_seed_decides_and_every_change_changes(spec, name):
    waves = wave(0.5)[None]
    plain = spec.fit(waves)
    views = [spec.augmented(waves, name, seed) for seed in (1, 1, 2)]
    assert all(view.shape == plain.shape and view.dtype == np.float32 and np.isfinite(view).all() for view in views)
    assert np.array_equal(views[0], views[1])
    if name != "gain":  # which normalising takes away again
        assert not np.array_equal(views[0], views[2])
        assert not np.array_equal(views[0], plain)


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.12])
@pytest.mark.parametrize("hertz", [440.0, 1234.5])
def test_a_raised_wave_is_as_long_and_its_tone_as_much_higher(factor, hertz):
    time = np.arange(RATE) / RATE
    plain = (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    found = augment.raised(plain, factor)
    assert (found.shape, found.dtype) == (plain.shape, np.float32)
    middle = found[4000:12000] * np.hanning(8000)
    peak = np.abs(np.fft.rfft(middle, 1 << 17)).argmax() * RATE / (1 << 17)
    assert peak == pytest.approx(hertz * factor, rel=0.005)
    assert np.sqrt(np.mean(found[4000:12000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_a_burst_stays_where_it_was_when_it_is_raised():
    plain = np.zeros(RATE, np.float32)
    plain[9000:11000] = sounds.tone(700, 0.125, RATE)
    for factor in (0.9, 1.12):
        energy = augment.raised(plain, factor).astype(np.float64) ** 2
        assert (energy * np.arange(RATE)).sum() / energy.sum() == pytest.approx(10_000, abs=250)
        assert not augment.raised(np.zeros(3000, np.float32), factor).any()


def test_masks_hide_stretches_and_bands_of_the_sound_alone():
    plain = FORMS["log_mel"].fit(wave(0.5)[None])
    draws = [augment.hidden(plain, np.random.default_rng(seed)) for seed in range(20)]
    changed = np.mean([one != plain for one in draws], axis=0)
    assert not changed[50:].any() and not changed[:, -1].any()
    assert 0.1 < changed[:50, :-1].mean() < 0.5


def test_features_without_a_network_tell_tones_apart(spec):
    tones = [spec.simple_features(spec.fit(sounds.tone(hertz, 0.5, RATE)[None])) for hertz in (300, 310, 2500)]
    near, far = np.linalg.norm(tones[0] - tones[1]), np.linalg.norm(tones[0] - tones[2])
    assert far > 2 * near
    pictured = Audio(rate=RATE, seconds=0.5)
    assert len(tones[0]) == len(pictured.simple_features(pictured.fit(wave()[None])))


def test_the_same_sound_softer_has_the_same_hash(spec):
    content = [spec.miniature(spec.fit(wave(0.4)[None] * loud)) for loud in (1.0, 0.5)]
    other = spec.miniature(spec.fit(sounds.tone(3000, 0.4, RATE)[None]))
    hashes = spec.perceptual_hashes(np.stack([*content, other]))
    distances = [int(hashes[0] ^ one).bit_count() for one in hashes[1:]]
    assert distances[0] <= 4 < 12 < distances[1]


def test_silence_is_finite_and_dark(spec):
    found = spec.fit(np.zeros((1, 3000), np.float32))
    assert np.isfinite(found).all()
    assert not spec.miniature(found).any()


def test_data_settle_length_and_windows_but_not_what_a_network_fixes():
    short, long = [(3000, 1, 8000)] * 20, [(8000 * 60, 2, 8000)] * 20
    wave, log_mel = FORMS["wave"], Waves(features="log_mel", seconds=30.0)
    assert (wave.settled(short).seconds, wave.settled(short).windows, wave.settled(short).rate) == (0.5, 1, RATE)
    assert (wave.settled(long).seconds, wave.settled(long).windows) == (10.0, 8)
    assert (log_mel.settled(short).seconds, log_mel.settled(short).windows) == (30.0, 1)
    assert (log_mel.settled(long).seconds, log_mel.settled(long).windows) == (30.0, 2)
    assert wave.settled([]) == wave


def test_wrong_settings_and_recipes_are_refused():
    with pytest.raises(SettingError, match="rate must be") as caught:
        Waves(rate=10, std=0)
    assert "std must be" in str(caught.value)
    data = FORMS["wave"].to_json()
    with pytest.raises(ArtifactError):
        Audio.from_json({**data, "recipe": 99})
    with pytest.raises(ArtifactError):
        Audio.from_json({**data, "colour": "red"})
