"""Recordings: mixed to one channel, resampled, cut into windows, each drawn as a log-mel picture for image networks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image as Picture

from graft.errors import SettingError, must
from graft.preprocess import _audio_augment, _audio_decode, _audio_features, _audio_spectrum, _image_features
from graft.preprocess._audio_decode import Header, read_header
from graft.preprocess._base import Facts, Preprocess, rebuilt
from graft.preprocess._image_pillow import thumbnail
from graft.types import Finding

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""

LENGTHS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Seconds that a window may have; few steps, so that a handful of new recordings does not move it."""
RATES = (8_000, 11_025, 16_000, 22_050, 32_000)
MOST_WINDOWS = 16
MOST_PARTS = 4096
COVERED = 0.95
"""The share of the recordings that fit into what is heard of them, where the data decide."""
FINEST = 12.0
"""Hz: spectra are at least so fine, that the lowest of the bands still has a place of its own."""


@dataclass(frozen=True, kw_only=True)
class Audio(Preprocess):
    """Sound: bytes in, uint8 (3, height, width) out, a picture of low tones below and high ones above.

    With several windows (windows, 3, height, width). The loudest place of a recording is 255, and what is ``span``
    decibels softer is 0. The three channels are the same sound seen through frames of three lengths.
    """

    modality: ClassVar[str] = "audio"
    in_place: ClassVar[bool] = True
    settles: ClassVar[bool] = True

    size: tuple[int, ...] = (224, 224)
    """Height and width in pixels of what the backbone takes."""
    rate: int = 22_050
    """Samples a second that recordings are brought to."""
    seconds: float = 5.0
    """Length of a window; a shorter recording stands in its middle, silence around it."""
    windows: int = 1
    """Windows of a recording, spread evenly over it."""
    bands: int = 128
    """Mel bands from 20 Hz to half the rate."""
    frames: tuple[float, ...] = (0.025, 0.05, 0.1)
    """Seconds of the frames whose spectra the three channels show."""
    span: float = 80.0
    """Decibels between the loudest and what counts as silence."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError with all that is wrong."""
        checks = (
            (len(self.size) == 2 and min(self.size) >= 1, "size", "two positive integers, height and width", "224,224"),
            (self.rate >= 1000, "rate", "1,000 Hz or more", "22050"),
            (self.seconds >= 0.1, "seconds", "0.1 or more", "5"),
            (self.windows >= 1, "windows", "1 or more", "1"),
            (self.bands >= 8, "bands", "8 or more", "128"),
            (len(self.frames) == 3 and min(self.frames) > 0, "frames", "three lengths in seconds", "0.025,0.05,0.1"),
            (self.span > 0, "span", "above 0", "80"),
        )
        faults = [
            must(name, wanted, getattr(self, name), f"Give {such}") for good, name, wanted, such in checks if not good
        ]
        if faults:
            raise SettingError("\n".join(faults))

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, height, width), or (windows, 3, height, width)."""
        return (3, *self.size) if self.windows == 1 else (self.windows, 3, *self.size)

    @property
    def dtype(self) -> str:
        """``uint8``."""
        return "uint8"

    @classmethod
    def taking(cls, expected: Preprocess) -> "Audio":
        """Return the preprocessing of sound for a network of pictures. Raises SettingError for any other network."""
        if isinstance(expected, cls):
            return expected
        if len(expected.shape) != 3 or expected.shape[0] != 3 or expected.dtype != "uint8":
            do = "Take one of `graft list backbones` that takes images"
            raise SettingError(must("backbone", "one that takes audio or images", f"one for {expected.modality}", do))
        return cls(size=expected.shape[1:])

    def settled(self, shapes: Sequence[tuple[int, ...]]) -> "Audio":
        """Return it with the rate, the length and the number of windows that suit recordings of these shapes.

        The commonest rate, rounded down to a usual one; the shortest window that 95 % of the recordings fit into, and
        where they are longer than the longest, so many windows that together they would cover them, 16 at most.
        """
        known = [(frames / rate, rate) for frames, _, rate in shapes if frames > 0 and rate > 0]
        if not known:
            return self
        lengths, rates = (np.array(column) for column in zip(*known, strict=True))
        values, counts = np.unique(rates, return_counts=True)
        usual = int(values[counts.argmax()])
        rate = max((one for one in RATES if one <= usual), default=RATES[0])
        length = float(np.quantile(lengths, COVERED, method="inverted_cdf"))
        seconds = next((one for one in LENGTHS if length <= one), LENGTHS[-1])
        windows = 1
        while windows * seconds < length and windows < MOST_WINDOWS:
            windows *= 2
        return replace(self, rate=rate, seconds=seconds, windows=windows)

    def inspect(self, content: bytes, source: str) -> Facts:
        """Read the header of a recording, its first samples and its last; never raises for bad content.

        The shape is (samples of one channel, channels, samples a second).
        """
        header = read_header(content)
        return Facts(header.format, (header.frames, header.channels, header.rate), findings(header, source))

    def decode(self, content: bytes) -> np.ndarray:
        """Return the windows as float32 (windows, samples), mono, at ``rate``. Raises UnreadableInputError."""
        return _audio_decode.decode(content, rate=self.rate, seconds=self.seconds, windows=self.windows)

    def parts(self, content: bytes) -> int:
        """Return in how many parts all of a recording is heard: 1 up to twice what ``decode`` hears, 4,096 at most.

        Raises UnreadableInputError.
        """
        share = _audio_decode.length(content) / (self.seconds * self.windows)
        return min(MOST_PARTS, math.ceil(share)) if share > 2 else 1

    def part(self, content: bytes, number: int, count: int) -> np.ndarray:
        """Return the windows of one part, as ``decode`` does; those of each part are spread over the whole.

        Raises UnreadableInputError.
        """
        return _audio_decode.decode(
            content, rate=self.rate, seconds=self.seconds, windows=self.windows, part=number, parts=count
        )

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0, the log-mel pictures: uint8 (3, height, width) or (windows, 3, height, width)."""
        return self._shaped(self._pictures(decoded))

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return a view, shaped as ``fit`` does, augmented as ``augmentation`` says and ``seed`` alone decides.

        Raises SettingError for an unknown name.
        """
        names = _audio_augment.check_augmentation(augmentation)
        waves, pitch = decoded, 1.0
        for name in names:
            if name in _audio_augment.WAVES:
                waves = _audio_augment.WAVES[name](waves, _audio_augment.generator(seed, name))
            elif name == "pitch":
                pitch = _audio_augment.pitch_factor(_audio_augment.generator(seed, name))
        pictures = self._pictures(waves, pitch)
        if "masks" in names:
            pictures = _audio_augment.masked(pictures, _audio_augment.generator(seed, "masks"))
        return self._shaped(pictures)

    def _shaped(self, pictures: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(pictures[0] if self.windows == 1 else pictures)

    def _pictures(self, waves: np.ndarray, pitch: float = 1.0) -> np.ndarray:
        """Return uint8 (windows, 3, height, width); the loudest place is that of all windows."""
        count = round(self.seconds * self.rate)
        placed = [_centred(wave, count) for wave in waves]
        lengths = [max(2, round(one * self.rate)) for one in self.frames]
        wide = 1 << (max(*lengths, round(self.rate / FINEST)) - 1).bit_length()
        bank = _audio_spectrum.filters(self.rate, wide, self.bands, 20.0, pitch)
        planes = []
        for length in lengths:
            spectra = [bank @ _audio_spectrum.powers(one, length, 2 * self.size[1], wide) for one in placed]
            levels = _audio_spectrum.decibels(np.stack(spectra), self.span)
            planes.append(np.stack([_audio_spectrum.picture(one, self.size) for one in levels]))
        return np.stack(planes, axis=1)

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _audio_augment.augmentations()

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _audio_augment.check_augmentation(text)

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as uint8 (3, 32, 32)."""
        return _audio_features.miniature(fitted)

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the 64-bit DCT hashes uint64 (n,) of miniatures, as those of images (Zauner 2010)."""
        return _image_features.perceptual_hashes(miniatures)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return statistics of the log-mel bands of a view 0, float32 (features,)."""
        return _audio_features.simple_features(fitted)

    def picture(self, content: bytes, side: int) -> bytes:
        """Return the spectrogram of the first window as WebP, longest side ``side``. Raises UnreadableInputError."""
        pixels = self._pictures(self.decode(content))[0, 0]
        return thumbnail(Picture.fromarray(pixels).convert("RGB"), side)

    def player(self, content: bytes) -> bytes | None:
        """Return what is heard of a recording as MP3, the windows one after the other, 10 s at most.

        Raises UnreadableInputError.
        """
        return _audio_decode.as_mp3(self.decode(content).ravel(), self.rate, most=LENGTHS[-1])

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the modality and the version of the recipe."""
        lists = {"size": list(self.size), "frames": list(self.frames)}
        return {"modality": self.modality, "recipe": RECIPE, **asdict(self), **lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Audio":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        return rebuilt(cls, data, RECIPE)


def _centred(wave: np.ndarray, count: int) -> np.ndarray:
    """Return a wave cut or padded with silence to ``count`` samples, its middle in the middle."""
    if len(wave) >= count:
        start = (len(wave) - count) // 2
        return wave[start : start + count]
    before = (count - len(wave)) // 2
    return np.pad(wave, (before, count - len(wave) - before))


SUFFIXES = {
    ".wav": "WAV", ".wave": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3",
    ".aif": "AIFF", ".aiff": "AIFF", ".aifc": "AIFF", ".au": "AU", ".caf": "CAF", ".w64": "W64", ".rf64": "RF64",
}  # fmt: skip


def findings(header: Header, source: str) -> tuple[Finding, ...]:
    """Return what is odd about a recording; the message tells what Graft does with it."""
    found: list[Finding] = []

    def note(kind: str, message: str, severity: Literal["note", "warning", "error"] = "note", **details: Any) -> None:
        found.append(Finding(kind, (source,), message, severity, details))

    if header.fault is not None:
        note(header.fault.kind, header.fault.message, "error", format=header.format)
    suffix = PurePath(source).suffix.lower()
    if suffix in SUFFIXES and header.format not in (SUFFIXES[suffix], "unknown"):
        message = f"The name ends in {suffix}, but it is a {header.format} recording; it is read as what it is."
        note("wrong_extension", message, "warning", format=header.format, suffix=suffix)
    if header.fault is not None:
        return tuple(found)
    if header.silent:
        message = "It is silent from beginning to end; it is kept, and looks like any other silence."
        note("silence", message, "warning", seconds=round(header.seconds, 3))
    if header.channels > 1:
        note("several_channels", "It has several channels; their mean is heard.", channels=header.channels)
    if header.coding in ("PCM_U8", "PCM_S8", "ULAW", "ALAW"):
        note("eight_bit", "It has 8 bits a sample, so soft sounds are drowned in noise.", coding=header.coding)
    return tuple(found)
