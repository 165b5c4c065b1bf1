"""Recordings made from a seed, and their encodings, for the tests of sound."""

import io
from pathlib import Path

import numpy as np
import soundfile


def tone(
    hertz: float = 440.0, seconds: float = 0.5, rate: int = 8000, *, noise: float = 0.01, seed: int = 0
) -> np.ndarray:
    """Return a sine that swells and fades, with some noise, float32 (samples,)."""
    count = round(seconds * rate)
    time = np.arange(count) / rate
    hull = np.sin(np.pi * (np.arange(count) + 0.5) / count)
    wave = 0.5 * hull * np.sin(2 * np.pi * hertz * time)
    return (wave + noise * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def encoded(wave: np.ndarray, rate: int = 8000, name: str = "WAV", coding: str | None = None) -> bytes:
    """Return a wave (samples,) or (samples, channels) as the bytes of a file."""
    out = io.BytesIO()
    soundfile.write(out, wave, rate, format=name, subtype=coding)
    return out.getvalue()


def make_sounds(folder: Path, *, classes: int = 3, each: int = 12, seconds: float = 0.4, seed: int = 0) -> Path:
    """Write ``classes`` folders of ``each`` recordings, WAV and FLAC in turn; a pitch is a class."""
    draw = np.random.default_rng(seed)
    for label in range(classes):
        home = folder / f"class{label}"
        home.mkdir(parents=True)
        for number in range(each):
            hertz = 300 * 2**label * draw.uniform(0.95, 1.05)
            wave = tone(hertz, seconds * draw.uniform(0.8, 1.0), noise=0.02, seed=int(draw.integers(2**31)))
            name = "flac" if number % 2 else "wav"
            (home / f"{number:03d}.{name}").write_bytes(encoded(wave, name=name.upper()))
    return folder
