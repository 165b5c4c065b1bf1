"""Videos of any container to evenly spaced frames, upright and RGB; a long one is never held as a whole."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from graft.errors import NotInstalledError, UnreadableInputError, must
from graft.preprocess._findings import Fault
from graft.preprocess._image_decode import reduction
from graft.preprocess._mapped import as_file
from graft.preprocess._video_container import CONTAINERS, missing, sniff

ANOTHER = "Export it again as MP4 or WebM"
AGAIN = "Copy it again from its source"
KINDS = "an MP4, MOV, WebM, Matroska, AVI, MPEG, FLV or Windows Media video"
FAR = 10.0
"""Seconds that are decoded rather than jumped over, where the file does not say where its key frames are."""
MEASURED = 64 << 20
"""Bytes up to which the times of all packets are read, so that none is believed."""
BACK = (0.0, 1.0, 4.0, 16.0)
"""Seconds before a wanted moment to which a jump is tried; key frames do not always lie where an index says."""
SQUEEZED = 4
"""Pixels that claim to be longer than so many times their other side are taken for square."""


@dataclass(frozen=True)
class Limits:
    """From where on a video is refused."""

    pixels: int
    """Of a frame."""
    seconds: float


@dataclass(frozen=True)
class Header:
    """What the header of one video says, and a look at its first frame."""

    format: str
    """``MP4``, ``MOV``, ``WEBM``, ``MKV``, ``AVI``, ``FLV``, ``WMV``, ``MPEG``, ``MTS`` or ``unknown``."""
    frames: int = 0
    """As the container counts them, else the seconds times the mean rate."""
    height: int = 0
    """Pixels as the person sees it, turned upright."""
    width: int = 0
    seconds: float = 0.0
    turned: bool = False
    """Whether its display matrix turns or mirrors it."""
    fault: Fault | None = None


def _library() -> Any:
    """Return PyAV. Raises NotInstalledError."""
    try:
        import av
    except (ImportError, OSError) as error:  # OSError: the package is there, a library that it needs is not
        do = "Install it with `pip install 'graft-ml[video]'`"
        raise NotInstalledError(must("av (PyAV)", "installed, to read videos", "no such package", do)) from error
    return av


def _unopened(content: bytes) -> Fault | None:
    """Return what is wrong with a video before a library has looked at it."""
    if not content:
        return Fault("zero_size", must("The video", "a file with content", "0 bytes", ANOTHER))
    name = sniff(content)
    if name not in CONTAINERS:
        return Fault("unreadable", must("The file", KINDS, f"bytes that begin with {content[:8]!r}", ANOTHER))
    lacking = missing(content, name)
    return Fault("truncated", must("The video", "complete", lacking, AGAIN)) if lacking else None


@contextmanager
def _opened(content: bytes, limits: Limits) -> Iterator[tuple[Any, Any]]:
    """Open a video as (container, stream). Raises UnreadableInputError for what FFmpeg says, now or in its use.

    The container is named, so that no bytes can make FFmpeg open other files or addresses, as playlists do.
    """
    library = _library()
    demuxer = CONTAINERS[sniff(content)]
    # Inputs are decoded beside each other: threads within one would only be in each other's way.
    options = {"max_pixels": str(limits.pixels), "threads": "1"}
    try:
        with library.open(as_file(content), format=demuxer, options=options, metadata_errors="replace") as container:
            # A picture of the cover is a stream of one frame.
            moving = (one for one in container.streams.video if not one.disposition & one.disposition.attached_pic)
            stream = next(moving, None)
            if stream is not None:
                stream.codec_context.thread_count = 1
            yield container, stream
    except (library.FFmpegError, ValueError) as error:
        if isinstance(error, UnreadableInputError):
            raise
        got = f"a damaged one ({getattr(error, 'strerror', None) or error})"
        raise UnreadableInputError(must("The video", "complete and undamaged", got, AGAIN)) from error


def read_header(content: bytes, limits: Limits) -> Header:
    """Return what a video says of itself; never raises for bad content, but fills ``fault``."""
    name = sniff(content)
    fault = _unopened(content)
    if fault is not None:
        return Header(name, fault=fault)
    try:
        with _opened(content, limits) as (container, stream):
            fault = _stream_fault(container, stream, limits)
            if fault is not None:
                return Header(name, fault=fault)
            first = next(_timed(container, stream), None)
            if first is None:
                return Header(name, fault=_no_frames("one in which none can be decoded"))
            matrix = _matrix(first[1])
            high, wide = _size(first[1], stream)
            if matrix[1]:
                high, wide = wide, high
            counted, rate = stream.frames, stream.average_rate or stream.guessed_rate or 0
        seconds = _span(content, limits)[1]
        frames = counted or max(1, round(seconds * float(rate)))
        return Header(name, frames, high, wide, seconds, matrix != _UPRIGHT)
    except UnreadableInputError as error:
        return Header(name, fault=Fault("unreadable", str(error)))


def _no_frames(got: str) -> Fault:
    return Fault("no_frames", must("The video", "one with frames", got, "Leave it out, or export it again"))


def _stream_fault(container: Any, stream: Any, limits: Limits) -> Fault | None:
    """Return what is wrong with what the header claims, before a frame is decoded."""
    if stream is None:
        sound = "a recording of sound alone" if container.streams.audio else "a file without any"
        return _no_frames(sound)
    wide, high = stream.codec_context.width, stream.codec_context.height
    if wide * high > limits.pixels:
        got = f"a header of {wide:,} x {high:,} pixels"
        do = "Scale it down, or raise the limit with --max-pixels if you trust the file"
        return Fault("too_large", must("A frame of the video", f"at most {limits.pixels:,} pixels large", got, do))
    claimed = _claimed(container, stream)
    if claimed is not None and claimed > limits.seconds:
        got = f"a header that claims {claimed:,.0f} s"
        do = "Cut it, or raise the setting preprocess.max_seconds if you trust the file"
        return Fault("too_long", must("The video", f"at most {limits.seconds:,.0f} s long", got, do))
    return None


def _claimed(container: Any, stream: Any) -> float | None:
    """Return how many seconds the header says that the video lasts; None where it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def length(content: bytes, limits: Limits) -> float:
    """Return how many seconds a video lasts, as its header says; 0 where it does not. Raises UnreadableInputError."""
    with _opened(content, limits) as (container, stream):
        return _claimed(container, stream) or 0.0


