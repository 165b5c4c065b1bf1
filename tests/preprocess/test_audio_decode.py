"""Recordings decoded: every rate, depth and number of channels, only what is needed of long ones, and bad ones."""

import io
import itertools
import struct

import numpy as np
import pytest
import soundfile

import sounds
from graft.errors import UnreadableInputError
from graft.preprocess import _audio_decode
from graft.preprocess.audio import Audio

SPEC = Audio(rate=8000, seconds=0.5)


def kinds(content, name="a.wav", spec=SPEC):
    return {one.kind: one for one in spec.inspect(content, name).findings}


def refused(content, spec=SPEC):
    """Return the one sentence with which both the look and the decoder refuse."""
    found = [one for one in spec.inspect(content, "bad.wav").findings if one.severity == "error"]
    with pytest.raises(UnreadableInputError) as caught:
        spec.decode(content)
    (one,) = found
    assert " must be " in one.message and "\n" not in one.message
    return one.kind, one.message, str(caught.value)


@pytest.mark.parametrize("coding", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_depth_of_wav_is_the_same_sound(coding):
    wave = sounds.tone()
    (decoded,) = SPEC.decode(sounds.encoded(wave, coding=coding))
    assert decoded.dtype == np.float32
    assert decoded.shape == wave.shape
    assert np.abs(decoded - wave).max() < {"PCM_U8": 0.01, "ULAW": 0.03}.get(coding, 1e-4)
    assert ("eight_bit" in kinds(sounds.encoded(wave, coding=coding))) == (coding in ("PCM_U8", "ULAW"))


@pytest.mark.parametrize("name", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64", "RF64"])
def test_every_format_is_read_and_named(name):
    wave = sounds.tone(seconds=1.0)
    content = sounds.encoded(wave, name=name)
    facts = Audio(rate=8000, seconds=1.0).inspect(content, f"a.{name.lower()}")
    assert facts.format == name
    assert facts.shape[1:] == (1, 8000)
    assert not [one for one in facts.findings if one.severity != "note"], facts.findings
    (decoded,) = Audio(rate=8000, seconds=1.0).decode(content)
    assert np.corrcoef(decoded, wave)[0, 1] > 0.98


def test_any_rate_is_brought_to_one():
    low, high = (sounds.tone(440, 0.5, rate, noise=0) for rate in (8000, 44_100))
    (same,), (brought,) = (SPEC.decode(sounds.encoded(one, rate)) for one, rate in ((low, 8000), (high, 44_100)))
    assert brought.shape == same.shape == (4000,)
    assert np.abs(brought - same)[50:-50].max() < 2e-3


def test_what_is_above_half_the_rate_does_not_fold_back():
    (decoded,) = SPEC.decode(sounds.encoded(sounds.tone(7000, 0.5, 32_000, noise=0), 32_000))
    assert np.abs(decoded).max() < 0.01


def test_channels_are_averaged():
    left, right = sounds.tone(300), sounds.tone(700, seed=1)
    content = sounds.encoded(np.stack([left, right, 0 * left], axis=1), coding="FLOAT")
    assert np.allclose(SPEC.decode(content)[0], (left + right) / 3, atol=1e-6)
    assert kinds(content)["several_channels"].details["channels"] == 3


def test_the_windows_of_a_long_recording_are_spread_evenly():
    ramp = np.linspace(0, 1, 80_000, dtype=np.float32)
    content = sounds.encoded(ramp, coding="FLOAT")
    (middle,) = Audio(rate=8000, seconds=1.0).decode(content)
    assert middle.shape == (8000,)
    assert abs(middle.mean() - 0.5) < 1e-3
    four = Audio(rate=8000, seconds=1.0, windows=4).decode(content)
    assert four.shape == (4, 8000)
    assert np.allclose(four.mean(axis=1), [0.05, 0.35, 0.65, 0.95], atol=1e-3)
    assert np.array_equal(four[0], ramp[:8000]) and np.array_equal(four[3], ramp[-8000:])


def test_only_the_windows_of_a_long_recording_are_decoded(monkeypatch):
    read = []
    true = soundfile.SoundFile.read

    def counted(self, *words, **named):
        block = true(self, *words, **named)
        read.append(len(block))
        return block

    content = sounds.encoded(np.tile(sounds.tone(seconds=1.0), 600), coding="PCM_16")
    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    spec = Audio(rate=8000, seconds=1.0, windows=4)
    spec.inspect(content, "long.wav")
    spec.decode(content)
    assert sum(read) < 60_000 < 600 * 8000


def test_silence_is_kept_and_said():
    content = sounds.encoded(np.zeros(40_000, np.float32))
    found = kinds(content)
    assert found["silence"].severity == "warning"
    assert not SPEC.fit(SPEC.decode(content)).any()
    assert "silence" not in kinds(sounds.encoded(np.append(np.zeros(40_000), 0.5)))


def test_one_sample_is_too_short():
    kind, message, again = refused(sounds.encoded(np.ones(1, np.float32)))
    assert kind == "too_short" and "1 sample at 8,000 Hz" in message and message == again


def test_no_sample_is_too_short():
    kind, message, _ = refused(sounds.encoded(np.zeros(0, np.float32)))
    assert kind == "too_short" and "0 samples" in message


@pytest.mark.parametrize("name", ["WAV", "FLAC", "MP3", "AIFF", "OGG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_recording_that_was_cut_off_is_refused(name, share):
    content = sounds.encoded(sounds.tone(seconds=2.0), name=name)
    cut = content[: int(len(content) * share)]
    spec = Audio(rate=8000, seconds=2.0)
    found = [one for one in spec.inspect(cut, f"cut.{name.lower()}").findings if one.severity == "error"]
    assert [one.kind for one in found] in (["truncated"], ["unreadable"])
    assert " must be " in found[0].message


def test_a_wav_of_unknown_length_is_read():
    content = bytearray(sounds.encoded(sounds.tone()))
    at = content.index(b"data") + 4
    content[at : at + 4] = content[4:8] = b"\xff" * 4
    assert SPEC.decode(bytes(content)).shape == (1, 4000)
    assert not [one for one in kinds(bytes(content)).values() if one.severity == "error"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    wave = sounds.tone()
    wave[100] = value
    with pytest.raises(UnreadableInputError, match="finite"):
        SPEC.decode(sounds.encoded(wave, coding="FLOAT"))


def test_floats_beyond_full_scale_are_no_fault():
    wave = sounds.tone()
    loud = SPEC.fit(SPEC.decode(sounds.encoded(40 * wave, coding="FLOAT")))
    plain = SPEC.fit(SPEC.decode(sounds.encoded(wave, coding="FLOAT")))
    assert np.abs(loud.astype(int) - plain).max() <= 1


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0" * 100, "MPEG-4"),
        (b"#!AMR\n" + b"\0" * 100, "AMR"),
        (b"\xff\xf1\x50\x80" + b"\0" * 100, "AAC"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "RIFF"),
        (b"fLaC" + b"\0" * 40, "fLaC"),
        (b"OggS" + b"\0" * 100, "OggS"),
        (b"no sound at all", "no sound"),
    ],
)
def test_what_is_no_recording_is_named(content, named):
    kind, message, again = refused(content)
    assert kind == "unreadable" and named in message and message == again


def test_an_empty_file_is_zero_size():
    assert refused(b"")[0] == "zero_size"


def test_a_header_that_lies_of_its_size_costs_no_memory():
    content = bytearray(sounds.encoded(sounds.tone(), name="FLAC"))
    # STREAMINFO: 36 bits of total samples, from the 22nd byte of the file on.
    content[21] |= 0x0F
    content[22:26] = struct.pack(">I", 0xFFFFFFFF)
    kind, message, _ = refused(bytes(content))
    assert kind in ("unreadable", "truncated") and "header" in message


def test_another_ending_is_read_as_what_it_is():
    found = kinds(sounds.encoded(sounds.tone(), name="FLAC"), "a.wav")
    assert found["wrong_extension"].severity == "warning"
    assert "FLAC" in found["wrong_extension"].message


def test_the_player_is_an_mp3_of_what_is_heard():
    played = Audio(rate=8000, seconds=0.5).player(sounds.encoded(sounds.tone(440), 8000))
    wave, rate = soundfile.read(io.BytesIO(played))
    assert rate == 8000
    loudest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
    assert abs(loudest - 440) < 5
    assert 0.5 < np.abs(wave).max() <= 1.1


def test_a_player_holds_ten_seconds_at_most():
    content = sounds.encoded(np.tile(sounds.tone(), 60), 8000)
    played = Audio(rate=5000, seconds=10.0, windows=2).player(content)
    wave, rate = soundfile.read(io.BytesIO(played))
    assert 9.9 < len(wave) / rate < 10.2


def test_without_the_package_the_extra_is_named(monkeypatch):
    import sys

    from graft.errors import NotInstalledError

    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(NotInstalledError, match=r"graft-ml\[audio\]"):
        SPEC.decode(b"RIFF")
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(NotInstalledError, match=r"graft-ml\[audio\]"):
        _audio_decode.resampled(sounds.tone(), 8000, 16_000)


def test_the_parts_of_a_long_recording_cover_it_and_a_short_one_has_one():
    ramp = np.linspace(0, 1, 80_000, dtype=np.float32)
    content = sounds.encoded(ramp, coding="FLOAT")
    spec = Audio(rate=8000, seconds=1.0, windows=2)
    parts = [spec.part(content, number, 5) for number in range(5)]
    assert spec.parts(content) == 5
    assert all(part.shape == (2, 8000) for part in parts)
    heard = sorted((float(wave[0]), float(wave[-1])) for part in parts for wave in part)
    assert heard[0][0] == 0 and heard[-1][1] == 1
    assert all(after[0] <= before[1] + 2e-5 for before, after in itertools.pairwise(heard))
    short = Audio(rate=8000, seconds=5.0)
    assert short.parts(content) == 1
    assert np.array_equal(short.part(content, 0, 1), short.decode(content))


@pytest.mark.parametrize("name", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_large_file_is_read_where_it_lies(name, tmp_path, monkeypatch):
    from graft import types

    monkeypatch.setattr(types, "LARGE_BYTES", 1)
    content = sounds.encoded(sounds.tone(seconds=2.0), name=name)
    path = tmp_path / f"a.{name.lower()}"
    path.write_bytes(content)
    mapped = types.Example("a", path=path).read(in_place=True)
    assert not isinstance(mapped, bytes) and types.Example("a", path=path).read() == content
    spec = Audio(rate=8000, seconds=0.5, windows=3)
    assert spec.inspect(mapped, path.name) == spec.inspect(content, path.name)
    assert np.array_equal(spec.decode(mapped), spec.decode(content))
    path.write_bytes(content[: len(content) // 2])
    cut = types.Example("a", path=path).read(in_place=True)
    assert [one.kind for one in spec.inspect(cut, path.name).findings if one.severity == "error"]
