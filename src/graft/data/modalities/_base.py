"""What a modality tells the readers about its files; how they are decoded is the business of ``preprocess``."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Modality(ABC):
    """The files of one modality, by name and by first bytes."""

    suffixes: ClassVar[frozenset[str]]
    """Lower case, with the dot."""
    plural: ClassVar[str]
    """What several of them are called in a sentence, such as ``images``."""
    written: ClassVar[bool] = False
    """Whether an input may stand as it is in a table's cell or on the command line, not only in a file."""

    networks: ClassVar[tuple[str, ...]] = ()
    """Other modalities whose networks take it too, once it is prepared, such as ``image`` for what can be drawn."""

    @staticmethod
    @abstractmethod
    def recognises(head: bytes) -> bool:
        """Say whether a file that begins with these bytes (up to 64) is one, whatever it is called."""
