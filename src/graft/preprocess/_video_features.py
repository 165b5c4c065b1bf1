"""What can be told of a video's frames without a network: colours and shapes on average, and what moves where."""

import numpy as np
from PIL import Image

from graft.preprocess import _image_features
from graft.preprocess._sheet import sheet

GRID = 4
"""Cells a side in which motion is counted."""
MOTION_SIDE = 32
STILL = 2.0
"""Levels of 255: a smaller change, such as a codec makes, is none."""
SCALE = 4.0
"""Beside the thousand features of colours and shapes, the few of motion must be long to have their say."""


def miniature(fitted: np.ndarray) -> np.ndarray:
    """Return a view 0, uint8 (frames, 3, height, width), as uint8 (3, 32, 32): four of its frames, two beside two."""
    small = np.stack([_image_features.miniature(one) for one in fitted])
    tiled = sheet(small.transpose(0, 2, 3, 1)).transpose(2, 0, 1)
    return _image_features.miniature(np.ascontiguousarray(tiled))


def simple_features(fitted: np.ndarray) -> np.ndarray:
    """Return the means over the frames of what an image has, then what moves, float32 (982 + 3 * frames,).

    Of motion: how much each of 4 x 4 cells changes from frame to frame, on average; where in each frame that lies which
    differs from the mean of all (x and y, 0 in the middle) and how bright the frame is; and the slopes of x and y over
    the time, which tell one direction from the other.
    """
    still = np.mean([_image_features.simple_features(one) for one in fitted], axis=0)
    return np.concatenate([still, SCALE * motion(fitted)]).astype(np.float32)


def motion(fitted: np.ndarray) -> np.ndarray:
    """Return the last part of ``simple_features``, float64 (18 + 3 * frames,)."""
    grey = np.stack([_grey(one) for one in fitted]) / 255
    change = np.abs(np.diff(grey, axis=0)).mean(axis=0) if len(grey) > 1 else np.zeros_like(grey[0])
    cell = MOTION_SIDE // GRID
    cells = change.reshape(GRID, cell, GRID, cell).mean(axis=(1, 3)).ravel()
    apart = np.abs(grey - grey.mean(axis=0))
    apart[apart < STILL / 255] = 0
    place = (np.arange(MOTION_SIDE) + 0.5) / MOTION_SIDE - 0.5
    weight = np.maximum(apart.sum(axis=(1, 2)), 1e-6)
    across, down = apart.sum(axis=1) @ place / weight, apart.sum(axis=2) @ place / weight
    time = np.linspace(-0.5, 0.5, len(grey)) if len(grey) > 1 else np.zeros(1)
    slopes = [float(time @ one) / max(1e-6, float(time @ time)) for one in (across, down)]
    return np.concatenate([cells, slopes, across, down, grey.mean(axis=(1, 2))])


def _grey(frame: np.ndarray) -> np.ndarray:
    """Return float32 (32, 32) of uint8 (3, height, width)."""
    picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))).convert("L")
    return np.asarray(picture.resize((MOTION_SIDE, MOTION_SIDE), Image.Resampling.BOX), np.float32)
