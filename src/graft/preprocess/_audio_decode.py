"""Recordings of any format, rate and number of channels to mono windows of one rate; a long one is never read whole."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graft.errors import NotInstalledError, UnreadableInputError, must
from graft.preprocess._findings import Fault
from graft.preprocess._mapped import as_file

SHORTEST = 0.01
"""Seconds: what is shorter has no tone to speak of."""
BLOCK = 1 << 20
"""Samples, over all channels, that are read at a time."""
LOOK = 1 << 14
"""Frames that are read at a time in search of the first one that is not silent."""
LONGEST = 10 * 24 * 3600.0
"""Seconds: a header that claims more is not believed."""
OPEN_ENDED = 0x7FFF0000
"""A WAV's data that claim this many bytes or more, or none, were written by a program that did not know the length."""
ANOTHER = "Export it again as WAV or FLAC"
AGAIN = "Copy it again from its source"
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Samples a second that the format knows."""
KINDS = "a WAV, FLAC, Ogg, MP3, AIFF, AU or CAF recording"
FOREIGN = (
    (4, b"ftyp", "an MPEG-4 file (AAC)"),
    (0, b"\x30\x26\xb2\x75", "a Windows Media file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"\xff\xf1", "an AAC file"),
    (0, b"\xff\xf9", "an AAC file"),
)
"""Where, which bytes, what they begin; the decoder reads none of them."""


@dataclass(frozen=True)
class Header:
    """What the header of one recording says, and a look at its beginning and its end."""

    format: str
    """``WAV``, ``FLAC``, ``OGG``, ``MP3``, ``AIFF``, ``AU``, ``CAF``, ... or ``unknown``."""
    frames: int = 0
    """Samples of one channel."""
    channels: int = 0
    rate: int = 0
    """Samples a second."""
    coding: str = ""
    """Such as ``PCM_16``, ``PCM_U8``, ``FLOAT`` or ``VORBIS``."""
    silent: bool = False
    """Whether every sample is zero."""
    fault: Fault | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.rate if self.rate else 0.0


def _library() -> Any:
    """Return soundfile. Raises NotInstalledError."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its libsndfile is not
        do = "Install it with `pip install 'graft-ml[audio]'`"
        raise NotInstalledError(must("soundfile", "installed, to read recordings", "no such package", do)) from error
    return soundfile


def resampled(wave: np.ndarray, before: float, after: float) -> np.ndarray:
    """Return a wave float32 (samples,) of rate ``before`` at rate ``after``, band limited (soxr, HQ)."""
    if before == after or not len(wave):
        return wave
    try:
        import soxr
    except ImportError as error:
        do = "Install it with `pip install 'graft-ml[audio]'`"
        raise NotInstalledError(must("soxr", "installed, to resample", "no such package", do)) from error
    found: np.ndarray = soxr.resample(np.ascontiguousarray(wave, np.float32), before, after)
    return found


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    """Open a recording. Raises UnreadableInputError for what libsndfile says of it, now or while it is read."""
    library = _library()
    if not content:
        raise UnreadableInputError(must("The recording", "a file with content", "0 bytes", ANOTHER))
    try:
        with library.SoundFile(as_file(content)) as sound:
            yield sound
    except UnreadableInputError:
        raise
    except (library.SoundFileError, TypeError, ValueError) as error:
        got = next((name for at, magic, name in FOREIGN if content[at : at + len(magic)] == magic), None)
        if got is None:
            got = f"bytes that begin with {content[:8]!r}"
        raise UnreadableInputError(must("The file", KINDS, got, ANOTHER)) from error


def read_header(content: bytes) -> Header:
    """Return what a recording says of itself; never raises for bad content, but fills ``fault``."""
    try:
        with _opened(content) as sound:
            header = Header(
                {"MPEG": "MP3", "WAVEX": "WAV"}.get(sound.format, sound.format),
                sound.frames,
                sound.channels,
                sound.samplerate,
                sound.subtype,
            )
            fault = _fault(header, content)
            if fault is None and not _reaches_its_end(sound):
                fault = Fault("truncated", _cut_off(header))
            return replace(header, silent=fault is None and _is_silent(sound), fault=fault)
    except UnreadableInputError as error:
        return Header("unknown", fault=Fault("unreadable" if content else "zero_size", str(error)))


def _fault(header: Header, content: bytes) -> Fault | None:
    # First of all, since of a recording that was cut off the decoder may find nothing.
    promised = _promised(content)
    if promised > len(content):
        got = f"{len(content):,} of the {promised:,} bytes that its header promises"
        return Fault("truncated", must("The recording", "complete", got, AGAIN))
    if content[:4] == b"OggS" and not _ends_in_its_last_page(content):
        return Fault("truncated", must("The recording", "complete", "one without its last page", AGAIN))
    if header.seconds > LONGEST:
        got = "a header that claims more than ten days"
        return Fault("unreadable", must("The recording", "one whose header can be believed", got, AGAIN))
    if header.seconds < SHORTEST:
        many = f"{header.frames:,} sample{'' if header.frames == 1 else 's'} at {header.rate:,} Hz"
        do = "Leave it out, or record it again"
        return Fault("too_short", must("The recording", f"{SHORTEST:g} s long or longer", many, do))
    return None


