"""Of an image: the histogram of oriented gradients, which tells its shapes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.preprocess import _image_features
from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor


@dataclass(frozen=True, kw_only=True)
class Hog(Descriptor):
    """Dalal and Triggs 2005, on 96 x 96 pixels of grey: 9 orientations, cells of 16 pixels, blocks of 2 x 2 cells."""

    modality: ClassVar[str | None] = "image"

    def width(self, preprocess: Preprocess) -> int:
        """Return 900."""
        return _image_features.HOG_SIZE

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the histograms of a view 0, float32 (900,)."""
        return _image_features.gradients_of(fitted)
