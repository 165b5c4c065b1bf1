"""Random views of a picture, decided by a seed alone; the presets are made so that no label changes."""

import math
from collections.abc import Mapping
from functools import lru_cache, reduce
from operator import matmul

import numpy as np

from graft.preprocess import _augment_names, _image_resize, _image_spoilt
from graft.preprocess import _image_change as change
from graft.preprocess._base import Preprocess

PRESETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "auto": ("crop", "flip", "rotation", "colour"),
    "photos": ("crop", "flip", "rotation", "colour"),
    "digits": ("rotation", "shift", "zoom", "brightness"),
    "documents": ("rotation", "perspective", "contrast", "blur"),
}

MOVES = {"rotation": change.rotation, "shift": change.shift, "zoom": change.zoom, "perspective": change.perspective}
"""Changes of place: all that were asked for become one resampling."""

CHANGES: dict[str, change.Change] = {
    "flip": change.flip,
    "colour": change.colour,
    "brightness": change.brightness,
    "contrast": change.contrast,
    "randaugment": change.randaugment,
    "blur": change.blur,
    "noise": change.noise,
    "erasing": change.erasing,
    "spoilt": _image_spoilt.spoilt,
}

NAMES: dict[str, str] = {
    "crop": "random resized crop of 35 to 100 % of the area, sides 3:4 to 4:3",
    "rotation": "turned by up to 10 degrees",
    "shift": "shifted by up to 8 % of the sides",
    "zoom": "scaled by up to 12 %",
    "perspective": "tilted: corners moved by up to 8 % of the sides",
    "flip": "left and right mirrored, every other time",
    "colour": "brightness, contrast and saturation changed by up to 25 %, hue by up to 7 degrees",
    "brightness": "brightness changed by up to 25 %",
    "contrast": "contrast changed by up to 25 %",
    "randaugment": "two operations drawn from thirteen (Cubuk et al. 2020)",
    "blur": "Gaussian blur of up to 1.5 pixels of 224",
    "noise": "Gaussian noise of up to 12 of 255 levels",
    "erasing": "a rectangle of 2 to 20 % of the area painted over, every other time (Zhong et al. 2020)",
    "spoilt": "out of focus, in exchanged tiles, in noise, a negative or faint: for measuring doubt, not for training",
}
"""Every change with a line for the help, in the order in which they are applied."""

SMALLEST, RATIO = 0.35, 4 / 3


def augmentations() -> Mapping[str, str]:
    """Return every name that ``--augment`` takes, presets first, each with one line of help."""
    return _augment_names.listed(PRESETS, NAMES)


@lru_cache(maxsize=64)
def check_augmentation(text: str) -> tuple[str, ...]:
    """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
    return _augment_names.chosen(text, PRESETS, NAMES)


def augment(spec: Preprocess, decoded: np.ndarray, augmentation: str, seed: int, interpolation: str) -> np.ndarray:
    """Return one random view of ``decoded``, uint8 (3, height, width) as ``spec.shape`` says."""
    names = check_augmentation(augmentation)
    if "crop" in names:
        view = _random_crop(decoded, spec.shape[1:], _generator(seed, "crop"), interpolation)
    else:
        view = spec.fit(decoded)
    if set(names) <= {"crop"}:
        return view
    pixels = np.ascontiguousarray(view.transpose(1, 2, 0))
    moves = [MOVES[name](_generator(seed, name)) for name in names if name in MOVES]
    if moves:
        pixels = change.warped(pixels, reduce(matmul, moves))
    for name in names:
        if name in CHANGES:
            pixels = CHANGES[name](pixels, _generator(seed, name))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _generator(seed: int, name: str) -> np.random.Generator:
    """Return a generator of the change's own, so that adding a change leaves what the others draw."""
    return np.random.default_rng((seed % 2**64, list(NAMES).index(name)))


def _random_crop(
    decoded: np.ndarray, size: tuple[int, ...], rng: np.random.Generator, interpolation: str
) -> np.ndarray:
    """Return uint8 (3, height, width): 35 to 100 % of the picture (Szegedy et al. 2015; fastai's minimum)."""
    top, left, high, wide = crop_box(decoded.shape[0], decoded.shape[1], size, rng)
    part = decoded[top : top + high, left : left + wide]
    return _image_resize.resized(part, size, interpolation)


def crop_box(height: int, width: int, size: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of a random part; the largest centred one where ten draws do not fit."""
    shape = size[1] / size[0]
    for _ in range(10):
        area = height * width * rng.uniform(SMALLEST, 1.0)
        ratio = shape * math.exp(rng.uniform(-1, 1) * math.log(RATIO))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            return int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1)), high, wide
    wide = max(1, min(width, round(height * shape)))
    high = max(1, min(height, round(width / shape)))
    return (height - high) // 2, (width - wide) // 2, high, wide
