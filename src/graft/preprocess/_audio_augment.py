"""Random views of a recording, decided by a seed alone: changes of the wave, then of its log-mel picture."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from graft.preprocess import _augment_names
from graft.preprocess._audio_decode import resampled

PRESETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "auto": ("shift", "speed", "noise", "masks"),
    "sounds": ("shift", "speed", "noise", "masks"),
    "speech": ("gain", "speed", "pitch", "noise", "masks"),
}

NAMES: dict[str, str] = {
    "gain": "made louder or softer by up to 6 dB",
    "speed": "played up to 10 % faster or slower, the pitch with it",
    "pitch": "raised or lowered by up to 2 semitones at the same speed",
    "shift": "moved in time by up to 20 % of its length, what leaves at one end coming in at the other",
    "noise": "white noise added, 10 to 40 dB softer than the recording",
    "masks": "two bands of frequency and two stretches of time left out (SpecAugment, Park et al. 2019)",
}
"""Every change with a line for the help, in the order in which they are applied."""

DECIBELS = 6.0
SPEED = 1.1
SEMITONES = 2.0
SHIFT = 0.2
NOISE = (10.0, 40.0)
MASKS = 2
MASKED = 0.15
"""The largest share of the bands, or of the time, that one mask hides."""


def augmentations() -> Mapping[str, str]:
    """Return every name that ``--augment`` takes for recordings, presets first, each with one line of help."""
    return _augment_names.listed(PRESETS, NAMES)


@lru_cache(maxsize=64)
def check_augmentation(text: str) -> tuple[str, ...]:
    """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
    return _augment_names.chosen(text, PRESETS, NAMES, " for recordings")


def gain(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make all windows louder or softer by up to 6 dB."""
    factor = np.float32(10 ** (rng.uniform(-DECIBELS, DECIBELS) / 20))
    return np.asarray(waves * factor)


def speed(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play all windows up to 10 % faster or slower; their length changes with it, and never to nothing."""
    factor = SPEED ** rng.uniform(-1, 1)
    played = [resampled(one, factor, 1.0) for one in waves]
    shortest = min(map(len, played))
    return np.stack([one[:shortest] for one in played]) if shortest else waves


def shift(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move each window in time by up to 20 % of its length, around its ends."""
    moved = [np.roll(one, round(rng.uniform(-SHIFT, SHIFT) * len(one))) for one in waves]
    return np.stack(moved)


def noise(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white noise whose power is 10 to 40 dB below the mean power of the recording; to silence, nothing."""
    level = np.sqrt(np.mean(np.square(waves, dtype=np.float64)) * 10 ** (-rng.uniform(*NOISE) / 10))
    return np.asarray(waves + np.float32(level) * rng.standard_normal(waves.shape, dtype=np.float32))


WAVES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "gain": gain,
    "speed": speed,
    "shift": shift,
    "noise": noise,
}


def pitch_factor(rng: np.random.Generator) -> float:
    """Return by which factor tones are raised: up to 2 semitones either way."""
    return float(2 ** (rng.uniform(-SEMITONES, SEMITONES) / 12))


def masked(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pictures uint8 (windows, 3, height, width) with two bands and two stretches of each painted silent."""
    painted = pictures.copy()
    for one in painted:
        for axis in (1, 2) * MASKS:
            size = one.shape[axis]
            wide = int(rng.integers(0, round(MASKED * size) + 1))
            start = int(rng.integers(0, size - wide + 1))
            place = slice(start, start + wide)
            one[(slice(None), place) if axis == 1 else (slice(None), slice(None), place)] = 0
    return painted


def generator(seed: int, name: str) -> np.random.Generator:
    """Return a generator of the change's own, so that adding a change leaves what the others draw."""
    return np.random.default_rng((seed % 2**64, list(NAMES).index(name)))
