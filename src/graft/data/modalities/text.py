"""Texts: files of one document each, and the cells of tables; no first bytes tell a text from other data."""

from dataclasses import dataclass
from typing import ClassVar

from graft.data.modalities._base import Modality


@dataclass(frozen=True, kw_only=True)
class Text(Modality):
    """Plain text, one document a file, or one in each cell of a table's column."""

    suffixes: ClassVar[frozenset[str]] = frozenset({".txt", ".text"})
    plural: ClassVar[str] = "texts"
    written: ClassVar[bool] = True

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Return False: any bytes may be text, so a file has to be called one."""
        return False
