"""Waves to log-mel spectrograms as pictures: power in mel bands, in decibels below the loudest, low tones below."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import fft, sparse

FAINTEST = 1e-10
"""Power below which nothing is told apart: 100 dB below full scale."""
FINEST = 12.0
"""Hz: spectra are at least so fine, that the lowest of the bands still has a place of its own."""
BLOCK = 16
"""Frames that are transformed at a time: so few stay in the processor's cache, which makes a third of the time."""


def mel(hertz: np.ndarray | float) -> np.ndarray:
    """Return frequencies in mel (O'Shaughnessy, "Speech Communication", 1987)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))


def hertz(mels: np.ndarray | float) -> np.ndarray:
    """Return mel as frequencies in Hz."""
    return np.asarray(700 * (10 ** (np.asarray(mels) / 2595) - 1))


def _filters(rate: int, size: int, bands: int, low: float, pitch: float) -> sparse.csr_matrix:
    edges = hertz(np.linspace(mel(low), mel(rate / 2), bands + 2))[:, None] / pitch
    places = np.fft.rfftfreq(size, 1 / rate)[None]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    # Of equal area, so that noise of equal power at all frequencies is equally bright everywhere.
    triangles *= 2 / (edges[2:] - edges[:-2])
    return sparse.csr_matrix(triangles.astype(np.float32))


_kept_filters = lru_cache(maxsize=16)(_filters)


def filters(rate: int, size: int, bands: int, low: float, pitch: float = 1.0) -> sparse.csr_matrix:
    """Return ``bands`` triangles on a mel scale from ``low`` Hz to half the rate, (bands, size // 2 + 1) float32.

    ``pitch`` moves them down by that factor, so that a tone appears as much higher; what lies above half the rate then
    is empty.
    """
    make = _kept_filters if pitch == 1.0 else _filters
    return make(rate, size, bands, low, pitch)


@lru_cache(maxsize=16)
def _hann(length: int) -> np.ndarray:
    return np.hanning(length + 2)[1:-1].astype(np.float32)


def powers(wave: np.ndarray, length: int, steps: int, size: int) -> np.ndarray:
    """Return the power spectra of ``steps`` frames of ``length`` samples, spread evenly over a wave.

    ``wave`` is float32 (samples,); the result is float32 (size // 2 + 1, steps). The wave is taken to be silent
    beyond its ends. A sine of full scale has a power of 0.25 (-6 dB) in its bin.
    """
    padded = np.pad(wave, (length // 2, length))
    starts = np.rint(np.linspace(0, max(0, len(wave) - 1), steps)).astype(np.intp)
    window = _hann(length) / _hann(length).sum()
    chosen = np.lib.stride_tricks.sliding_window_view(padded, length)
    frames = np.zeros((min(BLOCK, steps), size), np.float32)
    found = np.empty((steps, size // 2 + 1), np.float32)
    for begin in range(0, steps, BLOCK):
        block = chosen[starts[begin : begin + BLOCK]]
        np.multiply(block, window, out=frames[: len(block), :length])
        parts = fft.rfft(frames[: len(block)], axis=1).view(np.float32)
        parts *= parts
        np.add(parts[:, ::2], parts[:, 1::2], out=found[begin : begin + BLOCK])
    return found.T


def decibels(power: np.ndarray, span: float) -> np.ndarray:
    """Return power as values from 0 (``span`` dB below the loudest, or silent) to 1 (the loudest), float32."""
    loudest = float(power.max(initial=0.0))
    if loudest <= FAINTEST:
        return np.zeros(power.shape, np.float32)
    levels = 10 * np.log10(np.maximum(power, loudest * 10 ** (-span / 10)) / loudest)
    found: np.ndarray = (levels / span + 1).astype(np.float32)
    return found


def picture(levels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return levels (bands, steps) of 0 to 1 as uint8 (height, width), low tones at the bottom, antialiased."""
    height, width = size
    resized = Image.fromarray(levels[::-1]).resize((width, height), Image.Resampling.BICUBIC)
    found: np.ndarray = np.rint(np.clip(np.asarray(resized), 0, 1) * 255).astype(np.uint8)
    return found


def drawn(
    waves: np.ndarray,
    rate: int,
    frames: Sequence[float],
    *,
    size: tuple[int, ...],
    bands: int = 128,
    span: float = 80.0,
    pitch: float = 1.0,
    planes: int = 3,
) -> np.ndarray:
    """Return waves float32 (windows, samples) as pictures uint8 (windows, planes, height, width).

    One plane for each of the first ``planes`` of ``frames``, which are lengths in seconds; the loudest place is that of
    all windows. A plane is the same whether others are drawn too.
    """
    lengths = [max(2, round(one * rate)) for one in frames]
    wide = 1 << (max(*lengths, round(rate / FINEST)) - 1).bit_length()
    bank = filters(rate, wide, bands, 20.0, pitch)
    found = []
    for length in lengths[:planes]:
        spectra = [bank @ powers(one, length, 2 * size[1], wide) for one in waves]
        levels = decibels(np.stack(spectra), span)
        found.append(np.stack([picture(one, size) for one in levels]))
    return np.stack(found, axis=1)
