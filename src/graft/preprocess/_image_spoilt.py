"""Pictures spoilt on purpose, each in one of five ways: to measure whether a model notices what it does not know."""

import numpy as np
from PIL import Image, ImageFilter, ImageOps

TILES = 6
BLUR = 0.05
"""Radius as a share of the short side."""
NOISE = 80.0
"""Standard deviation in levels of 255."""
FAINT = 0.12
"""What is left of the contrast."""


def spoilt(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 (height, width, 3) out of focus, in exchanged tiles, in heavy noise, as a negative, or faint."""
    way = (_blurred, _exchanged, _noisy, _negative, _faint)[int(rng.integers(5))]
    return np.ascontiguousarray(way(pixels, rng))


def _blurred(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radius = max(1.0, BLUR * min(pixels.shape[:2]))
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def _exchanged(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = (side // TILES for side in pixels.shape[:2])
    if not height or not width:
        return pixels[::-1]
    painted, order = pixels.copy(), rng.permutation(TILES * TILES)
    for place, taken in enumerate(order):
        (row, column), (above, beside) = divmod(place, TILES), divmod(int(taken), TILES)
        tile = pixels[above * height : (above + 1) * height, beside * width : (beside + 1) * width]
        painted[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return painted


def _noisy(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    found: np.ndarray = np.clip(pixels + NOISE * rng.standard_normal(pixels.shape, dtype=np.float32), 0, 255)
    return found.astype(np.uint8)


def _negative(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(ImageOps.invert(Image.fromarray(pixels)))


def _faint(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mean = pixels.mean()
    return np.asarray(np.rint(mean + FAINT * (pixels - mean)), np.uint8)
