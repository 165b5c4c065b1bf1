"""All that the ladder's rung of simple features knows of an input, whatever it is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor


@dataclass(frozen=True, kw_only=True)
class SimpleFeatures(Descriptor):
    """The simple features of the input's own modality."""

    form: ClassVar[int] = 2

    def width(self, preprocess: Preprocess) -> int:
        """Return the number of simple features."""
        return len(preprocess.simple_features(np.zeros(preprocess.shape, preprocess.dtype)))

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the simple features, float32 (width,)."""
        return preprocess.simple_features(fitted)
