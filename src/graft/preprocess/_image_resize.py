"""Resizing with antialiasing: by torchvision where models are fitted, by Pillow where a server has no torch."""

import math

import numpy as np
from PIL import Image

RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


REACH = 3
"""Places on either side that a resampled one may depend on, and one more."""


def fitting(pixels: np.ndarray, short: int) -> tuple[int, int]:
    """Return the height and width at which the short side of (height, width, 3) pixels is ``short``."""
    height, width = pixels.shape[:2]
    # As torchvision rounds.
    return (short, int(short * width / height)) if height <= width else (int(short * height / width), short)


def resized(pixels: np.ndarray, size: tuple[int, ...], interpolation: str) -> np.ndarray:
    """Return uint8 (height, width, 3) as uint8 (3, *size), by torchvision."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    # torch warns of arrays that it could write to by mistake.
    planes = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)
    mode = InterpolationMode(interpolation)
    found: np.ndarray = functional.resize(planes, list(size), interpolation=mode, antialias=True).contiguous().numpy()
    return found


def _start(whole: int, part: int) -> int:
    # Halves go to the even number, as in torchvision's centre crop.
    return round((whole - part) / 2)


def centred(planes: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return the middle (3, *size) of planes (3, height, width) that are at least as large."""
    top, left = _start(planes.shape[1], size[0]), _start(planes.shape[2], size[1])
    return np.ascontiguousarray(planes[:, top : top + size[0], left : left + size[1]])


def centre_by_pillow(
    pixels: np.ndarray, whole: tuple[int, int], size: tuple[int, ...], interpolation: str
) -> np.ndarray:
    """Return uint8 (3, *size), the middle of (height, width, 3) pixels resized to ``whole``; the rest is not computed.

    Each place is that of ``resized``, but for roundings of one or two levels.
    """
    height, width = pixels.shape[:2]
    top, left = _start(whole[0], size[0]), _start(whole[1], size[1])
    if (height, width) == whole:
        return np.ascontiguousarray(pixels[top : top + size[0], left : left + size[1]].transpose(2, 0, 1))
    down, across = height / whole[0], width / whole[1]
    above, below = top * down, min(height, (top + size[0]) * down)
    # Two calls, since Pillow turns to the cheaper side first, torch always to the width: between them values are cut
    # to 0 to 255. Of the rows only those that the second call reads.
    reach = REACH * max(1.0, down)
    first, last = max(0, math.floor(above - reach)), min(height, math.ceil(below + reach))
    resample = RESAMPLING[interpolation]
    wide = (left * across, 0.0, min(width, (left + size[1]) * across), last - first)
    rows = Image.fromarray(pixels[first:last]).resize((size[1], last - first), resample, wide)
    middle = rows.resize((size[1], size[0]), resample, (0.0, above - first, float(size[1]), below - first))
    return np.ascontiguousarray(np.asarray(middle).transpose(2, 0, 1))
