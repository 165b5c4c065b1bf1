"""Sets of labels in a table: several in one cell, or one column a label."""

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from graft.data.dataset import count, label_text, several
from graft.data.labels import is_mark, joined, separator
from graft.errors import DataError, must

Cells = Callable[[str], Sequence[Any]]
_SINGLE = frozenset({"label", "labels", "class", "classes", "category", "categories", "target", "targets", "tags"})
"""Names of one column that holds the labels of a row, in lower case."""


def own_columns(given: str | None, names: Sequence[str], cells: Cells) -> list[str]:
    """Return the columns that are a label each: those given (``a,b,c``), else all that hold marks alone.

    None where one column holds the labels. Raises DataError for a name that is no column, and for a given column with
    something else than marks.
    """
    if given is None:
        if any(name.casefold() in _SINGLE for name in names):
            return []
        found = {name: [is_mark(cell) for cell in cells(name)] for name in names}
        return [name for name, marks in found.items() if None not in marks and any(marks)]
    if given in names or "," not in given:
        return []
    wanted = [one.strip() for one in given.split(",") if one.strip()]
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.5)
            do = f"Take {near[0]!r}, the nearest name" if near else f"Take some of {listed(names)}"
            raise DataError(must("Each of the label columns", "a column of the table", repr(name), do))
        strange = sorted({str(cell) for cell in cells(name) if is_mark(cell) is None})
        if strange:
            marks = "0 or 1 in every row"
            raise DataError(must(f"Label column {name!r}", marks, several(strange), "Correct the cells"))
    return wanted


def sets_of_columns(names: Sequence[str], cells: Cells) -> list[str]:
    """Return the set of each row, from one column a label."""
    columns = [[is_mark(cell) for cell in cells(name)] for name in names]
    texts = [label_text(name) for name in names]
    return [joined(text for text, one in zip(texts, row, strict=True) if one) for row in zip(*columns, strict=True)]


def sets_of_cells(cells: Sequence[Any]) -> tuple[list[str | None], str]:
    """Return the set of each row from one column, and what is said of how the labels are parted.

    A list is taken as it is; in text the first of ``|``, ``;`` and ``,`` that occurs in the column parts the labels. An
    empty text or list is an empty set; a cell without a value has no label.
    """
    parting = separator(cells)
    found: list[str | None] = []
    for cell in cells:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            found.append(None)
        elif isinstance(cell, (list, tuple)):
            found.append(joined(label_text(str(one)) for one in cell))
        else:
            text = str(cell)
            found.append(joined(label_text(one) for one in (text.split(parting) if parting else [text])))
    said = f", parted by {parting!r}" if parting else ""
    empty = sum(one == "" for one in found)
    return found, said + (f" ({count(empty, 'row')} with none)" if empty else "")


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return columns for a sentence."""
    said = ", ".join(repr(name) for name in names[:most]) + (", ..." if len(names) > most else "")
    return f"{count(len(names), 'column')} ({said})"