def _span(content: bytes, limits: Limits) -> tuple[float, float]:
    """Return when the first frame is shown and how many seconds all are.

    Headers are off where the rate varies or sound goes on after the last frame: so the packets tell, unless there are
    too many of them. Raises UnreadableInputError for what cannot be used.
    """
    with _opened(content, limits) as (container, stream):
        fault = _stream_fault(container, stream, limits)
        if fault is not None:
            raise UnreadableInputError(fault.message)
        claimed = _claimed(container, stream)
        if claimed is not None and len(content) > MEASURED:
            return float((stream.start_time or 0) * stream.time_base), claimed
        shown = sorted((one.pts, one.duration or 0) for one in container.demux(stream) if one.pts is not None)
        tick = stream.time_base
    if not shown:
        return 0.0, claimed or 0.0
    first, (last, stays) = shown[0][0], shown[-1]
    # Where nobody says how long the last frame is shown: as long as the others on average.
    end = last + (stays or (last - first) / max(1, len(shown) - 1))
    return float(first * tick), float((end - first) * tick)


def _timed(container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    """Yield each frame from here on with the second at which it is shown; damaged ones are passed over."""
    time: float = 0.0
    step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    for frame in container.decode(stream):
        time = time + step if frame.time is None else float(frame.time)
        if not frame.is_corrupt:
            yield time, frame


def decode(content: bytes, *, frames: int, side: int, limits: Limits) -> np.ndarray:
    """Return ``frames`` frames of a video as uint8 (frames, height, width, 3), RGB, upright.

    Each is what is shown in the middle of one of as many equal stretches of time, whatever the rate and however it
    varies. The file is jumped through by its key frames where it has an index. A short side of ``4 * side`` pixels or
    more is reduced by 2, 4 or 8, pixels that are not square are made so. Raises UnreadableInputError.
    """
    fault = _unopened(content)
    if fault is not None:
        raise UnreadableInputError(fault.message)
    begin, seconds = _span(content, limits)
    times = [begin + seconds * (number + 0.5) / frames for number in range(frames)]
    pictures: list[np.ndarray] = []
    size: tuple[int, int] | None = None
    last: Any = None
    with _opened(content, limits) as (container, stream):
        for frame in _shown(container, stream, times):
            if frame is last:
                pictures.append(pictures[-1])
                continue
            # One size for all, although a stream may change its own.
            size = size or _reduced(_size(frame, stream), side)
            pictures.append(_upright(_pixels(frame, size), _matrix(frame)))
            last = frame
    return np.stack(pictures)


def _shown(container: Any, stream: Any, times: Sequence[float]) -> Iterator[Any]:
    """Yield the frame that is shown at each of the rising times. Raises UnreadableInputError where there is none."""
    source = _timed(container, stream)
    now: tuple[float, Any] | None = None
    ahead = next(source, None)
    for time in times:
        if ahead is not None and _worth_a_jump(stream, ahead[0], time):
            source = _jumped(container, stream, ahead[0], time)
            now, ahead = None, next(source, None)
        while ahead is not None and ahead[0] <= time:
            now, ahead = ahead, next(source, None)
        found = now or ahead
        if found is None:
            raise UnreadableInputError(_no_frames("one in which none can be decoded").message)
        yield found[1]


def _jumped(container: Any, stream: Any, position: float, time: float) -> Iterator[tuple[float, Any]]:
    """Return the frames from a key frame on that is shown at or before a time, at the earliest from ``position``."""
    for back in BACK:
        start = max(time - back, position)
        container.seek(int(start / stream.time_base), stream=stream)
        source = _timed(container, stream)
        first = next(source, None)
        if first is not None and (first[0] <= time or start == position):
            return chain([first], source)
        if start == position:
            break
    container.seek(int(position / stream.time_base), stream=stream)
    return _timed(container, stream)


def _worth_a_jump(stream: Any, position: float, time: float) -> bool:
    """Tell whether a key frame lies between the place that is decoded and a later time."""
    entries = stream.index_entries
    place = entries.search_timestamp(int(time / stream.time_base), backward=True) if len(entries) else -1
    if place < 0:
        return time - position > FAR
    return bool(float(entries[place].timestamp * stream.time_base) > position)


def _size(frame: Any, stream: Any) -> tuple[int, int]:
    """Return (height, width) in square pixels, before the frame is turned."""
    ratio = float(stream.sample_aspect_ratio or 1)
    wide = frame.width * ratio if 1 / SQUEEZED <= ratio <= SQUEEZED else frame.width
    return frame.height, max(1, round(wide))


def _reduced(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = reduction(min(size), side)
    return max(1, size[0] // factor), max(1, size[1] // factor)


def _pixels(frame: Any, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] < frame.height
    found: np.ndarray = frame.to_ndarray(
        format="rgb24", height=size[0], width=size[1], interpolation="AREA" if smaller else "BICUBIC"
    )
    return found


Matrix = tuple[int, int, int, int]
_UPRIGHT: Matrix = (1, 0, 0, 1)


def _matrix(frame: Any) -> Matrix:
    """Return (a, b, c, d), each -1, 0 or 1, of the display matrix: a point (x, y) is shown at (ax + cy, bx + dy).

    ISO/IEC 14496-12, 8.3.2 (the matrix of a track's header), rounded to quarters of a turn.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            if abs(b) + abs(c) > abs(a) + abs(d):
                return 0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0
            return -1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1
    return _UPRIGHT


def _upright(pixels: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Return (height, width, 3) pixels turned and mirrored as the display matrix asks."""
    a, b, c, d = matrix
    if b:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
