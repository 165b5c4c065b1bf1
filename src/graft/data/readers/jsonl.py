"""A JSON Lines file: one object a line, with a path or text and a label."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from graft.data.dataset import SetAside
from graft.data.readers._table import Table, TableReader
from graft.data.readers.csv import read_text
from graft.errors import DataError, must
from graft.types import Example


@dataclass(frozen=True, kw_only=True)
class Jsonl(TableReader):
    """Reads one JSON object a line."""

    takes: ClassVar[str] = "a JSON Lines file (.jsonl, .ndjson)"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def load(self, source: Path) -> Table:
        """Return the table; lines that are no object are faults, unless there is no other."""
        rows: list[dict[str, Any]] = []
        faults: list[SetAside] = []
        # Not splitlines: a name may hold U+2028, which JSON leaves as it is.
        for number, line in enumerate(read_text(source).split("\n")):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                message = f"Line {number + 1} must be a JSON object. Got {line.strip()[:40]!r}. Correct it."
                faults.append(SetAside(Example(f"{source.name} line {number + 1}"), "malformed_row", message))
        if not rows:
            got = f"none in {len(faults)} lines" if faults else "an empty file"
            raise DataError(must(f"{source.name!r}", "a file with a JSON object a line", got, "Correct the file"))
        names = tuple(dict.fromkeys(name for row in rows for name in row))
        return Table(names, lambda name: [row.get(name) for row in rows], tuple(faults))
