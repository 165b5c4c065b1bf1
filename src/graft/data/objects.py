"""Examples from objects in memory: paths, texts, arrays and PIL images, the arrays kept without loss as PNG."""

import io
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from graft.data import modalities
from graft.data.dataset import Dataset, label_text, one_line, shown
from graft.errors import DataError, must
from graft.types import Example

_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def from_objects(X: Iterable[Any], y: Iterable[Any] | None = None, *, modality: str | None = None) -> Dataset:
    """Return a dataset of paths, arrays, PIL images or texts, and their labels.

    Arrays are (height, width), or (height, width, channels) with 1 to 4 channels; whole numbers in 0..255, floats in
    0..1, or bool. One array (n, height, width[, channels]) is n inputs. A string is a path, or the text itself where
    ``modality`` says so; without it, the first string decides: one that neither is a file nor is called like one is a
    text. Raises DataError for anything else, and where ``y`` is of another length.
    """
    if isinstance(X, (str, PathLike)):
        raise DataError(must("X", "a list of inputs", "one path", "Put it in a list"))
    inputs = list(X)
    labels = [None] * len(inputs) if y is None else [label_text(str(one)) for one in y]
    if len(labels) != len(inputs):
        do = "Give one label for each input"
        raise DataError(must("y", f"as long as X ({len(inputs)})", f"{len(labels)} labels", do))
    kind, words = _guessed(inputs) if modality is None else (modality, modalities.is_written(modality))
    examples = tuple(_example(number, one, labels[number], words=words) for number, one in enumerate(inputs))
    return Dataset(examples, kind, "objects")


def _guessed(inputs: list[Any]) -> tuple[str, bool]:
    """Return the modality of inputs in memory, and whether strings are texts: the first path or string decides."""
    first = next((one for one in inputs if isinstance(one, (str, PathLike))), None)
    if first is None:
        return "image", False
    named, written = modalities.of_file(str(first), first), modalities.written()
    if named is None and written is not None and isinstance(first, str) and not Path(first).suffix:
        return written, True
    return named or "image", False


def _example(number: int, value: Any, label: str | None, *, words: bool) -> Example:
    if words and isinstance(value, str):
        return Example(one_line(value), label, content=value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (str, PathLike)):
        path = Path(value)
        return Example(shown(str(path)), label, path)
    if isinstance(value, Image.Image):
        return Example(f"image {number}", label, content=_png(ImageOps.exif_transpose(value)))
    if hasattr(value, "__array__"):
        what = f"array {number}"
        return Example(what, label, content=_png(Image.fromarray(_pixels(np.asarray(value), what))))
    do = "Give paths, arrays, PIL images or texts"
    raise DataError(must(f"Input {number}", "a path, an array or a PIL image", f"a {type(value).__name__}", do))


def _pixels(array: np.ndarray, what: str) -> np.ndarray:
    """Return the array as uint8, (height, width) or (height, width, 2 to 4)."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (2, 3, 4)) or 0 in array.shape:
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        do = "Move the channels last" if first else "Reshape it"
        raise DataError(must(what, "(height, width) or (height, width, 1 to 4 channels)", f"shape {array.shape}", do))
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        do = "Convert it to uint8"
        raise DataError(must(what, "uint8, or floats in 0..1", f"dtype {array.dtype}", do))
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "iu":
        if low < 0 or high > 255:
            do = "Scale it to 0..255"
            raise DataError(must(what, "whole numbers in 0..255", f"{low:.0f} to {high:.0f}", do))
        return array.astype(np.uint8)
    if not (low >= 0 and high <= 1):  # also true of NaN
        do = "Divide it by its largest value, or convert it to uint8"
        raise DataError(must(what, "floats in 0..1, or uint8", f"{low:g} to {high:g}", do))
    return np.asarray(np.rint(array * 255), dtype=np.uint8)


def _png(image: Image.Image) -> bytes:
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
