"""What can be told of a log-mel picture without a network: perceptual hash, and statistics of its bands over time."""

import numpy as np
from PIL import Image

from graft.preprocess import _image_features

BANDS = 32
SEGMENTS = 8
SOUNDED = 0.25
"""How far below the loudest moment a moment still counts as sound, as a share of the whole range in decibels."""
MOMENTS = 112
SCALE = 16.0
"""Beside a thousand features of a network these few hundred must be long to have their say. Out of fold on training
parts, joined to EfficientNet-Lite0: at 4, 16 and 64 the spoken digits are 98.3, 98.9 and 99.2 % right, and ESC-10 is
94.1, 94.1 and 93.1 % right."""


def miniature(fitted: np.ndarray) -> np.ndarray:
    """Return a view 0, uint8 (3, height, width) or (windows, 3, height, width), as uint8 (3, 32, 32).

    Windows are laid side by side, so that all of them count.
    """
    beside = fitted if fitted.ndim == 3 else np.concatenate(list(fitted), axis=2)
    return _image_features.miniature(beside)


def heard(fitted: np.ndarray, bands: int = BANDS) -> np.ndarray:
    """Return the part of a view 0 that sounds, float32 (bands, moments) from 0 to 1, high tones first."""
    windows = fitted[None] if fitted.ndim == 3 else fitted
    beside = np.concatenate([one[0] for one in windows], axis=1)
    small = Image.fromarray(beside).resize((MOMENTS, bands), Image.Resampling.BOX)
    levels = np.asarray(small, np.float32) / 255
    loudness = levels.mean(axis=0)
    sounding = np.flatnonzero(loudness >= max(float(loudness.max()) - SOUNDED, 1 / 255))
    first, last = (int(sounding[0]), int(sounding[-1]) + 1) if len(sounding) else (0, MOMENTS)
    return levels[:, first:last]


def simple_features(fitted: np.ndarray) -> np.ndarray:
    """Return statistics of 32 log-mel bands, float32 (353,), of a view 0.

    Of the part that sounds, cut into 8 equal segments: the mean of each band in each segment; then the mean, the
    deviation and the mean change from moment to moment of each band, and which share of the whole sounds.
    """
    part = heard(fitted)
    segments = Image.fromarray(part).resize((SEGMENTS, BANDS), Image.Resampling.BOX)
    change = np.abs(np.diff(part, axis=1)).mean(axis=1) if part.shape[1] > 1 else np.zeros(BANDS)
    share = [part.shape[1] / MOMENTS]
    found = np.concatenate([np.asarray(segments).ravel(), part.mean(axis=1), part.std(axis=1), 4 * change, share])
    return (SCALE * found).astype(np.float32)
