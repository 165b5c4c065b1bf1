"""Videos made from a seed, in any container, for the tests of video: shapes that move on a noisy ground."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

UPRIGHT = (1, 0, 0, 1)
QUARTER = (0, 1, -1, 0)
"""How a phone that is held upright marks a clip: to be turned by a quarter, clockwise."""
COLOURS = np.array([(210, 60, 60), (60, 200, 60), (70, 70, 220), (220, 200, 50)])


def moving(
    count: int = 24, size: tuple[int, int] = (48, 64), *, colour=(255, 255, 255), start=(24, 10), step=(0, 2), seed=0
) -> np.ndarray:
    """Return frames uint8 (count, height, width, 3): a square of 12 pixels, ``start`` and ``step`` being (y, x)."""
    draw = np.random.default_rng(seed)
    frames = np.repeat(draw.normal(60, 6, (1, *size, 3)), count, axis=0)
    rows, columns = np.indices(size)
    for number, frame in enumerate(frames):
        y, x = (start[axis] + step[axis] * number for axis in (0, 1))
        frame[(np.abs(rows - y % size[0]) <= 6) & (np.abs(columns - x % size[1]) <= 6)] = colour
    return np.clip(frames, 0, 255).astype(np.uint8)


def grey_levels(levels, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Return one even frame for each level, uint8 (count, height, width, 3)."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), *size, 3)).copy()


def encoded(
    frames: np.ndarray,
    form: str = "mp4",
    codec: str = "libx264",
    *,
    rate: int = 12,
    times=None,
    gop: int = 12,
    pixels="yuv420p",
    **options,
) -> bytes:
    """Return frames as the bytes of a file; ``times`` are the milliseconds at which each is shown."""
    out = io.BytesIO()
    # Without it Matroska files hold an id drawn anew each time: hashes, and so the parts of a data set, would differ.
    with av.open(out, "w", format=form, options={"fflags": "bitexact", **options}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = gop
        stream.bit_rate = 2_000_000
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def sound_only(form: str = "mp4", codec: str = "aac", cover: np.ndarray | None = None) -> bytes:
    """Return a file of the container that holds sound and no frame, but perhaps a picture of its cover."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        if cover is not None:
            picture = container.add_stream("png", rate=1)
            picture.height, picture.width, picture.pix_fmt = *cover.shape[:2], "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            container.mux(picture.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def marked(content: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Return an MP4 with another display matrix in its track's header, as phones write it (ISO/IEC 14496-12, 8.3.2)."""
    at = content.index(b"tkhd") + 4
    at += 40 if content[at] == 0 else 52
    a, b, c, d = (one << 16 for one in matrix)
    return content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + 36 :]


def make_clips(folder: Path, *, classes: int = 3, each: int = 12, seed: int = 0) -> Path:
    """Write ``classes`` folders of ``each`` clips, MP4 and WebM in turn; the colour of what moves is the class."""
    draw = np.random.default_rng(seed)
    for label in range(classes):
        home = folder / f"class{label}"
        home.mkdir(parents=True)
        for number in range(each):
            start, step = draw.integers(0, 48, 2), draw.integers(-3, 4, 2)
            colour = COLOURS[label] + draw.normal(0, 8, 3)
            frames = moving(12, colour=colour, start=start, step=step, seed=int(draw.integers(2**31)))
            form, codec = (("mp4", "libx264"), ("webm", "libvpx"))[number % 2]
            (home / f"{number:03d}.{form}").write_bytes(encoded(frames, form, codec))
    return folder


def make_directions(folder: Path, *, each: int = 30, count: int = 12, seed: int = 0) -> Path:
    """Write clips of two classes that no single frame tells apart: the same square goes to the left or to the right."""
    draw = np.random.default_rng(seed)
    for label, sign in (("left", -1), ("right", 1)):
        home = folder / label
        home.mkdir(parents=True)
        for number in range(each):
            step = (0, sign * int(draw.integers(3, 5)))
            span = abs(step[1]) * (count - 1)
            low = int(draw.integers(6, 64 - 6 - span)) if span < 64 - 12 else 6
            start = (int(draw.integers(10, 38)), low if sign > 0 else low + span)
            frames = moving(count, start=start, step=step, seed=int(draw.integers(2**31)))
            (home / f"{number:03d}.mp4").write_bytes(encoded(frames))
    return folder
