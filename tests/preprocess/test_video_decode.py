"""Frames by the time at which they are shown, turned upright; each bad file one clear sentence."""

import mmap
import struct
import sys

import numpy as np
import pytest

import clips
from graft.errors import NotInstalledError, UnreadableInputError
from graft.preprocess import _video_decode
from graft.preprocess._video_container import missing, sniff
from graft.preprocess._video_decode import Limits, decode, read_header

LIMITS = Limits(100_000_000, 86_400.0)
FORMS = [
    ("mp4", "libx264", "MP4"),
    ("mov", "mpeg4", "MOV"),
    ("webm", "libvpx", "WEBM"),
    ("webm", "libvpx-vp9", "WEBM"),
    ("matroska", "libx264", "MKV"),
    ("avi", "mpeg4", "AVI"),
    ("flv", "libx264", "FLV"),
    ("asf", "mpeg4", "WMV"),
    ("mpegts", "libx264", "MTS"),
]


def levels(content, frames, **more):
    found = decode(content, frames=frames, side=32, limits=LIMITS, **more)
    return found.mean(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def clip():
    return clips.encoded(clips.moving())


@pytest.mark.parametrize(("form", "codec", "name"), FORMS)
def test_every_container_gives_the_frames_in_the_middle_of_even_stretches(form, codec, name):
    shown = np.linspace(20, 230, 24)
    content = clips.encoded(clips.grey_levels(shown), form, codec)
    header = read_header(content, LIMITS)
    assert (header.format, header.height, header.width, header.fault) == (name, 48, 64, None)
    assert abs(header.frames - 24) <= 2
    assert abs(header.seconds - 2) < 0.2
    found = levels(content, 8)
    # Each stretch holds three frames; which of them is its middle depends on where the container begins to count.
    wanted = shown.reshape(8, 3)
    assert ((found > wanted[:, 0] - 8) & (found < wanted[:, 2] + 16)).all(), found
    assert (np.diff(found) > 10).all()


def test_uneven_times_are_what_counts():
    """23 of 24 frames are shown in the first tenth of the time; by number they would fill it."""
    times = [10 * number for number in range(23)] + [2000]
    content = clips.encoded(clips.grey_levels([30] * 22 + [120] + [220]), times=times, gop=6)
    # The 23rd frame stays for 1.8 s.
    found = levels(content, 8)
    np.testing.assert_allclose(found[0], 30, atol=4)
    np.testing.assert_allclose(found[1:], 120, atol=4)


def test_a_pause_between_bursts_shows_the_frame_before_it():
    times = [*range(0, 400, 40), *range(4000, 4400, 40)]
    content = clips.encoded(clips.grey_levels([50] * 9 + [100] + [200] * 10), times=times)
    np.testing.assert_allclose(levels(content, 4), [100, 100, 100, 100], atol=5)
    assert (levels(content, 22) > 180).sum() == 2


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        (clips.UPRIGHT, lambda one: one),
        (clips.QUARTER, lambda one: np.rot90(one, -1)),
        ((-1, 0, 0, -1), lambda one: np.rot90(one, 2)),
        ((0, -1, 1, 0), lambda one: np.rot90(one, 1)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda one: one.transpose(1, 0, 2)),
    ],
)
def test_the_display_matrix_is_honoured(clip, matrix, turned):
    plain = decode(clip, frames=1, side=32, limits=LIMITS)[0]
    content = clips.marked(clip, matrix)
    found = decode(content, frames=1, side=32, limits=LIMITS)[0]
    assert np.array_equal(found, turned(plain))
    header = read_header(content, LIMITS)
    assert (header.height, header.width) == found.shape[:2]
    assert header.turned == (matrix != clips.UPRIGHT)


def test_pixels_that_are_not_square_are_made_so():
    import av

    frames = clips.moving()
    out = clips.io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = clips.Fraction(2, 1)
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    assert decode(out.getvalue(), frames=2, side=32, limits=LIMITS).shape == (2, 48, 128, 3)


def test_large_frames_are_reduced_while_they_are_decoded():
    content = clips.encoded(clips.moving(4, (512, 640)))
    assert decode(content, frames=2, side=64, limits=LIMITS).shape == (2, 128, 160, 3)
    assert decode(content, frames=2, side=200, limits=LIMITS).shape == (2, 512, 640, 3)


def test_jumping_gives_what_reading_all_gives(monkeypatch):
    content = clips.encoded(clips.grey_levels(np.linspace(20, 230, 240)), gop=10)
    jumped = decode(content, frames=5, side=32, limits=LIMITS)
    asked = []
    monkeypatch.setattr(_video_decode, "_worth_a_jump", lambda *place: asked.append(place))
    assert np.array_equal(decode(content, frames=5, side=32, limits=LIMITS), jumped)
    assert asked


