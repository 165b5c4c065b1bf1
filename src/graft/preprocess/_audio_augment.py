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
    "spoilt": "drowned in noise, in exchanged pieces, or overdriven: for measuring doubt, not for training",
}
"""Every change with a line for the help, in the order in which they are applied."""

DECIBELS = 6.0
SPEED = 1.1
SEMITONES = 2.0
SHIFT = 0.2
NOISE = (10.0, 40.0)
VOCODER = 1024
"""Samples of a frame of the phase vocoder."""
HOP = VOCODER // 4
MASKS = 2
PIECES = 24
"""Pieces of a window that are exchanged where it is spoilt."""
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


def spoilt(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drown all windows in noise three times as loud, cut them into exchanged pieces, or overdrive them."""
    way, level = int(rng.integers(3)), np.float32(np.sqrt(np.mean(np.square(waves, dtype=np.float64))))
    if way == 0:
        return np.asarray(waves + 3 * max(level, np.float32(1e-3)) * rng.standard_normal(waves.shape, dtype=np.float32))
    if way == 1:
        order = rng.permutation(PIECES)
        return np.stack([np.concatenate([np.array_split(one, PIECES)[place] for place in order]) for one in waves])
    return np.asarray(np.where(np.abs(waves) > level / 4, np.sign(waves), 0), np.float32)


WAVES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "gain": gain,
    "speed": speed,
    "shift": shift,
    "noise": noise,
    "spoilt": spoilt,
}


def pitch_factor(rng: np.random.Generator) -> float:
    """Return by which factor tones are raised: up to 2 semitones either way."""
    return float(2 ** (rng.uniform(-SEMITONES, SEMITONES) / 12))


def pitched(waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Raise or lower all windows by up to 2 semitones, their length as it was."""
    factor = pitch_factor(rng)
    return np.stack([raised(one, factor) for one in waves])


def raised(wave: np.ndarray, factor: float) -> np.ndarray:
    """Return a wave float32 (samples,) of which all tones are ``factor`` times as high, as long as it was.

    It is made ``factor`` times as long by a phase vocoder (Flanagan and Golden 1966), then played so much faster.
    """
    padded = np.pad(wave, VOCODER // 2)
    padded = np.pad(padded, (0, VOCODER + HOP - len(padded) % HOP))
    window = np.hanning(VOCODER + 1)[:-1].astype(np.float32)
    spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, VOCODER)[::HOP] * window, axis=1)
    steps = np.arange(0, len(spectra) - 1, 1 / factor)
    before, share = steps.astype(np.intp), (steps % 1)[:, None]
    sizes = np.abs(spectra)
    lengths = (1 - share) * sizes[before] + share * sizes[before + 1]
    # How far each bin turns from frame to frame: what its frequency makes of it, and the rest within half a turn.
    turn = 2 * np.pi * HOP / VOCODER * np.arange(spectra.shape[1])
    rest = np.angle(spectra[before + 1]) - np.angle(spectra[before]) - turn
    turns = turn + rest - 2 * np.pi * np.round(rest / (2 * np.pi))
    phases = np.angle(spectra[:1]) + np.concatenate([np.zeros_like(turns[:1]), np.cumsum(turns[:-1], axis=0)])
    pieces = np.fft.irfft(lengths * np.exp(1j * phases), VOCODER, axis=1) * window
    stretched = np.zeros(HOP * (len(pieces) - 1) + VOCODER)
    for number, piece in enumerate(pieces):
        stretched[number * HOP : number * HOP + VOCODER] += piece
    # Squared Hann windows a quarter apart add up to 1.5.
    heard = stretched[round(VOCODER // 2 * factor) :] / 1.5
    played = resampled(heard.astype(np.float32), factor, 1.0)[: len(wave)]
    return np.pad(played, (0, len(wave) - len(played)))


def hidden(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (time, channels + 1) with two stretches of its sound made silent, and two bands where there are bands.

    The last channel, which is 1 where there is sound, stays as it is.
    """
    painted = features.copy()
    real, channels = int(features[:, -1].sum()), features.shape[1] - 1
    silence = painted[:real, :channels].min() if channels > 1 else 0.0
    for _ in range(MASKS):
        for axis, size in enumerate((real, channels)):
            wide = int(rng.integers(0, round(MASKED * size) + 1))
            start = int(rng.integers(0, size - wide + 1))
            place = slice(start, start + wide)
            painted[(place, slice(channels)) if axis == 0 else (slice(real), place)] = silence
    return painted


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
