"""The three parts of a split: rows for training and validation, and a test part that opens once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graft.errors import LockedError, must
from graft.types import PARTS, Example, Finding, Part, digest


class LockedPart:
    """The rows of the test part; ``open`` gives them once, so that nothing is chosen by looking at the test twice."""

    def __init__(self, rows: np.ndarray, fingerprint: str) -> None:
        self._rows = rows
        self._opened = False
        self.fingerprint = fingerprint
        """sha-256 over the sorted hashes and labels: the same test part has the same one."""

    @property
    def n(self) -> int:
        """How many examples it holds."""
        return len(self._rows)

    @property
    def opened(self) -> bool:
        """Whether it was opened."""
        return self._opened

    def open(self) -> np.ndarray:
        """Return the row numbers, int64 (n,), sorted. Raises LockedError the second time."""
        if self._opened:
            got = f"a second opening of test part {self.fingerprint[:12]}"
            do = "Keep the result of the first, or split anew for another fit"
            raise LockedError(must("The test part", "opened once", got, do))
        self._opened = True
        return self._rows

    def __repr__(self) -> str:
        state = "opened" if self._opened else "locked"
        return f"LockedPart(n={self.n}, {state}, fingerprint={self.fingerprint[:12]!r})"


@dataclass(frozen=True, eq=False)
class Parts:
    """A split of n examples."""

    train: np.ndarray
    """Row numbers, int64, sorted."""
    val: np.ndarray
    """Row numbers, int64, sorted."""
    test: LockedPart
    of: tuple[Part | None, ...]
    """The part of each of the n examples, for the audit and the report; None: in no part."""
    units: np.ndarray
    """int64 (n,): examples with the same number must not be parted, in cross-validation neither."""
    findings: tuple[Finding, ...] = ()

    @property
    def left_out(self) -> np.ndarray:
        """Row numbers of the examples in no part; ``findings`` say why."""
        return rows_of(self.of, None)


def rows_of(of: Sequence[Part | None], part: Part | None) -> np.ndarray:
    """Return the row numbers of a part, int64, sorted."""
    return np.array([row for row, one in enumerate(of) if one == part], dtype=np.int64)


def data_fingerprint(examples: Sequence[Example], hashes: Sequence[str]) -> str:
    """Return the sha-256 in hex over the content hashes, labels and kept cells of examples, in whatever order."""
    items = sorted(
        (content, one.label or "", *(text for name, cell in one.columns.items() for text in (name, repr(cell))))
        for one, content in zip(examples, hashes, strict=True)
    )
    return digest(*(text for item in items for text in item))


def locked(examples: Sequence[Example], hashes: Sequence[str], of: Sequence[Part | None]) -> LockedPart:
    """Return the test part of a split."""
    rows = rows_of(of, "test")
    return LockedPart(rows, data_fingerprint([examples[i] for i in rows], [hashes[i] for i in rows]))


__all__ = ["PARTS", "LockedPart", "Parts", "data_fingerprint", "locked", "rows_of"]
