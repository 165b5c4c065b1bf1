"""Of an image: which share of it has which colour."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.preprocess import _image_features
from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor


@dataclass(frozen=True, kw_only=True)
class Colour(Descriptor):
    """The square roots of the shares of 4 x 4 x 4 colours: their distances are Hellinger's."""

    modality: ClassVar[str | None] = "image"

    def width(self, preprocess: Preprocess) -> int:
        """Return 64."""
        return _image_features.COLOUR_LEVELS**3

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the roots of the shares of a view 0, float32 (64,)."""
        return _image_features.colour_histogram(fitted)
