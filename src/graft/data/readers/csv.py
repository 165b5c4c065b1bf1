"""A CSV file with a header: a path or text, and a label, in each row; commas, semicolons, tabs or bars between them."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from graft.data.dataset import SetAside
from graft.data.readers._table import Table, TableReader
from graft.errors import DataError, must
from graft.types import Example

_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, kw_only=True)
class Csv(TableReader):
    """Reads delimited text in UTF-8 (or UTF-16 with its mark, as spreadsheets write it)."""

    takes: ClassVar[str] = "a CSV file (.csv, .tsv)"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def load(self, source: Path) -> Table:
        """Return the table; rows of another length than the header are faults."""
        text = read_text(source)
        try:
            with _cells_up_to(len(text)):
                rows = _rows(text, source)
        except csv.Error as error:
            raise DataError(must(f"{source.name!r}", "a CSV file", f"{error}", "Save it again as CSV")) from error
        if not rows:
            raise DataError(must(f"{source.name!r}", "a CSV file with a header", "an empty file", "Fill it"))
        names, body = tuple(name.strip() for name in rows[0]), [row for row in rows[1:] if row]
        good = [row for row in body if len(row) == len(names)]
        faults = tuple(
            _fault(source, number, len(row), len(names)) for number, row in enumerate(body) if len(row) != len(names)
        )
        return Table(names, lambda name: [row[names.index(name)] for row in good], faults)


def read_text(source: Path) -> str:
    """Return the file's text. Raises DataError if it cannot be read or is not text."""
    try:
        content = source.read_bytes()
        encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
        return content.decode(encoding)
    except OSError as error:
        got = f"{error.strerror}"
        raise DataError(must(f"{source.name!r}", "a file that can be read", got, "Check its permissions")) from error
    except UnicodeDecodeError as error:
        got = f"bytes that are not text at byte {error.start:,}"
        raise DataError(must(f"{source.name!r}", "text in UTF-8", got, "Save it again as UTF-8")) from error


@contextmanager
def _cells_up_to(size: int) -> Iterator[None]:
    """Let a cell be as long as the whole file; the standard library stops at 131,072 characters."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, size + 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(text: str, source: Path) -> list[list[str]]:
    """Return the rows from the header on. Raises DataError where a quote is opened and never closed."""
    lines = io.StringIO(text, newline="")
    found: list[list[str]] = []
    strict = csv.reader(lines, delimiter=_delimiter(text), strict=True)
    while True:
        begun = strict.line_num
        try:
            row = next(strict)
        except StopIteration:
            return found
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                got = f"a quote on line {begun + 1} that is never closed"
                do = "Close it, or write it twice if it belongs to the text"
                raise DataError(must(f"{source.name!r}", "a CSV file", got, do)) from error
            # Words after a closing quote: the reader that is not strict takes them into the cell.
            lenient = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
            rows = list(lenient)
            return rows[next((n for n, one in enumerate(rows) if any(one)), len(rows)) :]
        if found or any(row):
            found.append(row)


def _delimiter(text: str) -> str:
    """Return the character that parts the header most often, outside of quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(header.split('"')[::2])
    return max(",;\t|", key=bare.count)


def _fault(source: Path, number: int, got: int, wanted: int) -> SetAside:
    message = f"Row {number + 1} must have {wanted} cells. Got {got}. Put quotes around text that holds a delimiter."
    return SetAside(Example(f"{source.name} row {number + 1}"), "malformed_row", message)
