"""A column of a table as features: numbers scaled, categories one-hot, what is missing marked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graft import data
from graft.errors import UnreadableInputError, must

FARTHEST = 10.0
"""Deviations beyond which a number is taken to be so far: one slip of a key must not outweigh all else."""
SHARED = 2
"""Training rows that a category needs for a feature of its own; rarer ones are learned together."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Numbers, less their mean and over their deviation in the training rows; 0 and a mark where one is missing."""

    name: str
    mean: float
    deviation: float

    @classmethod
    def learn(cls, name: str, cells: Sequence[str | None]) -> "Numbers":
        """Return the column with the statistics of the training rows' cells."""
        values = np.array([float(cell) for cell in cells if cell is not None])
        if not len(values):
            return cls(name=name, mean=0.0, deviation=1.0)
        return cls(name=name, mean=float(values.mean()), deviation=float(values.std()) or 1.0)

    @property
    def features(self) -> tuple[str, ...]:
        """What each feature stands for."""
        return (self.name, f"{self.name} is missing")

    def encode(self, cells: Sequence[str | None]) -> np.ndarray:
        """Return (n, 2) float32. Raises UnreadableInputError for what is no finite number."""
        found = np.zeros((len(cells), 2))
        for row, cell in enumerate(cells):
            value = None if cell is None else data.as_number(cell)
            if cell is None:
                found[row, 1] = 1
            elif value is None or not np.isfinite(value):
                do = "Correct it, or leave it empty"
                raise UnreadableInputError(must(f"Column {self.name!r}", "a number, as it was at fit", repr(cell), do))
            else:
                found[row, 0] = np.clip((value - self.mean) / self.deviation, -FARTHEST, FARTHEST)
        return found.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {"kind": "numbers", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Categories:
    """Categories, a feature each; one more for all that are rare or were not seen, and one for missing values."""

    name: str
    known: tuple[str, ...]

    @classmethod
    def learn(cls, name: str, cells: Sequence[str | None]) -> "Categories":
        """Return the column with the categories that two training rows or more share."""
        counts = Counter(cell for cell in cells if cell is not None)
        return cls(name=name, known=tuple(sorted(one for one, many in counts.items() if many >= SHARED)))

    @property
    def features(self) -> tuple[str, ...]:
        """What each feature stands for."""
        own = (f"{self.name} is {one}" for one in self.known)
        return (*own, f"{self.name} is another", f"{self.name} is missing")

    def encode(self, cells: Sequence[str | None]) -> np.ndarray:
        """Return (n, categories + 2) float32."""
        places = {one: place for place, one in enumerate(self.known)}
        other, missing = len(places), len(places) + 1
        found = np.zeros((len(cells), missing + 1), np.float32)
        for row, cell in enumerate(cells):
            found[row, missing if cell is None else places.get(cell, other)] = 1
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {"kind": "categories", "name": self.name, "known": list(self.known)}


Column = Numbers | Categories
KINDS: Mapping[str, type[Numbers] | type[Categories]] = {"numbers": Numbers, "categories": Categories}


def learn(name: str, cells: Sequence[str | None], train: np.ndarray) -> Column:
    """Return a column as features; its kind is that of all cells, its statistics are those of the training rows.

    Raises DataError for a column that holds nothing, a mixture of numbers and words, infinite numbers, or ids.
    """
    return KINDS[data.kind_of(name, cells)].learn(name, [cells[row] for row in train])