def test_a_long_film_is_jumped_through(monkeypatch):
    content = clips.encoded(clips.grey_levels(np.linspace(20, 230, 600)), gop=10)
    decoded, timed = [], _video_decode._timed

    def counted(*given):
        for one in timed(*given):
            decoded.append(one[0])
            yield one

    monkeypatch.setattr(_video_decode, "_timed", counted)
    found = levels(content, 4)
    assert len(decoded) < 100
    np.testing.assert_allclose(found, np.linspace(20, 230, 600)[75::150], atol=5)


def test_a_live_recording_that_does_not_say_how_long_it_is():
    content = clips.encoded(clips.grey_levels(np.linspace(20, 230, 24)), "webm", "libvpx", live="1")
    assert missing(content, sniff(content)) == ""
    assert abs(read_header(content, LIMITS).seconds - 2) < 0.1
    assert (np.diff(levels(content, 8)) > 10).all()


def test_a_memory_map_is_read_like_bytes(clip, tmp_path):
    (tmp_path / "a.mp4").write_bytes(clip)
    with (tmp_path / "a.mp4").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = decode(content, frames=3, side=32, limits=LIMITS)
        assert read_header(content, LIMITS) == read_header(clip, LIMITS)
    assert np.array_equal(found, decode(clip, frames=3, side=32, limits=LIMITS))


def absurd(clip):
    """Return a film of PNGs that claim 60,000 x 60,000 pixels, as does the container; none of it is allocated."""
    content = bytearray(clips.encoded(clips.moving(3), "mov", "png", pixels="rgb24"))
    at = content.index(b"stsd") + 16 + 28
    content[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    at = -1
    while (at := content.find(b"IHDR", at + 1)) >= 0:
        content[at + 4 : at + 12] = struct.pack(">II", 60_000, 60_000)
    return bytes(content)


def half(content):
    return content[: len(content) // 2]


BAD = {
    "empty": (lambda clip: b"", "zero_size", "0 bytes"),
    "zeros": (lambda clip: b"\0" * 5000, "unreadable", "bytes that begin with"),
    "text": (lambda clip: b"nonsense " * 100, "unreadable", "an MP4, MOV, WebM"),
    "half": (half, "truncated", "of the"),
    "no index": (lambda clip: clip[: clip.index(b"moov") - 4], "truncated", "without its index"),
    "half webm": (
        lambda clip: half(clips.encoded(clips.moving(), "webm", "libvpx")),
        "truncated",
        "of the",
    ),
    "half avi": (
        lambda clip: half(clips.encoded(clips.moving(), "avi", "mpeg4")),
        "truncated",
        "of the",
    ),
    "sound": (lambda clip: clips.sound_only(), "no_frames", "sound alone"),
    "sound in webm": (lambda clip: clips.sound_only("webm", "libopus"), "no_frames", "sound alone"),
    "absurd": (absurd, "unreadable", "damaged"),
    "noise in a box": (lambda clip: clip[:40] + b"\xff" * (len(clip) - 40), "unreadable", ""),
    "shell alone": (lambda clip: b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "truncated", "without its index"),
    "playlist": (lambda clip: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "unreadable", "bytes that begin"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_sentence(clip, name):
    spoil, kind, says = BAD[name]
    content = spoil(clip)
    fault = read_header(content, LIMITS).fault
    assert fault is not None
    if name != "noise in a box":  # where a damaged index leads to depends on the bytes
        assert fault.kind == kind
    assert says in fault.message
    assert " must be " in fault.message
    assert "\n" not in fault.message
    with pytest.raises(UnreadableInputError):
        decode(content, frames=4, side=32, limits=LIMITS)


def test_limits_are_those_given(clip):
    fault = read_header(clip, Limits(1000, 86_400.0)).fault
    assert fault is not None
    assert fault.kind == "too_large"
    assert "--max-pixels" in fault.message
    assert read_header(clip, Limits(10_000, 1.0)).fault.kind == "too_long"
    with pytest.raises(UnreadableInputError, match="at most 1,000 pixels"):
        decode(clip, frames=4, side=32, limits=Limits(1000, 86_400.0))


def test_a_cover_is_no_film():
    """A still picture that belongs to a recording is a video stream too, marked as such."""
    import av

    content = clips.sound_only(cover=clips.moving(1)[0])
    with av.open(clips.io.BytesIO(content)) as container:
        assert len(container.streams.video) == 1
    fault = read_header(content, LIMITS).fault
    assert fault is not None
    assert fault.kind == "no_frames"


def test_without_pyav_the_extra_is_named(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(NotInstalledError, match=r"graft-ml\[video\]"):
        read_header(clip, LIMITS)
