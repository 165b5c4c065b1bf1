"""What every reader promises: from a source to labelled examples, without opening the inputs themselves."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from graft.data.dataset import Dataset
from graft.types import Part

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""What people call the parts, in lower case."""


@dataclass(frozen=True, kw_only=True)
class Reader(ABC):
    """The settings of a reader."""

    takes: ClassVar[str]
    """What it reads, for a sentence: ``a folder``, ``a CSV file (.csv, .tsv)``."""

    @classmethod
    @abstractmethod
    def accepts(cls, source: Path) -> bool:
        """Say whether it reads this existing source, from its kind and name alone."""

    @abstractmethod
    def read(self, source: Path) -> Dataset:
        """Return the examples, ordered; unusable ones are set aside with a reason.

        Raises DataError, one sentence, where nothing can be used.
        """
