"""Tables that are called like the parts, ``train.csv`` and ``test.csv``, read as one set of data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graft.data.dataset import Dataset, SetAside, grouped, shown
from graft.data.readers._base import PART_WORDS
from graft.data.readers._table import TableReader
from graft.errors import DataError, must
from graft.types import PARTS, Example, Part


def part_tables(root: Path, files: Sequence[str]) -> dict[str, Part]:
    """Return the files that are tables of a part, among them one to train on; else nothing.

    Raises DataError where two tables are called like one part.
    """
    tables: dict[str, Part] = {}
    for file in files:
        part = PART_WORDS.get(Path(file).stem.casefold())
        if part is None or _reader(root / file) is None:
            continue
        if part in tables.values():
            twins = ", ".join([*(one for one, other in tables.items() if other == part), file])
            do = "Give one of them, or move the other away"
            raise DataError(must(f"The {part} part of {shown(str(root))!r}", "one table", twins, do))
        tables[file] = part
    return tables if "train" in tables.values() else {}


def read_parts(root: Path, tables: dict[str, Part]) -> Dataset:
    """Return the examples of all tables, each in its part. Raises DataError where they hold different things."""
    examples: list[Example] = []
    set_aside: list[SetAside] = []
    notes: list[str] = []
    kinds: dict[str, str] = {}
    for file, part in sorted(tables.items(), key=lambda one: PARTS.index(one[1])):
        reader = _reader(root / file)
        assert reader is not None
        found = reader().read(root / file)
        examples += [replace(one, part=part if len(tables) > 1 else one.part) for one in found.examples]
        set_aside += found.set_aside
        notes += [f"{file}: {note}" for note in found.notes]
        kinds[file] = found.modality
    if len(set(kinds.values())) > 1:
        got = ", ".join(f"{kind} in {file}" for file, kind in kinds.items())
        raise DataError(must(f"The tables in {shown(str(root))!r}", "of one kind of inputs", got, "Give one of them"))
    modality = next(iter(kinds.values()))
    return Dataset(tuple(examples), modality, shown(str(root)), tuple(notes), grouped(set_aside), tuple(set_aside))


def _reader(file: Path) -> type[TableReader] | None:
    """Return what reads a table, or None for another file."""
    from graft.data.readers import REGISTRY

    readers = (REGISTRY.get(name) for name in REGISTRY.names())
    return next((one for one in readers if issubclass(one, TableReader) and one.accepts(file)), None)
