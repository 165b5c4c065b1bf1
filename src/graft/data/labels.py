"""What a label says: one class, a set of labels, or a number, all of them as the text that an example carries."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from graft.errors import DataError, must
from graft.types import LabelForm

SEPARATOR = "|"
"""What parts the labels of a set in its one spelling."""
_PARTS = (SEPARATOR, ";", ",")
"""What people part labels with in one cell; the first one that occurs in a column is taken."""


def joined(names: Iterable[str]) -> str:
    """Return the one spelling of a set of labels: sorted, each once. Raises DataError for one that holds a ``|``."""
    found = sorted({name.strip() for name in names} - {""})
    for name in found:
        if SEPARATOR in name:
            wanted = f"written without {SEPARATOR!r}"
            raise DataError(must("A label of a set", wanted, repr(name), "Write it otherwise"))
    return SEPARATOR.join(found)


def parted(label: str) -> tuple[str, ...]:
    """Return the labels of a set that ``joined`` wrote."""
    return tuple(one for one in label.split(SEPARATOR) if one)


def names(label: str | None, form: LabelForm) -> frozenset[str]:
    """Return the classes that a label names: none for a number, or where there is no label."""
    if label is None or form == "number":
        return frozenset()
    return frozenset(parted(label)) if form == "set" else frozenset({label})


def separator(cells: Sequence[Any]) -> str | None:
    """Return what parts the labels in the cells of a column, or None where no cell holds several."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return next((one for one in _PARTS if any(one in text for text in texts)), None)


def number(label: str) -> str | None:
    """Return the one spelling of a number, or None where it is none; a decimal comma counts as a point."""
    text = label.strip().replace("−", "-")
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        found = float(text)
    except ValueError:
        return None
    return repr(found + 0.0) if math.isfinite(found) else None


def is_mark(cell: Any) -> bool | None:
    """Return whether a cell of a label's own column marks its example; None where the cell is no mark."""
    if isinstance(cell, str):
        return {"1": True, "1.0": True, "true": True, "yes": True, "x": True, "0": False, "0.0": False, "false": False,
                "no": False, "": False}.get(cell.strip().casefold())  # fmt: skip
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return False
    return bool(cell) if isinstance(cell, (bool, int, float)) and cell in (0, 1) else None
