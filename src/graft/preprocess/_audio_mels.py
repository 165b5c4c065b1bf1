"""The spectrograms that published networks of sound were trained on: Kaldi's filter banks, and Whisper's log-mel."""

from functools import lru_cache

import numpy as np
from scipy import fft

FRAME = 400
"""Samples of a frame, 25 ms at 16 kHz."""
HOP = 160
"""Samples from frame to frame, 10 ms at 16 kHz."""
KALDI_FFT = 512
FLOOR = 1.192092955078125e-07
"""Kaldi's smallest power: what float32 adds to 1."""
FAINTEST = 1e-10
DECADES = 8.0
"""What is fainter than the loudest by more decades of power is cut off (Radford et al. 2022)."""


def kaldi_mel(hertz: np.ndarray) -> np.ndarray:
    """Return frequencies in mel as Kaldi and HTK have them."""
    return np.asarray(1127.0 * np.log(1 + hertz / 700))


def slaney_mel(hertz: np.ndarray) -> np.ndarray:
    """Return frequencies in mel of Slaney's Auditory Toolbox (1998): linear up to 1 kHz, logarithmic above."""
    return np.where(hertz < 1000, 3 * hertz / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4))


def slaney_hertz(mels: np.ndarray) -> np.ndarray:
    """Return such mel as frequencies in Hz."""
    return np.where(mels < 15, 200 * mels / 3, 1000 * np.exp(np.log(6.4) / 27 * (np.maximum(mels, 15) - 15)))


def _triangles(places: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return one triangle a band over places, (places, bands)."""
    rising = (places[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - places[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


@lru_cache(maxsize=8)
def kaldi_bank(rate: int, bands: int) -> np.ndarray:
    """Return Kaldi's triangles, in mel from 20 Hz to half the rate, float64 (257, bands)."""
    low, high = kaldi_mel(np.array([20.0, rate // 2]))
    places = kaldi_mel(np.arange(KALDI_FFT // 2 + 1) * rate / KALDI_FFT)
    return _triangles(places, np.linspace(low, high, bands + 2))


@lru_cache(maxsize=8)
def whisper_bank(rate: int, bands: int) -> np.ndarray:
    """Return Slaney's triangles of equal area from 0 to 8 kHz, float32 (201, bands)."""
    low, high = slaney_mel(np.array([0.0, 8000.0]))
    edges = slaney_hertz(np.linspace(low, high, bands + 2))
    found = _triangles(np.linspace(0, rate // 2, FRAME // 2 + 1), edges)
    return np.asarray(found * 2.0 / (edges[2:] - edges[:-2]), np.float32)


def frames_of(samples: int) -> int:
    """Return how many whole frames lie in so many samples, one at least."""
    return max(0, samples - FRAME) // HOP + 1


def filter_banks(wave: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """Return the log energies of Kaldi's ``fbank`` with a Hann window, no dither, float32 (frames, bands).

    ``wave`` is float32 (samples,); frames of 25 ms every 10 ms at 16 kHz, only whole ones. Each loses its mean, and
    the sample before it times 0.97 (Povey et al. 2011, "The Kaldi speech recognition toolkit").
    """
    whole = np.pad(wave, (0, max(0, FRAME - len(wave)))).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(whole, FRAME)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    emphasised = np.empty_like(frames)
    emphasised[:, 1:] = frames[:, 1:] - 0.97 * frames[:, :-1]
    emphasised[:, 0] = frames[:, 0] * (1 - 0.97)
    spectra = fft.rfft(emphasised * np.hanning(FRAME), KALDI_FFT, axis=1)
    energies = (spectra.real**2 + spectra.imag**2) @ kaldi_bank(rate, bands)
    found: np.ndarray = np.log(np.maximum(FLOOR, energies)).astype(np.float32)
    return found


def log_mel(wave: np.ndarray, rate: int, bands: int) -> np.ndarray:
    """Return Whisper's log-mel spectrogram, float32 (samples // 160, bands), the loudest place at (log10 + 4) / 4.

    ``wave`` is float32 (samples,), of 201 samples or more; it is mirrored at its ends. Source: Radford et al. 2022,
    "Robust speech recognition via large-scale weak supervision", and its published code.
    """
    mirrored = np.pad(wave.astype(np.float32), FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, FRAME)[::HOP][: len(wave) // HOP]
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    spectra = fft.rfft(frames * window, axis=1)
    power = (spectra.real**2 + spectra.imag**2) @ whisper_bank(rate, bands)
    levels = np.log10(np.maximum(power, FAINTEST))
    found: np.ndarray = (np.maximum(levels, levels.max() - DECADES) + 4) / 4
    return found.astype(np.float32)
