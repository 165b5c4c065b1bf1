"""What the table readers share: which columns hold inputs, labels, groups and parts, and what a row becomes."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from graft.data import modalities
from graft.data.columns import cell_text, cells_of
from graft.data.dataset import Dataset, SetAside, count, grouped, label_text, reasons, several, shown
from graft.data.readers._base import PART_WORDS, Reader
from graft.data.readers._sets import listed, own_columns, sets_of_cells, sets_of_columns
from graft.errors import DataError, must
from graft.types import Example, LabelForm, Part

INPUT_NAMES = (
    "path", "filepath", "file", "filename", "image", "imagepath", "imagefile", "imagename", "img", "imgpath", "photo",
    "picture", "audio", "audiopath", "audiofile", "recording", "sound", "wav", "clip", "video", "videopath",
    "videofile", "movie",
)  # fmt: skip
TEXT_NAMES = (
    "text", "texts", "sentence", "content", "message", "body", "review", "comment", "utterance", "question", "query",
    "document", "description", "tweet", "sms", "prompt", "input", "title",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "classname", "category", "target", "y", "labelname", "intent", "sentiment", "topic",
)  # fmt: skip
PART_NAMES = ("split", "part", "subset", "partition", "fold", "set")
LOOKED_AT = 100
"""Cells from which it is told whether a column holds paths or words."""


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
    """A table with an input and a label in each row: a path, relative to the table's folder, or the text itself."""

    input_column: str | None = None
    """Column of the paths or texts; where not given, guessed from its name."""
    label_column: str | None = None
    """Column of the labels; where not given, guessed from its name."""
    group_column: str | None = None
    """Column whose equal values (a patient, a burst) stay in one part."""
    form: LabelForm = "class"
    """What the labels are: one class a row, a set of labels (in one cell, or a column each), or a number."""
    part_column: str | None = None
    """Column that says train, val or test; where not given, guessed from its name."""
    kept_columns: tuple[str, ...] = ()
    """Columns whose cells are kept with each example; what the table does not have is passed over."""

    suffixes: ClassVar[tuple[str, ...]]

    @classmethod
    def accepts(cls, source: Path) -> bool:
        """Files with the format's usual endings."""
        return source.is_file() and source.suffix.lower() in cls.suffixes

    @abstractmethod
    def load(self, source: Path) -> Table:
        """Return the table. Raises DataError if it cannot be read."""

    def read(self, source: Path) -> Dataset:
        """Return an example for each row that has an input and a label, in the order of the table."""
        table = self.load(source)
        names = table.names
        inputs = self._input_column(self._guessed_from(names), source)
        rest = [name for name in names if name != inputs]
        labels, label_cells, told = self._labels(rest, table, source)
        cells = table.cells(inputs)
        words = _holds_words(inputs, cells, source)
        notes = [f"took column {inputs!r} as the {'text' if words else 'path'} and {told}"]
        groups = self._given("group_column", "group", names, source)
        free = [name for name in rest if name not in labels]
        parts = self._parts(free, table, notes, source)
        columns = tuple(one for one in free if parts is None or not self._says_parts(one))
        further = self._further(columns, table)
        rows = _Rows(source, words, None if self.form == "set" else table.texts.get(labels[0]), self.form)
        grouping = table.cells(groups) if groups else None
        for number, (cell, label) in enumerate(zip(cells, label_cells, strict=True)):
            group = cell_text(grouping[number]) if grouping is not None else None
            own = {name: values[number] for name, values in further.items()}
            rows.take(number, cell, label, parts[number] if parts else None, group, own)
        set_aside = (*table.faults, *rows.set_aside)
        if not rows.examples:
            raise DataError(_nothing(source, set_aside, labels[0]))
        modality = str(modalities.written()) if words else _modality(rows.examples, source)
        return Dataset(
            tuple(rows.examples),
            modality,
            shown(str(source)),
            tuple(notes),
            grouped(set_aside),
            set_aside,
            columns=columns,
        )

    def _guessed_from(self, names: Sequence[str]) -> list[str]:
        """Return the columns that may be taken for inputs or labels without being named."""
        named = {self.input_column, self.label_column}
        return [name for name in names if name not in self.kept_columns or name in named]

    def _says_parts(self, name: str) -> bool:
        return name == self.part_column or _plain(name) in PART_NAMES

    def _further(self, names: Sequence[str], table: Table) -> dict[str, list[str | None]]:
        """Return the cells of the columns that are to be kept. Raises DataError for cells that are no words."""
        return {one: cells_of(one, table.cells(_single(one, names))) for one in self.kept_columns if one in names}

    def _labels(self, rest: list[str], table: Table, source: Path) -> tuple[list[str], Sequence[Any], str]:
        """Return the names of the label columns, their cells, and what is said; of sets in their one spelling."""
        rest = self._guessed_from(rest)
        if self.form == "set":
            taken = {self.group_column, self.part_column, *(one for one in rest if _plain(one) in PART_NAMES)}
            several = own_columns(self.label_column, [one for one in rest if one not in taken], table.cells)
            if several:
                return several, sets_of_columns(several, table.cells), f"{listed(several)} as labels"
        labels = self._label_column(rest, source)
        if self.form != "set":
            return [labels], table.cells(labels), f"{labels!r} as the label"
        cells, parting = sets_of_cells(table.cells(labels))
        return [labels], cells, f"{labels!r} as the labels{parting}"

    def inputs(self, source: Path) -> tuple[Example, ...]:
        """Return an unlabelled example for each row, in the order of the table; one without an input has no bytes.

        Raises DataError where no column is known to hold inputs.
        """
        table = self.load(source)
        names = self._guessed_from(table.names)
        column = self._given("input_column", "input", names, source) or self._guess((*INPUT_NAMES, *TEXT_NAMES), names)
        if column is None and len(names) == 1:
            column = names[0]
        if column is None:
            raise DataError(self._unnamed("input_column", "an input", (*TEXT_NAMES[:2], "path"), table.names, source))
        cells = table.cells(column)
        rows = _Rows(source, _holds_words(column, cells, source), None)
        further = self._further(table.names, table)
        return tuple(
            replace(rows.bare(number, cell), columns={name: values[number] for name, values in further.items()})
            for number, cell in enumerate(cells)
        )

    def _input_column(self, names: Sequence[str], source: Path) -> str:
        """Return the column of inputs: given, of a known name, or what the label leaves of two."""
        given = self._given("input_column", "input", names, source)
        if given is not None:
            return given
        labels = [name.strip() for name in (self.label_column or "").split(",")]
        rest = [name for name in names if name not in labels]
        found = self._guess((*INPUT_NAMES, *TEXT_NAMES), rest)
        if found is None and len(rest) == 2 and (label := self._guess(LABEL_NAMES, rest)) is not None:
            found = next(one for one in rest if one != label)
        if found is None and len(rest) == 1 and len(names) > 1:
            found = rest[0]
        if found is None:
            wanted = (*INPUT_NAMES[:3], *TEXT_NAMES[:2])
            raise DataError(self._unnamed("input_column", "a path or a text", wanted, names, source))
        return found

    def _label_column(self, rest: Sequence[str], source: Path) -> str:
        """Return the column of labels: given, of a known name, or the only one beside the inputs."""
        given = self._given("label_column", "label", rest, source)
        found = given or self._guess(LABEL_NAMES, rest) or (rest[0] if len(rest) == 1 else None)
        if found is None:
            raise DataError(self._unnamed("label_column", "a label", LABEL_NAMES[:4], rest, source))
        return found

    @staticmethod
    def _guess(guesses: Sequence[str], names: Sequence[str]) -> str | None:
        plain = {_plain(name): name for name in reversed(names)}
        found = next((plain[guess] for guess in guesses if guess in plain), None)
        return None if found is None else _single(found, names)

    @staticmethod
    def _unnamed(setting: str, what: str, known: Sequence[str], names: Sequence[str], source: Path) -> str:
        wanted = f"a table whose first row names its columns, one of them {what} ({', '.join(known)}, ...)"
        return must(f"{source.name!r}", wanted, f"columns {_listed(names)}", f"Name the column with {_flag(setting)}")

    def _given(self, setting: str, what: str, names: Sequence[str], source: Path) -> str | None:
        name = getattr(self, setting)
        if name is None:
            return None
        if name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.5)
            do = f"Take {near[0]!r}, the nearest name" if near else f"Give another {_flag(setting)}"
            raise DataError(must(f"The {what} column of {source.name!r}", f"one of {_listed(names)}", repr(name), do))
        return _single(name, names)

    def _parts(self, names: list[str], table: Table, notes: list[str], source: Path) -> list[Part | None] | None:
        given = self._given("part_column", "part", names, source)
        column = given or next((name for name in names if _plain(name) in PART_NAMES), None)
        if column is None:
            return None
        words = [(cell_text(cell) or "").casefold() for cell in table.cells(column)]
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
    words: bool
    """Whether a cell is the text itself."""
    texts: Sequence[str] | None
    form: LabelForm = "class"
    examples: list[Example] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)

    def take(
        self,
        number: int,
        cell: Any,
        label: Any,
        part: Part | None,
        group: str | None,
        columns: Mapping[str, str | None],
    ) -> None:
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
        self.examples.append(Example(example.source, text, example.path, example.content, part, group, columns))

    def bare(self, number: int, cell: Any) -> Example:
        """Make an unlabelled example of one row; what is missing becomes an example that cannot be read."""
        made = self._input(number, cell, None, None)
        return made if isinstance(made, Example) else replace(made.example, content=b"")

    def _named(self, label: Any) -> str | None:
        if self.form == "set":  # in its one spelling already; an empty set is a label too
            return None if label is None else str(label)
        if self.texts is not None and isinstance(label, int) and 0 <= label < len(self.texts):
            return label_text(self.texts[label])
        return cell_text(label)

    def _input(self, number: int, cell: Any, part: Part | None, group: str | None) -> Example | SetAside:
        where = f"{self.source.name} row {number + 1}"
        if self.words:
            text = cell if isinstance(cell, str) else cell_text(cell)
            if not text or not text.strip():
                bare = Example(where, part=part, group=group)
                return SetAside(bare, "missing_text", f"Row {number + 1} has no text.")
            # Half of a surrogate pair, which JSON can hold, is kept for the modality to refuse with its reason.
            return Example(where, content=text.encode("utf-8", "surrogatepass"), part=part, group=group)
        if isinstance(cell, dict):
            inner = cell.get("bytes")
            where = cell.get("path") or where
            cell = inner if inner is not None else cell.get("path")
        if isinstance(cell, (bytes, bytearray)):
            return Example(where, content=bytes(cell), part=part, group=group)
        if not isinstance(cell, str) or not cell.strip():
            return SetAside(Example(where, part=part, group=group), "missing_file", f"Row {number + 1} has no path.")
        path = _resolve(self.source, cell)
        example = Example(shown(cell), path=path, part=part, group=group)
        if not _is_file(path):
            return SetAside(example, "missing_file", f"Row {number + 1} names a file that is not there.")
        return example


