"""Recordings for networks of sound: the wave itself or the spectrogram that a network was trained on, with a mask."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image as Picture

from graft.preprocess import _audio_augment, _audio_features, _audio_spectrum
from graft.preprocess._audio_mels import FRAME, HOP, filter_banks, frames_of, log_mel
from graft.preprocess._audio_recording import Recording, covered, window_of, windows_over
from graft.preprocess._base import rebuilt
from graft.preprocess._image_pillow import thumbnail

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""
FORM = "waves"
"""What tells its JSON from that of pictures of sound."""
SMALLEST = 1e-7
"""What is added to a variance, so that silence can be divided by its root; wav2vec 2.0's."""
DRAWN = (224, 224)
SPAN = 80.0
"""Decibels that a drawing shows."""


@dataclass(frozen=True, kw_only=True)
class Waves(Recording):
    """Sound: bytes in, float32 (time, channels + 1) out; with several windows (windows, time, channels + 1).

    The last channel is 1 where there is sound, and 0 behind it: a recording that is shorter than a window stands at its
    beginning.
    """

    rate: int = 16_000
    features: Literal["wave", "fbank", "log_mel"] = "wave"
    """The samples themselves, Kaldi's filter banks (AST), or the spectrogram of Whisper."""
    bands: int = 128
    """Mel bands of a spectrogram."""
    normalised: bool = True
    """Brought to mean 0 and a unit spread: each window's samples by their own, filter banks by ``mean`` and ``std``."""
    mean: float = -4.2677393
    """Of the filter banks of the data that a network was trained on; by default AudioSet's."""
    std: float = 4.5689974
    """Half of what filter banks are divided by."""

    def _checks(self) -> tuple[tuple[bool, str, str, str], ...]:
        return (
            (self.bands >= 8, "bands", "8 or more", "128"),
            (self.std > 0, "std", "above 0", "4.5689974"),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """(time, channels + 1), or (windows, time, channels + 1); time is in samples, or in frames of 10 ms."""
        if self.features == "wave":
            one = (self.samples, 2)
        else:
            one = (frames_of(self.samples) if self.features == "fbank" else self.samples // HOP, self.bands + 1)
        return one if self.windows == 1 else (self.windows, *one)

    @property
    def dtype(self) -> str:
        """``float32``."""
        return "float32"

    @property
    def stretches(self) -> bool:
        """True for waves, which networks take at any length; spectrograms have places of their own in a network."""
        return self.features == "wave"

    def settled(self, shapes: Sequence[tuple[int, ...]]) -> "Waves":
        """Return it with the length and the number of windows that suit recordings of these shapes.

        As for pictures of sound; the rate is that of the network, and so is the length of a spectrogram.
        """
        known = [frames / rate for frames, _, rate in shapes if frames > 0 and rate > 0]
        if not known:
            return self
        length = covered(known)
        seconds = window_of(length) if self.stretches else self.seconds
        return replace(self, seconds=seconds, windows=windows_over(length, seconds))

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0, float32 (time, channels + 1) or (windows, time, channels + 1)."""
        return self._shaped([self._window(one) for one in decoded])

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return a view, shaped as ``fit`` does, augmented as ``augmentation`` says and ``seed`` alone decides.

        Raises SettingError for an unknown name.
        """
        names, waves = _audio_augment.check_augmentation(augmentation), decoded
        changes = {**_audio_augment.WAVES, "pitch": _audio_augment.pitched}
        for name in names:
            if name in changes:
                waves = changes[name](waves, _audio_augment.generator(seed, name))
        found = [self._window(one) for one in waves]
        if "masks" in names:
            draw = _audio_augment.generator(seed, "masks")
            found = [_audio_augment.hidden(one, draw) for one in found]
        return self._shaped(found)

    def _shaped(self, windows: list[np.ndarray]) -> np.ndarray:
        return windows[0] if self.windows == 1 else np.stack(windows)

    def _window(self, wave: np.ndarray) -> np.ndarray:
        """Return one window float32 (time, channels + 1), padding set to what the network was trained with."""
        wave = wave[: self.samples]
        time, channels = self.shape[-2], self.shape[-1] - 1
        found = np.zeros((time, channels + 1), np.float32)
        if self.features == "fbank":
            real = frames_of(len(wave))
            found[:real, :-1] = filter_banks(wave, self.rate, self.bands)[:time]
            if self.normalised:
                found[:, :-1] = (found[:, :-1] - self.mean) / (self.std * 2)
        else:
            if self.normalised:
                wave = (wave - wave.mean()) / np.sqrt(wave.var() + SMALLEST)
            if self.features == "wave":
                real = len(wave)
                found[:real, 0] = wave
            else:
                real = -(-len(wave) // HOP)
                found[:, :-1] = log_mel(np.pad(wave, (0, self.samples - len(wave))), self.rate, self.bands)
        found[:real, -1] = 1
        return found

    def _drawn(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as pictures uint8 (windows, 1, height, width), the loudest place 255."""
        windows = fitted[None] if fitted.ndim == 2 else fitted
        if self.features == "wave":
            return _spectrogram(windows[..., 0], self.rate)
        # Filter banks are natural logarithms of power; Whisper's are decades of power, four to one.
        decibels = self.std * 2 * 10 / np.log(10) if self.features == "fbank" else 40.0
        if self.features == "fbank" and not self.normalised:
            decibels = 10 / np.log(10)
        heard = windows[..., -1:] > 0
        levels = np.where(heard, windows[..., :-1], -np.inf)
        loudest = levels.max()
        told = np.ptp(windows[..., :-1][heard[..., 0]]) > 0
        shown = np.maximum(1 + (levels - loudest) * decibels / SPAN, 0) if told else np.zeros_like(levels)
        return np.stack([_audio_spectrum.picture(one.T.astype(np.float32), DRAWN) for one in shown])[:, None]

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as uint8 (3, 32, 32), a picture of low tones below and high ones above."""
        return _audio_features.miniature(np.repeat(self._drawn(fitted), 3, axis=1))

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return statistics of the log-mel bands of a view 0, float32 (features,)."""
        return _audio_features.simple_features(self._drawn(fitted))

    def picture(self, content: bytes, side: int) -> bytes:
        """Return the spectrogram of the first window as WebP, longest side ``side``. Raises UnreadableInputError."""
        pixels = _spectrogram(self.decode(content)[:1], self.rate)[0, 0]
        return thumbnail(Picture.fromarray(pixels).convert("RGB"), side)

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the modality, the form and the version of the recipe."""
        return {"modality": self.modality, "form": FORM, "recipe": RECIPE, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Waves":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        return rebuilt(cls, {name: value for name, value in data.items() if name != "form"}, RECIPE)


def _spectrogram(waves: np.ndarray, rate: int) -> np.ndarray:
    return _audio_spectrum.drawn(waves, rate, (FRAME / 16_000,), size=DRAWN, span=SPAN, planes=1)
