"""Of a text: how long it is, in characters, words and lines."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.preprocess._base import Preprocess
from graft.preprocess.descriptors._base import Descriptor


@dataclass(frozen=True, kw_only=True)
class Length(Descriptor):
    """The logarithms of the numbers of characters, words and lines of the whole text, whatever a network sees of it."""

    modality: ClassVar[str | None] = "text"

    def width(self, preprocess: Preprocess) -> int:
        """Return 3."""
        return 3

    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the three logarithms, float32 (3,)."""
        text = decoded.tobytes().decode("utf-8")
        return np.log1p(np.array([len(text), len(text.split()), text.count("\n") + 1], np.float32))
