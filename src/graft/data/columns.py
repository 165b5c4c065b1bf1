"""Further columns of a table: whether they hold numbers or categories, and whether one of them tells the label."""

import math
import numbers
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from graft.data.dataset import label_text, several
from graft.errors import DataError, must
from graft.types import Example, Finding, LabelForm

Kind = Literal["numbers", "categories"]
MOSTLY = 0.9
"""Share of numbers above which the other cells are taken for faults."""
ENOUGH = 20
"""Rows below which values that all differ say nothing."""
SHARED = 0.5
"""Different values a row, above which categories are taken for ids."""
MOST_CATEGORIES = 200
MISSING_WORDS = frozenset({"", "nan", "<na>"})
"""Cells that are no label, in lower case; ``none`` and ``na`` are not among them, since people name classes so."""
LARGEST = 1e100
"""Numbers beyond it leave no room for sums of their squares."""
EXACT = 0.99
"""Share of the rows whose label a column tells, from which it is said to tell the label."""


def cell_text(cell: Any) -> str | None:
    """Return a cell as text, or None where it is empty; 3.0 is read as 3, since gaps turn whole numbers into floats."""
    if cell is None or (isinstance(cell, numbers.Real) and math.isnan(cell)):
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = label_text(str(cell))
    return None if text.lower() in MISSING_WORDS else text


def cells_of(column: str, cells: Sequence[Any]) -> list[str | None]:
    """Return the cells of a column as text, None where one is empty. Raises DataError for lists and the like."""
    odd = next((one for one in cells if isinstance(one, (list, dict, bytes))), None)
    if odd is not None:
        got = f"a {type(odd).__name__}"
        raise DataError(must(f"Column {column!r}", "words or numbers", got, "Leave it out, or write it otherwise"))
    return [cell_text(cell) for cell in cells]


def as_number(cell: str) -> float | None:
    """Return a cell as a number, infinite ones too; None where it is none."""
    try:
        found = float(cell)
    except ValueError:
        return None
    return None if math.isnan(found) else found


def kind_of(name: str, cells: Sequence[str | None]) -> Kind:
    """Return what a column holds. Raises DataError for one that holds nothing, a mixture, or ids."""
    given = [cell for cell in cells if cell is not None]
    if not given:
        raise DataError(must(f"Column {name!r}", "filled in, in some rows at least", "no value", "Leave it out"))
    values = [as_number(cell) for cell in given]
    found = [one for one in values if one is not None]
    if len(found) == len(given):
        wrong = next((cell for cell, one in zip(given, found, strict=True) if not abs(one) <= LARGEST), None)
        if wrong is not None:
            do = "Correct it, or leave the cell empty"
            raise DataError(must(f"Column {name!r}", f"finite numbers up to {LARGEST:g}", repr(wrong), do))
        if _counts_rows(found):
            raise DataError(_an_id(name, "numbers that describe the inputs", f"{len(found):,} whole numbers in a row"))
        return "numbers"
    if len(found) > MOSTLY * len(given):
        others = [cell for cell, one in zip(given, values, strict=True) if one is None]
        got = f"{len(found):,} numbers and {several(others)}"
        do = "Correct these cells, or leave them empty"
        raise DataError(must(f"Column {name!r}", "all numbers or all words", got, do))
    different = dict.fromkeys(given)
    most = min(MOST_CATEGORIES, max(SHARED * len(given), ENOUGH))
    if len(different) > most:
        got = f"{len(different):,} different values in {len(given):,} rows ({several(list(different))})"
        raise DataError(_an_id(name, f"numbers, or at most {most:.0f} categories", got))
    return "categories"


def _an_id(name: str, wanted: str, got: str) -> str:
    return must(f"Column {name!r}", wanted, got, "Leave it out of --with (beside in Python). Is this an id?")


def _counts_rows(values: Sequence[float]) -> bool:
    """Say whether whole numbers are all different and leave hardly any out between the least and the largest."""
    if len(values) < ENOUGH or len(set(values)) < len(values) or not all(one.is_integer() for one in values):
        return False
    return max(values) - min(values) < 2 * len(values)


def with_columns(examples: Sequence[Example], columns: Mapping[str, Sequence[object]]) -> tuple[Example, ...]:
    """Return the examples with further values, one an example in each column. Raises DataError for another number."""
    if not columns:
        return tuple(examples)
    for name, values in columns.items():
        if isinstance(values, str) or len(values) != len(examples):
            got = repr(values) if isinstance(values, str) else f"{len(values)} values"
            raise DataError(must(f"Column {name!r}", f"{len(examples)} values, one an input", got, "Give a list"))
    cells = {name: cells_of(name, values) for name, values in columns.items()}
    return tuple(
        replace(one, columns={**one.columns, **{name: own[row] for name, own in cells.items()}})
        for row, one in enumerate(examples)
    )


def telling_columns(examples: Sequence[Example], form: LabelForm = "class") -> tuple[Finding, ...]:
    """Return a warning for each further column that alone tells the label of nearly all examples.

    A category tells it where all that share it have one label; numbers do where each label has ranges of its own, no
    more of them than there are labels. Where labels are numbers, a column does that has the same order.
    """
    labelled = [one for one in examples if one.label is not None]
    names = labelled[0].columns if labelled else ()
    found = []
    for name in names:
        pairs = [(cell, str(one.label)) for one in labelled if (cell := one.columns[name]) is not None]
        if len(pairs) < ENOUGH or len({label for _, label in pairs}) < 2:
            continue
        told = _told(pairs, form)
        if told >= EXACT * len(pairs):
            message = (
                f"Column {name!r} alone tells the label of {told:,} of {len(pairs):,} examples. If it is only known "
                "when the label is, leave it out: the model would be useless for new inputs."
            )
            details = {"column": name, "told": told, "of": len(pairs)}
            found.append(Finding("telling_column", (), message, "warning", details))
    return tuple(found)


def _told(pairs: Sequence[tuple[str, str]], form: LabelForm) -> int:
    """Return of how many (cell, label) pairs the cell alone tells the label."""
    values = [as_number(cell) for cell, _ in pairs]
    if form == "number":
        known = [(one, float(label)) for one, (_, label) in zip(values, pairs, strict=True) if one is not None]
        return len(pairs) if len(known) == len(pairs) and _same_order(known) else 0
    labels: Mapping[str, Counter[str]] = defaultdict(Counter)
    for cell, label in pairs:
        labels[cell][label] += 1
    pure = sum(max(counts.values()) for counts in labels.values())
    if len(labels) <= SHARED * len(pairs):
        return pure
    if None in values:
        return 0
    # Values that hardly repeat tell every label by themselves: what counts is whether ranges do.
    ordered = [label for _, label in sorted(zip(values, (label for _, label in pairs), strict=True), key=_by_number)]
    changes = sum(one != other for one, other in pairwise(ordered))
    strays = 2 * int((1 - EXACT) * len(ordered))
    return pure if changes < len(set(ordered)) + strays else 0


def _by_number(pair: tuple[float | None, str]) -> float:
    return pair[0] or 0.0


def _same_order(pairs: Sequence[tuple[float, float]]) -> bool:
    """Say whether two columns of numbers have one order, or the opposite one, but for their ties."""
    labels = [label for _, label in sorted(pairs)]
    falling = [label for _, label in sorted(pairs, key=lambda pair: (-pair[0], pair[1]))]
    ties = len({value for value, _ in pairs}) > SHARED * len(pairs)
    return ties and (labels == sorted(labels) or falling == sorted(falling))
