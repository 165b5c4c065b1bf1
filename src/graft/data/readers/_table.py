"""What the table readers share: which columns hold the paths, labels, groups and parts, and what a row becomes."""

import math
import numbers
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from graft.data import modalities
from graft.data.dataset import Dataset, SetAside, count, grouped, label_text, reasons, several, shown
from graft.data.readers._base import PART_WORDS, Reader
from graft.data.readers._sets import listed, own_columns, sets_of_cells, sets_of_columns
from graft.errors import DataError, must
from graft.types import Example, LabelForm, Part

INPUT_NAMES = (
    "path", "filepath", "file", "filename", "image", "imagepath", "imagefile", "imagename", "img", "imgpath", "photo",
    "picture", "audio", "audiopath", "audiofile", "recording", "sound", "wav", "clip",
)  # fmt: skip
LABEL_NAMES = ("label", "labels", "class", "classname", "category", "target", "y", "labelname")
PART_NAMES = ("split", "part", "subset", "partition", "fold", "set")
MISSING_WORDS = frozenset({"", "nan", "<na>"})
"""Cells that are no label, in lower case; ``none`` and ``na`` are not among them, since people name classes so."""


@dataclass(frozen=True)
class Table:
    """A table as its reader found it."""

    names: tuple[str, ...]
    """The columns, in order."""
    cells: Callable[[str], Sequence[Any]]
    """The values of one column, a value a row."""
    faults: tuple[SetAside, ...] = ()
    """Rows that could not be read; ``cells`` leaves them out."""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For columns of class numbers, the names that the table gives them."""


@dataclass(frozen=True, kw_only=True)
class TableReader(Reader):
    """A table with a path and a label in each row; relative paths begin at the table's folder."""

    input_column: str | None = None
    """Column of the paths; where not given, guessed from its name."""
    label_column: str | None = None
    """Column of the labels; where not given, guessed from its name."""
    group_column: str | None = None
    """Column whose equal values (a patient, a burst) stay in one part."""
    form: LabelForm = "class"
    """What the labels are: one class a row, a set of labels (in one cell, or a column each), or a number."""
    part_column: str | None = None
    """Column that says train, val or test; where not given, guessed from its name."""

    suffixes: ClassVar[tuple[str, ...]]

    @classmethod
    def accepts(cls, source: Path) -> bool:
        """Files with the format's usual endings."""
        return source.is_file() and source.suffix.lower() in cls.suffixes

    @abstractmethod
    def load(self, source: Path) -> Table:
        """Return the table. Raises DataError if it cannot be read."""

    def read(self, source: Path) -> Dataset:
        """Return an example for each row that has a file and a label, in the order of the table."""
        table = self.load(source)
        names = table.names
        inputs = self._column("input_column", "path", INPUT_NAMES, names, source)
        rest = [name for name in names if name != inputs]
        labels, label_cells, told = self._labels(rest, table, source)
        notes = [f"took column {inputs!r} as the path and {told}"]
        groups = self._given("group_column", "group", names, source)
        rows = _Rows(source, None if self.form == "set" else table.texts.get(labels), self.form)
        parts = self._parts([name for name in rest if name != labels], table, notes, source)
        grouping = table.cells(groups) if groups else None
        for number, (cell, label) in enumerate(zip(table.cells(inputs), label_cells, strict=True)):
            group = _text(grouping[number]) if grouping is not None else None
            rows.take(number, cell, label, parts[number] if parts else None, group)
        set_aside = (*table.faults, *rows.set_aside)
        if not rows.examples:
            raise DataError(_nothing(source, set_aside, labels))
        modality = _modality(rows.examples, source)
        return Dataset(tuple(rows.examples), modality, shown(str(source)), tuple(notes), grouped(set_aside), set_aside)

    def _labels(self, rest: list[str], table: Table, source: Path) -> tuple[str, Sequence[Any], str]:
        """Return the name of the label column, its cells, and what is said of it; of sets in their one spelling."""
        if self.form == "set":
            taken = {self.group_column, self.part_column, *(one for one in rest if _plain(one) in PART_NAMES)}
            several = own_columns(self.label_column, [one for one in rest if one not in taken], table.cells)
            if several:
                return several[0], sets_of_columns(several, table.cells), f"{listed(several)} as labels"
        labels = self._column("label_column", "label", LABEL_NAMES, rest, source)
        if self.form != "set":
            return labels, table.cells(labels), f"{labels!r} as the label"
        cells, parting = sets_of_cells(table.cells(labels))
        return labels, cells, f"{labels!r} as the labels{parting}"

    def _given(self, setting: str, what: str, names: Sequence[str], source: Path) -> str | None:
        name = getattr(self, setting)
        if name is None:
            return None
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.5)
            do = f"Take {near[0]!r}, the nearest name" if near else f"Give another {_flag(setting)}"
            raise DataError(must(f"The {what} column of {source.name!r}", f"one of {_listed(names)}", repr(name), do))
        return _single(name, names)

    def _column(self, setting: str, what: str, guesses: Sequence[str], names: Sequence[str], source: Path) -> str:
        given = self._given(setting, what, names, source)
        if given is not None:
            return given
        plain = {_plain(name): name for name in reversed(names)}
        for guess in guesses:
            if guess in plain:
                return _single(plain[guess], names)
        wanted = f"a table whose first row names its columns, one of them a {what} ({', '.join(guesses[:4])}, ...)"
        do = f"Name the column with {_flag(setting)}"
        raise DataError(must(f"{source.name!r}", wanted, f"columns {_listed(names)}", do))

    def _parts(self, names: list[str], table: Table, notes: list[str], source: Path) -> list[Part | None] | None:
        given = self._given("part_column", "part", names, source)
        column = given or next((name for name in names if _plain(name) in PART_NAMES), None)
        if column is None:
            return None
        words = [(_text(cell) or "").casefold() for cell in table.cells(column)]
        strange = sorted(set(words) - set(PART_WORDS) - {""})
        if strange and given:
            wanted = "train, val or test in every row"
            raise DataError(must(f"Column {column!r}", wanted, several(strange), "Correct it or leave it out"))
        if strange:
            notes.append(f"passed over column {column!r}, which does not say train, val or test: {several(strange)}")
            return None
        notes.append(f"took the parts from column {column!r}")
        return [PART_WORDS.get(word) for word in words]


