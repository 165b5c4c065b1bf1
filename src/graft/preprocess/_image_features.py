"""What can be told of an image without a network: perceptual hash, colour histogram, oriented gradients."""

from typing import Final

import numpy as np
import torch
from torchvision.transforms.v2 import functional

GREY: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green and blue, as Pillow's mode L has them."""

HASH_SIDE, HASH_KEPT = 32, 8
HOG_SIDE, HOG_CELL, HOG_BINS = 96, 16, 9
COLOUR_LEVELS = 4


def _small(fitted: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 (3, side, side), antialiased."""
    pixels = torch.from_numpy(fitted if fitted.flags.writeable else fitted.copy())
    small: np.ndarray = functional.resize(pixels, [side, side], antialias=True).numpy()
    return small


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return float32 (height, width) of uint8 (3, height, width)."""
    grey: np.ndarray = np.tensordot(GREY, pixels.astype(np.float32), 1)
    return grey


def _cosines(side: int, kept: int) -> np.ndarray:
    """Return the first ``kept`` rows of the DCT-II, (kept, side); scale does not matter to a median."""
    row, column = np.arange(kept)[:, None], np.arange(side)[None]
    return np.cos(np.pi * row * (2 * column + 1) / (2 * side)).astype(np.float32)


COSINES: Final = _cosines(HASH_SIDE, HASH_KEPT)


def perceptual_hash(fitted: np.ndarray) -> int:
    """Return the 64-bit hash of uint8 (3, height, width): low DCT frequencies of 32 x 32 grey against their median.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, with the bit order of
    the package imagehash. Near-identical pictures differ in a few of the 64 bits.
    """
    grey = _grey(_small(fitted, HASH_SIDE))
    low = COSINES @ grey @ COSINES.T
    bits = np.packbits(low > np.median(low))
    return int.from_bytes(bits.tobytes(), "big")


def simple_features(fitted: np.ndarray) -> np.ndarray:
    """Return float32 (964,) of uint8 (3, height, width): 64 colour bins, then 900 gradient values."""
    small = _small(fitted, HOG_SIDE)
    return np.concatenate([colour_histogram(small), oriented_gradients(_grey(small))])


def colour_histogram(pixels: np.ndarray) -> np.ndarray:
    """Return the square roots of the shares of 4 x 4 x 4 colours, float32 (64,), of uint8 (3, height, width)."""
    level = (pixels >> 6).astype(np.intp)
    bins = (level[0] * COLOUR_LEVELS + level[1]) * COLOUR_LEVELS + level[2]
    counts = np.bincount(bins.ravel(), minlength=COLOUR_LEVELS**3)
    shares: np.ndarray = np.sqrt(counts / bins.size)
    return shares.astype(np.float32)


def oriented_gradients(grey: np.ndarray) -> np.ndarray:
    """Return the histogram of oriented gradients of a (96, 96) grey picture, float32 (900,).

    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005: central differences,
    9 unsigned orientations shared linearly between neighbours, cells of 16 x 16 pixels, overlapping blocks of
    2 x 2 cells, each normalised by L2-Hys (clipped at 0.2).
    """
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[1:-1] = grey[2:] - grey[:-2]
    right[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    strength = np.hypot(down, right)
    angle = np.arctan2(down, right) * (HOG_BINS / np.pi) % HOG_BINS
    lower = np.floor(angle - 0.5)
    share = angle - 0.5 - lower
    cells = HOG_SIDE // HOG_CELL
    row = np.arange(HOG_SIDE) // HOG_CELL
    place = (row[:, None] * cells + row[None]) * HOG_BINS
    first = place + (lower.astype(np.intp) % HOG_BINS)
    second = place + ((lower.astype(np.intp) + 1) % HOG_BINS)
    size = cells * cells * HOG_BINS
    histogram = np.bincount(first.ravel(), (strength * (1 - share)).ravel(), size)
    histogram += np.bincount(second.ravel(), (strength * share).ravel(), size)
    grid = histogram.reshape(cells, cells, HOG_BINS)
    blocks = np.concatenate([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=-1)
    blocks = np.minimum(_unit(blocks), 0.2)
    return _unit(blocks).astype(np.float32).ravel()


def _unit(blocks: np.ndarray) -> np.ndarray:
    normed: np.ndarray = blocks / np.sqrt((blocks**2).sum(-1, keepdims=True) + 1e-3)
    return normed
