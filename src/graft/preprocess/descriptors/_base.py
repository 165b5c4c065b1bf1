"""What every descriptor promises: a measure of one input, and how measures of many become features."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from graft.preprocess._base import Preprocess

Learned = Mapping[str, np.ndarray]
"""What a descriptor learned of the training inputs, as arrays of numbers that an artifact can hold."""


@dataclass(frozen=True, kw_only=True)
class Descriptor(ABC):
    """One way of describing an input without a network."""

    modality: ClassVar[str | None] = None
    """Whose inputs it describes; None: those of all."""
    form: ClassVar[int] = 1
    """Raise it whenever the same input would give another measure: stored ones are then made anew."""
    stored: ClassVar[bool] = True
    """Whether its measure is a vector of fixed width, which the activation store keeps."""

    def width(self, preprocess: Preprocess) -> int:
        """Return the length of a stored measure."""
        raise NotImplementedError(f"{type(self).__name__} has no fixed width")

    @abstractmethod
    def measure(self, preprocess: Preprocess, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return what is told of one input: float32 (width,) where it is stored.

        ``decoded`` and ``fitted`` are what ``preprocess.decode`` and ``preprocess.fit`` gave; one that is not stored
        may count on ``decoded`` alone.
        """

    def learn(self, measures: Sequence[np.ndarray], seed: int) -> Learned:
        """Return what is to be known of the training inputs' measures; as a rule that is nothing. Raises DataError."""
        return {}

    def encode(self, measures: Sequence[np.ndarray], learned: Learned) -> np.ndarray:
        """Return features (n, features) float32 of n measures."""
        return np.stack(measures).astype(np.float32, copy=False)