def _cut_off(header: Header) -> str:
    got = f"one that ends before the {header.seconds:.2f} s that its header promises"
    return must("The recording", "complete", got, AGAIN)


def _promised(content: bytes) -> int:
    """Return how many bytes a WAV or AIFF file says that it has; 0 where it does not say."""
    if content[:4] == b"FORM":
        return 8 + int.from_bytes(content[4:8], "big")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return 0
    at = 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] == b"data":
            return at + 8 + size if 0 < size < OPEN_ENDED else 0
        at += 8 + size + size % 2
    return 0


def _ends_in_its_last_page(content: bytes) -> bool:
    """Tell whether the last page of an Ogg file is whole and marked as the last (RFC 3533, section 6)."""
    at = content.rfind(b"OggS")
    head = content[at : at + 27]
    if len(head) < 27:
        return False
    lengths = content[at + 27 : at + 27 + head[26]]
    whole = len(lengths) == head[26] and at + 27 + head[26] + sum(lengths) <= len(content)
    return bool(whole and head[5] & 4)


def _reaches_its_end(sound: Any) -> bool:
    """Tell whether the last samples that the header promises are there; leaves the recording at its beginning."""
    last = min(sound.frames, 512)
    try:
        sound.seek(sound.frames - last)
        whole = len(sound.read(last, dtype="float32", always_2d=True)) == last
        sound.seek(0)
    except _library().SoundFileError:
        return False
    return bool(whole)


def _is_silent(sound: Any) -> bool:
    """Tell whether all samples are zero: as a rule the first block tells."""
    while len(block := sound.read(LOOK, dtype="float32", always_2d=True)):
        if block.any():
            return False
    return True


def length(content: bytes) -> float:
    """Return how many seconds a recording lasts. Raises UnreadableInputError."""
    with _opened(content) as sound:
        return _sound_header(sound, content).seconds


def _sound_header(sound: Any, content: bytes) -> Header:
    header = Header(sound.format, sound.frames, sound.channels, sound.samplerate)
    fault = _fault(header, content)
    if fault is not None:
        raise UnreadableInputError(fault.message)
    return header


def decode(content: bytes, *, rate: int, seconds: float, windows: int, part: int = 0, parts: int = 1) -> np.ndarray:
    """Return ``windows`` equal windows of a recording as float32 (windows, samples), mono, at ``rate``.

    They are spread evenly from its beginning to its end (one alone is its middle), and are shorter than ``seconds``
    only where the recording is. Of ``parts`` times as many, ``part`` names every ``parts``-th. Channels are averaged.
    Memory holds the windows, however long the recording is. Raises UnreadableInputError.
    """
    with _opened(content) as sound:
        header = _sound_header(sound, content)
        count = min(header.frames, max(1, round(seconds * header.rate)))
        spare = header.frames - count
        every = windows * parts
        starts = np.linspace(0, spare, every)[part::parts] if every > 1 else np.array([spare / 2])
        waves = [_mono(sound, round(start), count, header) for start in starts]
    samples = max(1, min(round(count * rate / header.rate), round(seconds * rate)))
    return np.stack([_of_length(resampled(wave, header.rate, rate), samples) for wave in waves])


def _mono(sound: Any, start: int, count: int, header: Header) -> np.ndarray:
    sound.seek(start)
    wave = np.empty(count, np.float32)
    done = 0
    while done < count:
        block = sound.read(min(count - done, max(1, BLOCK // header.channels)), dtype="float32", always_2d=True)
        if not len(block):
            raise UnreadableInputError(_cut_off(header))
        wave[done : done + len(block)] = block.mean(axis=1)
        done += len(block)
    if not np.isfinite(wave).all():
        got = "infinite samples or not-a-number"
        raise UnreadableInputError(must("The recording", "made of finite numbers", got, ANOTHER))
    return wave


def _of_length(wave: np.ndarray, samples: int) -> np.ndarray:
    return wave[:samples] if len(wave) >= samples else np.pad(wave, (0, samples - len(wave)))


def as_mp3(wave: np.ndarray, rate: int, *, most: float) -> bytes:
    """Return the first ``most`` seconds of a wave float32 (samples,) as an MP3 file, its loudest sample near full."""
    if rate not in MP3_RATES:
        wave, rate = resampled(wave, rate, MP3_RATES[-1]), MP3_RATES[-1]
    heard = wave[: round(most * rate)]
    peak = float(np.abs(heard).max(initial=0.0))
    out = io.BytesIO()
    level = 0.9 / peak if peak > 0 else 1.0
    _library().write(out, heard * level, rate, format="MP3", compression_level=0.7)
    return out.getvalue()
