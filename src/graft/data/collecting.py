"""Inputs collected for labelling: a CSV table that a person fills in and `graft fit` reads."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from graft.types import Example

LABEL = "label"


def write_to_label(file: Path, examples: Sequence[Example], told: Sequence[Mapping[str, str]], *, words: bool) -> int:
    """Write ``path`` (or ``text`` where the inputs are words), an empty ``label``, and what is told of each example.

    Paths are whole, so that the table can lie anywhere. Inputs that are neither files nor words (pictures within a
    table) are left out. Returns how many were written. Raises OSError if the file cannot be written.
    """
    more = list(told[0]) if told else []
    cells = [_cell(example, words) for example in examples]
    rows = [[cell, "", *one.values()] for cell, one in zip(cells, told, strict=True) if cell]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text" if words else "path", LABEL, *more])
        writer.writerows(rows)
    return len(rows)


def _cell(example: Example, words: bool) -> str:
    if words:
        return example.read().decode("utf-8", "replace")
    return str(example.path.absolute()) if example.path is not None else ""
