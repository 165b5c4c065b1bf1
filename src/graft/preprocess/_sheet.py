"""Several windows of an input as one picture, for where there is room for one."""

import numpy as np

SHOWN = 4
"""Windows that stand for all of them, two beside two."""
GAP = 0.02
"""Share of a window's height that is left between windows, where that is a pixel or more."""


def sheet(windows: np.ndarray) -> np.ndarray:
    """Return four of the windows, evenly spread and in reading order, as one picture.

    ``windows`` is (k, height, width, ...); the sheet (2 height + gap, 2 width + gap, ...), of uint8 with a white gap.
    Of one window it is that window.
    """
    if len(windows) == 1:
        return np.asarray(windows[0])
    chosen = windows[np.linspace(0, len(windows) - 1, SHOWN).round().astype(int)]
    high, wide = windows.shape[1:3]
    gap = round(GAP * high)
    fill = 255 if windows.dtype == np.uint8 else 0
    whole = np.full((2 * high + gap, 2 * wide + gap, *windows.shape[3:]), fill, windows.dtype)
    for number, one in enumerate(chosen):
        top, left = number // 2 * (high + gap), number % 2 * (wide + gap)
        whole[top : top + high, left : left + wide] = one
    return whole