def _flag(setting: str) -> str:
    """Return how a person names a column: ``--input``, or ``input_column`` in Python."""
    return f"--{setting.removesuffix('_column')} ({setting} in Python)"


@dataclass
class _Rows:
    """Rows on their way to examples."""

    source: Path
    texts: Sequence[str] | None
    form: LabelForm = "class"
    examples: list[Example] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)

    def take(self, number: int, cell: Any, label: Any, part: Part | None, group: str | None) -> None:
        """Make an example of one row, or set it aside."""
        example = self._input(number, cell, part, group)
        if isinstance(example, SetAside):
            self.set_aside.append(example)
            return
        if isinstance(label, (list, dict, bytes)):
            message = f"The label must be text or a number. Got {type(label).__name__}. Correct row {number + 1}."
            self.set_aside.append(SetAside(example, "malformed_row", message))
            return
        text = self._named(label)
        if text is None:
            self.set_aside.append(SetAside(example, "missing_label", f"Row {number + 1} has no label."))
            return
        self.examples.append(Example(example.source, text, example.path, example.content, part, group))

    def _named(self, label: Any) -> str | None:
        if self.form == "set":  # in its one spelling already; an empty set is a label too
            return None if label is None else str(label)
        if self.texts is not None and isinstance(label, int) and 0 <= label < len(self.texts):
            return label_text(self.texts[label])
        return _text(label)

    def _input(self, number: int, cell: Any, part: Part | None, group: str | None) -> Example | SetAside:
        where = f"{self.source.name} row {number + 1}"
        if isinstance(cell, dict):
            inner = cell.get("bytes")
            where = cell.get("path") or where
            cell = inner if inner is not None else cell.get("path")
        if isinstance(cell, (bytes, bytearray)):
            return Example(where, content=bytes(cell), part=part, group=group)
        if not isinstance(cell, str) or not cell.strip():
            return SetAside(Example(where, part=part, group=group), "missing_file", f"Row {number + 1} has no path.")
        path = self._resolve(cell)
        example = Example(shown(cell), path=path, part=part, group=group)
        if not _is_file(path):
            return SetAside(example, "missing_file", f"Row {number + 1} names a file that is not there.")
        return example

    def _resolve(self, cell: str) -> Path:
        """Return where a cell leads; outer space and backslashes count as they stand only if the file exists so."""
        base = self.source.parent
        found = base / cell
        if not _is_file(found):
            tidy = cell.strip()
            others = [base / tidy, base / tidy.replace("\\", "/")]
            found = next((one for one in others if _is_file(one)), found)
        return found.resolve() if ".." in found.parts and _is_file(found) else found


def _single(name: str, names: Sequence[str]) -> str:
    if names.count(name) > 1:
        raise DataError(must(f"Column {name!r}", "there once", f"{names.count(name)} of it", "Rename the others"))
    return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name with a zero byte, or longer than the system allows
        return False


def _text(cell: Any) -> str | None:
    """Return a cell as text, or None where it is empty; 3.0 is read as 3, since gaps turn whole numbers into floats."""
    if cell is None or (isinstance(cell, numbers.Real) and math.isnan(cell)):
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = label_text(str(cell))
    return None if text.lower() in MISSING_WORDS else text


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _listed(names: Sequence[str]) -> str:
    return several(names, most=12) or "none"


def _modality(examples: Sequence[Example], source: Path) -> str:
    """Return the commonest modality by name, or by the first bytes where no name tells."""
    kinds = Counter(modalities.by_name(str(one.path or one.source)) for one in examples)
    del kinds[None]
    if not kinds:
        for one in examples[:100]:
            head = (one.content or b"")[: modalities.HEAD_BYTES]
            kinds[modalities.by_content(one.path) if one.path else modalities.by_head(head)] += 1
        del kinds[None]
    if not kinds:
        got = f"{count(len(examples), 'file')} of another kind ({several([one.source for one in examples])})"
        raise DataError(must(f"{source.name!r}", f"a table of {modalities.plural()}", got, "Check the path column"))
    return str(kinds.most_common(1)[0][0])


def _nothing(source: Path, set_aside: Sequence[SetAside], labels: str) -> str:
    kinds = {one.kind for one in set_aside}
    if not set_aside:
        got, do = "a header and no rows", "Add a row for each file"
    elif kinds == {"missing_file"}:
        first = set_aside[0].example.source
        got = f"{count(len(set_aside), 'row')}, none of whose files exist (the first: {first!r})"
        do = f"Give paths relative to {shown(str(source.parent))!r}"
    elif kinds == {"missing_label"}:
        got, do = f"{count(len(set_aside), 'row')} without a label in column {labels!r}", "Fill in that column"
    else:
        got, do = reasons(set_aside), "Correct the table"
    return must(f"{source.name!r}", "a table with a file and a label in its rows", got, do)
