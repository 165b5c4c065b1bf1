"""Recordings: mixed to one channel, resampled, cut into windows, each drawn as a log-mel picture for image networks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from PIL import Image as Picture

from graft.errors import SettingError, must
from graft.preprocess import _audio_augment, _audio_features, _audio_spectrum
from graft.preprocess._audio_recording import Recording, covered, window_of, windows_over
from graft.preprocess._audio_waves import Waves
from graft.preprocess._base import Preprocess, rebuilt
from graft.preprocess._image_pillow import thumbnail

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""

RATES = (8_000, 11_025, 16_000, 22_050, 32_000)


@dataclass(frozen=True, kw_only=True)
class Audio(Recording):
    """Sound: bytes in, uint8 (3, height, width) out, a picture of low tones below and high ones above.

    With several windows (windows, 3, height, width). The loudest place of a recording is 255, and what is ``span``
    decibels softer is 0. The three channels are the same sound seen through frames of three lengths. A recording that
    is shorter than a window stands in its middle, silence around it.
    """

    size: tuple[int, ...] = (224, 224)
    """Height and width in pixels of what the backbone takes."""
    bands: int = 128
    """Mel bands from 20 Hz to half the rate."""
    frames: tuple[float, ...] = (0.025, 0.05, 0.1)
    """Seconds of the frames whose spectra the three channels show."""
    span: float = 80.0
    """Decibels between the loudest and what counts as silence."""

    def _checks(self) -> tuple[tuple[bool, str, str, str], ...]:
        return (
            (len(self.size) == 2 and min(self.size) >= 1, "size", "two positive integers, height and width", "224,224"),
            (self.bands >= 8, "bands", "8 or more", "128"),
            (len(self.frames) == 3 and min(self.frames) > 0, "frames", "three lengths in seconds", "0.025,0.05,0.1"),
            (self.span > 0, "span", "above 0", "80"),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, height, width), or (windows, 3, height, width)."""
        return (3, *self.size) if self.windows == 1 else (self.windows, 3, *self.size)

    @property
    def dtype(self) -> str:
        """``uint8``."""
        return "uint8"

    @classmethod
    def taking(cls, expected: Preprocess) -> Recording:
        """Return the preprocessing of sound for a network of sound, or of pictures.

        Raises SettingError for any other network.
        """
        if isinstance(expected, Recording):
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
        values, counts = np.unique([rate for _, rate in known], return_counts=True)
        usual = int(values[counts.argmax()])
        rate = max((one for one in RATES if one <= usual), default=RATES[0])
        length = covered([seconds for seconds, _ in known])
        seconds = window_of(length)
        return replace(self, rate=rate, seconds=seconds, windows=windows_over(length, seconds))

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

    def _pictures(self, waves: np.ndarray, pitch: float = 1.0, planes: int = 3) -> np.ndarray:
        """Return uint8 (windows, planes, height, width); the loudest place is that of all windows."""
        placed = np.stack([_centred(wave, self.samples) for wave in waves])
        return _audio_spectrum.drawn(
            placed, self.rate, self.frames, size=self.size, bands=self.bands, span=self.span, pitch=pitch, planes=planes
        )

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as uint8 (3, 32, 32)."""
        return _audio_features.miniature(fitted)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return statistics of the log-mel bands of a view 0, float32 (features,)."""
        return _audio_features.simple_features(fitted)

    def picture(self, content: bytes, side: int) -> bytes:
        """Return the spectrogram of the first window as WebP, longest side ``side``. Raises UnreadableInputError."""
        pixels = self._pictures(self.decode(content), planes=1)[0, 0]
        return thumbnail(Picture.fromarray(pixels).convert("RGB"), side)

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the modality and the version of the recipe."""
        lists = {"size": list(self.size), "frames": list(self.frames)}
        return {"modality": self.modality, "recipe": RECIPE, **asdict(self), **lists}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recording:
        """Return what ``to_json`` described, of this form or of waves.

        Raises ArtifactError for another modality or version of the recipe.
        """
        return Waves.from_json(data) if "form" in data else rebuilt(cls, data, RECIPE)


def _centred(wave: np.ndarray, count: int) -> np.ndarray:
    """Return a wave cut or padded with silence to ``count`` samples, its middle in the middle."""
    if len(wave) >= count:
        start = (len(wave) - count) // 2
        return wave[start : start + count]
    before = (count - len(wave)) // 2
    return np.pad(wave, (before, count - len(wave) - before))
