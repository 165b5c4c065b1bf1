"""What can be told of an image without a network: perceptual hash, colour histogram, oriented gradients."""

from typing import Final

import numpy as np
from PIL import Image

GREY: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green and blue, as Pillow's mode L has them."""

HASH_SIDE, HASH_KEPT = 32, 8
HOG_SIDE, HOG_CELL, HOG_BINS = 96, 16, 9
HOG_SIZE = 4 * HOG_BINS * (HOG_SIDE // HOG_CELL - 1) ** 2
COLOUR_LEVELS = 4


def _small(fitted: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 (3, side, side), antialiased."""
    _, height, width = fitted.shape
    # Channel by channel and by Pillow, which holds no lock meanwhile: this runs beside the network, in several threads.
    planes = [Image.frombuffer("L", (width, height), np.ascontiguousarray(plane), "raw", "L", 0, 1) for plane in fitted]
    return np.stack([np.asarray(one.resize((side, side), Image.Resampling.BILINEAR)) for one in planes])


def _grey(pixels: np.ndarray) -> np.ndarray:
    """Return float32 (height, width) of uint8 (3, height, width)."""
    grey: np.ndarray = GREY @ pixels.reshape(3, -1).astype(np.float32)
    return grey.reshape(pixels.shape[1:])


def _cosines(side: int, kept: int) -> np.ndarray:
    """Return the first ``kept`` rows of the DCT-II, (kept, side); scale does not matter to a median."""
    row, column = np.arange(kept)[:, None], np.arange(side)[None]
    return np.cos(np.pi * row * (2 * column + 1) / (2 * side)).astype(np.float32)


COSINES: Final = _cosines(HASH_SIDE, HASH_KEPT)


def miniature(fitted: np.ndarray) -> np.ndarray:
    """Return uint8 (3, height, width) as uint8 (3, 32, 32), each pixel the mean of the box that it stands for."""
    _, height, width = fitted.shape
    planes = np.ascontiguousarray(fitted)
    if height % HASH_SIDE == 0 and width % HASH_SIDE == 0:
        # All channels at once, one below the other: whole numbers of rows are joined, so that none is of two channels.
        stacked = Image.frombuffer("L", (width, 3 * height), planes, "raw", "L", 0, 1)
        return np.asarray(stacked.reduce((width // HASH_SIDE, height // HASH_SIDE))).reshape(3, HASH_SIDE, HASH_SIDE)
    pictures = [Image.frombuffer("L", (width, height), one, "raw", "L", 0, 1) for one in planes]
    return np.stack([np.asarray(one.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX)) for one in pictures])


def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
    """Return the 64-bit hashes uint64 (n,) of uint8 (n, 3, 32, 32): low DCT frequencies against their median.

    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, with the bit order of
    the package imagehash. Near-identical pictures differ in a few of the 64 bits.
    """
    grey = np.tensordot(miniatures.astype(np.float32), GREY, (1, 0))
    low = (COSINES @ grey @ COSINES.T).reshape(len(grey), -1)
    bits = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    hashes: np.ndarray = bits.view(">u8")[:, 0].astype(np.uint64)
    return hashes


def simple_features(fitted: np.ndarray) -> np.ndarray:
    """Return float32 (964,) of uint8 (3, height, width): 64 colour bins, then 900 gradient values."""
    small = _small(fitted, HOG_SIDE)
    return np.concatenate([colour_histogram(small), oriented_gradients(_grey(small))])


def gradients_of(fitted: np.ndarray) -> np.ndarray:
    """Return the histogram of oriented gradients of uint8 (3, height, width), float32 (900,)."""
    return oriented_gradients(_grey(_small(fitted, HOG_SIDE)))


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
