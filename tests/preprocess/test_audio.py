"""Log-mel pictures against plain arithmetic, what they keep and what they do not, and what the data settle."""

import numpy as np
import pytest

import sounds
from graft.errors import ArtifactError, SettingError
from graft.preprocess import _audio_spectrum as spectrum
from graft.preprocess.audio import Audio
from graft.preprocess.image import Image

SPEC = Audio(rate=8000, seconds=0.5)


def pictured(wave, spec=SPEC):
    return spec.fit(wave[None].astype(np.float32))


def test_powers_are_those_of_plain_arithmetic():
    wave = sounds.tone(noise=0.2)
    found = spectrum.powers(wave, 200, 9, 256)
    assert found.shape == (129, 9)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, 201) / 201)
    for step, centre in enumerate(np.rint(np.linspace(0, len(wave) - 1, 9)).astype(int)):
        places = centre - 100 + np.arange(200)
        inside = (places >= 0) & (places < len(wave))
        frame = np.where(inside, wave[np.clip(places, 0, len(wave) - 1)], 0) * hann / hann.sum()
        angles = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(200)) / 256)
        assert np.allclose(found[:, step], np.abs(angles @ frame) ** 2, rtol=1e-3, atol=1e-9)


def test_bands_are_triangles_of_equal_area_on_a_mel_scale():
    bank = spectrum.filters(8000, 4096, 40, 20.0).toarray()
    assert bank.shape == (40, 2049)
    assert (bank >= 0).all()
    step = 8000 / 4096
    assert np.allclose(bank[5:].sum(axis=1) * step, 1, atol=0.02)
    tops = np.array([np.average(np.arange(2049) * step, weights=row) for row in bank])
    in_mel = 2595 * np.log10(1 + tops / 700)
    assert np.allclose(np.diff(in_mel), (in_mel[-1] - in_mel[0]) / 39, rtol=0.15)
    assert tops[0] > 20 and tops[-1] < 4000


def test_a_higher_tone_stands_higher_and_a_later_one_further_right():
    rows = [int(pictured(sounds.tone(hertz, noise=0))[0].mean(axis=1).argmax()) for hertz in (200, 600, 1800, 3500)]
    assert rows == sorted(rows, reverse=True)
    assert rows[0] > 150 and rows[-1] < 40
    early, late = np.zeros(4000), np.zeros(4000)
    early[500:900], late[3100:3500] = sounds.tone(seconds=0.05), sounds.tone(seconds=0.05)
    columns = [int(pictured(one)[0].mean(axis=0).argmax()) for one in (early, late)]
    assert abs(columns[0] - 224 * 700 / 4000) < 8 and abs(columns[1] - 224 * 3300 / 4000) < 8


def test_loudness_does_not_count_and_the_loudest_is_white():
    wave = sounds.tone()
    assert pictured(wave).max() >= 250
    assert np.abs(pictured(wave).astype(int) - pictured(wave * 0.01)).max() <= 1


def test_a_short_recording_stands_in_the_middle_of_silence():
    found = pictured(sounds.tone(seconds=0.1))[0]
    loud = np.flatnonzero(found.max(axis=0) > 128)
    assert abs(loud.mean() - 111.5) < 4
    assert not found[:, :60].any() and not found[:, -60:].any()


def test_decibels_below_the_span_are_silence():
    power = np.array([[1.0, 1e-4, 1e-8, 1e-12]])
    assert np.allclose(spectrum.decibels(power, 80.0), [[1, 0.5, 0, 0]], atol=1e-6)
    assert not spectrum.decibels(np.zeros((2, 2)), 80.0).any()


def test_several_windows_share_their_loudest_place():
    wave = np.concatenate([sounds.tone(seconds=0.5), 0.01 * sounds.tone(seconds=0.5)])
    spec = Audio(rate=8000, seconds=0.5, windows=2)
    found = spec.fit(spec.decode(sounds.encoded(wave, coding="FLOAT")))
    assert found.shape == spec.shape == (2, 3, 224, 224)
    assert found[0].max() >= 250
    assert 100 < found[1].max() < 150
    assert len(spec.simple_features(found)) == len(SPEC.simple_features(found[0]))


def test_pitch_moves_a_tone_up_the_picture():
    wave = sounds.tone(800, noise=0)[None]
    plain, raised = (SPEC._pictures(wave, pitch)[0, 0].mean(axis=1).argmax() for pitch in (1.0, 1.5))
    wanted = pictured(sounds.tone(1200, noise=0))[0].mean(axis=1).argmax()
    assert raised < plain
    assert abs(int(raised) - int(wanted)) <= 1


@pytest.mark.parametrize(
    ("seconds", "rate", "wanted"),
    [
        ([0.3, 0.4, 0.45], 8000, (8000, 0.5, 1)),
        ([5.0] * 9, 44_100, (32_000, 5.0, 1)),
        ([4.99] * 9, 22_050, (22_050, 5.0, 1)),
        ([0.4] * 99 + [60.0], 16_000, (16_000, 0.5, 1)),
        ([15.0] * 9, 16_000, (16_000, 10.0, 2)),
        ([7200.0] * 9, 16_000, (16_000, 10.0, 16)),
        ([0.4], 4000, (8000, 0.5, 1)),
    ],
)
def test_the_data_settle_rate_length_and_windows(seconds, rate, wanted):
    found = Audio().settled([(round(one * rate), 1, rate) for one in seconds])
    assert (found.rate, found.seconds, found.windows) == wanted
    assert found.settled([]) == found


def test_it_takes_the_form_of_any_network_of_pictures():
    assert Audio.taking(Image(size=(299, 299), resize=320)).shape == (3, 299, 299)
    assert Audio.taking(SPEC) is SPEC
    assert Image.taking(Image()) == Image()
    with pytest.raises(SettingError, match="takes image"):
        Image.taking(SPEC)


def test_limits_that_it_does_not_have_are_passed_over():
    assert SPEC.limited(max_pixels=5) == SPEC
    assert Image().limited(max_pixels=5).max_pixels == 5


def test_simple_features_tell_when_and_how_high():
    def told(wave):
        return SPEC.simple_features(pictured(wave))

    low, high = told(sounds.tone(300, noise=0)), told(sounds.tone(2500, noise=0))
    assert np.linalg.norm(low - high) > 2 * np.linalg.norm(low - told(sounds.tone(310, noise=0)))
    # The same sound earlier in the recording: what sounds is found, wherever it is.
    short = np.pad(sounds.tone(seconds=0.2, noise=0), (0, 1600))
    moved = np.roll(short, 1200)
    assert np.linalg.norm(told(short) - told(moved)) < 0.2 * np.linalg.norm(told(short))
    assert np.isfinite(told(np.zeros(4000))).all()


def test_faulty_settings_are_told_together():
    with pytest.raises(SettingError) as caught:
        Audio(rate=1, seconds=0.0, windows=0, frames=(0.1,))
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["rate", "seconds", "windows", "frames"]


@pytest.mark.parametrize("change", [{"recipe": 999}, {"modality": "image"}, {"size": 3}, {"other": 1}, {"rate": "x"}])
def test_json_of_another_kind_is_refused(change):
    with pytest.raises(ArtifactError):
        Audio.from_json({**SPEC.to_json(), **change})
