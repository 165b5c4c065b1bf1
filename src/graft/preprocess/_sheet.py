"""Several windows of an input as one picture, for where there is room for one."""

import numpy as np

SHOWN = 4
"""Windows that stand for all of them, two beside two."""


def sheet(windows: np.ndarray) -> np.ndarray:
    """Return four of the windows, evenly spread and in reading order, as one picture.

    ``windows`` is (k, height, width, ...); the sheet (2 height, 2 width, ...). Of one window it is that window.
    """
    if len(windows) == 1:
        return np.asarray(windows[0])
    chosen = windows[np.linspace(0, len(windows) - 1, SHOWN).round().astype(int)]
    return np.concatenate([np.concatenate(list(chosen[row : row + 2]), axis=1) for row in (0, 2)], axis=0)