def _resolve(source: Path, cell: str) -> Path:
    """Return where a cell leads; outer space and backslashes count as they stand only if the file exists so."""
    base = source.parent
    found = base / cell
    if not _is_file(found):
        tidy = cell.strip()
        others = [base / tidy, base / tidy.replace("\\", "/")]
        found = next((one for one in others if _is_file(one)), found)
    return found.resolve() if ".." in found.parts and _is_file(found) else found


def _holds_words(column: str, cells: Sequence[Any], source: Path) -> bool:
    """Say whether a column holds texts and not paths: none of its first cells is a file or is called like one."""
    if _plain(column) in INPUT_NAMES or modalities.written() is None:
        return False
    first = [cell for cell in islice(cells, LOOKED_AT) if isinstance(cell, (str, bytes, dict)) and cell]
    paths = [cell for cell in first if isinstance(cell, str)]
    if len(paths) < len(first):
        return False
    return not any((modalities.by_name(cell) and " " not in cell) or _is_file(_resolve(source, cell)) for cell in paths)


def _single(name: str, names: Sequence[str]) -> str:
    if names.count(name) > 1:
        raise DataError(must(f"Column {name!r}", "there once", f"{names.count(name)} of it", "Rename the others"))
    return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name with a zero byte, or longer than the system allows
        return False


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
        got, do = "a header and no rows", "Add a row for each input"
    elif kinds == {"missing_file"}:
        first = set_aside[0].example.source
        got = f"{count(len(set_aside), 'row')}, none of whose files exist (the first: {first!r})"
        do = f"Give paths relative to {shown(str(source.parent))!r}"
    elif kinds == {"missing_label"}:
        got, do = f"{count(len(set_aside), 'row')} without a label in column {labels!r}", "Fill in that column"
    else:
        got, do = reasons(set_aside), "Correct the table"
    return must(f"{source.name!r}", "a table with a file and a label in its rows", got, do)
