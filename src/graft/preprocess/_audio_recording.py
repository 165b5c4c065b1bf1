"""What every preprocessing of recordings does alike: mono windows of one rate, parts of long ones, findings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.errors import SettingError, must
from graft.preprocess import _audio_augment, _audio_decode, _image_features
from graft.preprocess._audio_decode import Header, read_header
from graft.preprocess._base import Facts, Preprocess
from graft.preprocess._findings import Findings
from graft.types import Finding

LENGTHS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Seconds that a window may have; few steps, so that a handful of new recordings does not move it."""
MOST_WINDOWS = 16
MOST_PARTS = 4096
COVERED = 0.95
"""The share of the recordings that fit into what is heard of them, where the data decide."""


@dataclass(frozen=True, kw_only=True)
class Recording(Preprocess):
    """Sound as windows of a recording; what becomes of a window is the business of those that build on this."""

    modality: ClassVar[str] = "audio"
    spoilt: ClassVar[str] = "spoilt"
    in_place: ClassVar[bool] = True
    settles: ClassVar[bool] = True

    rate: int = 22_050
    """Samples a second that recordings are brought to."""
    seconds: float = 5.0
    """Length of a window."""
    windows: int = 1
    """Windows of a recording, spread evenly over it."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError with all that is wrong."""
        checks = (
            (self.rate >= 1000, "rate", "1,000 Hz or more", "16000"),
            (self.seconds >= 0.1, "seconds", "0.1 or more", "5"),
            (self.windows >= 1, "windows", "1 or more", "1"),
            *self._checks(),
        )
        faults = [
            must(name, wanted, getattr(self, name), f"Give {such}") for good, name, wanted, such in checks if not good
        ]
        if faults:
            raise SettingError("\n".join(faults))

    def _checks(self) -> tuple[tuple[bool, str, str, str], ...]:
        """Return whether each further setting is good, its name, what is wanted, and an example."""
        return ()

    @property
    def samples(self) -> int:
        """Samples of a window."""
        return round(self.seconds * self.rate)

    def inspect(self, content: bytes, source: str) -> Facts:
        """Read the header of a recording, its first samples and its last; never raises for bad content.

        The shape is (samples of one channel, channels, samples a second).
        """
        header = read_header(content)
        return Facts(header.format, (header.frames, header.channels, header.rate), findings(header, source))

    def decode(self, content: bytes) -> np.ndarray:
        """Return the windows as float32 (windows, samples), mono, at ``rate``. Raises UnreadableInputError."""
        return _audio_decode.decode(content, rate=self.rate, seconds=self.seconds, windows=self.windows)

    def lasts(self, content: bytes) -> float:
        """Return how many seconds a recording lasts. Raises UnreadableInputError."""
        return _audio_decode.length(content)

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

    def noise(self, seed: int) -> np.ndarray:
        """Return windows of white noise at a quarter of full scale, float32 (windows, samples)."""
        drawn = np.random.default_rng(seed).normal(0, 0.25, (self.windows, self.samples))
        return np.asarray(drawn.clip(-1, 1), np.float32)

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _audio_augment.augmentations()

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _audio_augment.check_augmentation(text)

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the 64-bit DCT hashes uint64 (n,) of miniatures, as those of images (Zauner 2010)."""
        return _image_features.perceptual_hashes(miniatures)

    def player(self, content: bytes) -> bytes | None:
        """Return what is heard of a recording as MP3, the windows one after the other, 10 s at most.

        Raises UnreadableInputError.
        """
        return _audio_decode.as_mp3(self.decode(content).ravel(), self.rate, most=LENGTHS[-1])


def covered(lengths: Sequence[float]) -> float:
    """Return how many seconds 95 % of the recordings do not exceed."""
    return float(np.quantile(np.array(lengths), COVERED, method="inverted_cdf"))


def window_of(length: float) -> float:
    """Return the shortest usual window that so many seconds fit into, else the longest."""
    return next((one for one in LENGTHS if length <= one), LENGTHS[-1])


def windows_over(length: float, seconds: float) -> int:
    """Return how many windows together cover so many seconds: 1, 2, 4, 8 or 16."""
    windows = 1
    while windows * seconds < length and windows < MOST_WINDOWS:
        windows *= 2
    return windows


SUFFIXES = {
    ".wav": "WAV", ".wave": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3",
    ".aif": "AIFF", ".aiff": "AIFF", ".aifc": "AIFF", ".au": "AU", ".caf": "CAF", ".w64": "W64", ".rf64": "RF64",
}  # fmt: skip


def findings(header: Header, source: str) -> tuple[Finding, ...]:
    """Return what is odd about a recording; the message tells what Graft does with it."""
    told = Findings(source)
    note = told.note
    told.begin(header, "recording", SUFFIXES)
    if header.fault is not None:
        return tuple(told.found)
    if header.silent:
        message = "It is silent from beginning to end; it is kept, and looks like any other silence."
        note("silence", message, "warning", seconds=round(header.seconds, 3))
    if header.channels > 1:
        note("several_channels", "It has several channels; their mean is heard.", channels=header.channels)
    if header.coding in ("PCM_U8", "PCM_S8", "ULAW", "ALAW"):
        note("eight_bit", "It has 8 bits a sample, so soft sounds are drowned in noise.", coding=header.coding)
    return tuple(told.found)
