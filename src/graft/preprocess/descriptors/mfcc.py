"""Of a recording: mel-frequency cepstral coefficients, which tell the shape of its spectrum, and how they change."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import fft

from graft.preprocess import _audio_features
from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor

COEFFICIENTS = 20


@dataclass(frozen=True, kw_only=True)
class Mfcc(Descriptor):
    """The first 20 coefficients of the cosine transform of 40 log-mel bands: mean, deviation and mean change.

    Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition". Only the
    part that sounds is looked at; levels are relative to the loudest place, so loudness itself is not told.
    """

    modality: ClassVar[str | None] = "audio"

    def width(self, preprocess: Preprocess) -> int:
        """Return 60."""
        return 3 * COEFFICIENTS

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the statistics of a view 0, float32 (60,): all windows one after the other."""
        levels = _audio_features.heard(fitted, bands=2 * COEFFICIENTS)[::-1]
        found = fft.dct(levels, axis=0, norm="ortho")[:COEFFICIENTS]
        change = np.abs(np.diff(found, axis=1)).mean(axis=1) if found.shape[1] > 1 else np.zeros(COEFFICIENTS)
        return np.concatenate([found.mean(axis=1), found.std(axis=1), change]).astype(np.float32)
