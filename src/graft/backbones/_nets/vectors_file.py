"""Reads files of word vectors as word2vec, GloVe and fastText write them: text or binary, memory-mapped.

Text: a word and its numbers a line, with or without a first line of two whole numbers, words and dimensions. Binary
(word2vec): that first line, then each word, a space and its numbers as little-endian float32.
"""

import math
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from graft.errors import WeightsError, must

LIMIT = 400_000
"""Words that are read; files are in falling order of frequency, so what is left out is rare."""
LONGEST_WORD = 2_000
"""Bytes; what runs on longer is no word."""
CONTROL = frozenset(range(9)) | frozenset(range(14, 32))
"""Bytes that numbers in binary have and text has not."""
DO = "Give vectors as word2vec, GloVe or fastText write them as text, or word2vec's binary form"
FOREIGN = {
    b"\x1f\x8b": "a gzip archive",
    b"PK": "a zip archive",
    b"\xba\x16\x4f\x2f": "fastText's own .bin, which holds a whole model",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}


def _wrong(path: Path, wanted: str, got: str, do: str = DO) -> WeightsError:
    return WeightsError(must(f"Word vectors {str(path)!r}", wanted, got, do))


@dataclass(frozen=True)
class _Layout:
    """How a file is written, as its beginning tells."""

    begin: int
    """Offset of the first word in bytes."""
    count: int | None
    """Words by the header; None where there is no header."""
    dimensions: int
    binary: bool


@dataclass
class VectorsFile:
    """An open file of vectors: its words are in memory, its numbers stay in the file until they are asked for."""

    path: Path
    limit: int = LIMIT
    words: tuple[str, ...] = field(init=False)
    """In the file's order; of words that occur twice the first counts."""
    doubled: int = field(init=False, default=0)
    """Words that were left out because they had come before."""
    cut: bool = field(init=False, default=False)
    """Whether the file holds more words than ``limit``."""

    def __post_init__(self) -> None:
        """Read the words. Raises WeightsError where the file is not one of vectors, or not as its header says."""
        if not self.path.is_file():
            raise _wrong(self.path, "an existing file", "none")
        if self.path.stat().st_size == 0:
            raise _wrong(self.path, "vectors", "an empty file")
        with self.path.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._layout = _layout(self.path, self._content)
            self._index()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "VectorsFile":
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the mapping back."""
        self._content.close()

    @property
    def dimensions(self) -> int:
        """Numbers of a vector."""
        return self._layout.dimensions

    def table(self) -> np.ndarray:
        """Return all vectors, float32 (words, dimensions). Raises WeightsError for what is no finite number."""
        return self.rows(range(len(self.words)))

    def rows(self, places: Sequence[int]) -> np.ndarray:
        """Return the vectors at these places of ``words``, float32 (places, dimensions). Raises WeightsError."""
        found = np.empty((len(places), self.dimensions), np.float32)
        size = 4 * self.dimensions
        for row, place in enumerate(places):
            offset = int(self._offsets[place])
            if self._layout.binary:
                found[row] = np.frombuffer(self._content[offset : offset + size], "<f4")
            else:
                self._content.seek(offset)
                numbers = self._content.readline().rstrip().rsplit(b" ", self.dimensions)[1:]
                try:
                    found[row] = [float(one) for one in numbers]
                except ValueError:
                    got = f"something else at {self.words[place]!r}"
                    raise _wrong(self.path, f"a word and {self.dimensions} numbers a line", got) from None
        bad = ~np.isfinite(found).all(axis=1)
        if bad.any():
            word = self.words[places[int(np.argmax(bad))]]
            raise _wrong(self.path, "finite numbers", f"NaN or infinity at {word!r}")
        return found

    def _index(self) -> None:
        """Note each word and where its numbers (binary) or its line (text) begin."""
        places: dict[str, int] = {}
        entries = _binary(self.path, self._content, self._layout)
        if not self._layout.binary:
            entries = _text(self.path, self._content, self._layout)
        for word, offset in entries:
            if len(places) == self.limit:
                self.cut = True
                break
            if word in places:
                self.doubled += 1
            else:
                places[word] = offset
        if not places:
            raise _wrong(self.path, "vectors", "no word")
        self.words = tuple(places)
        self._offsets = np.fromiter(places.values(), np.int64, len(places))


def _layout(path: Path, content: mmap.mmap) -> _Layout:
    for begin, what in FOREIGN.items():
        if content[: len(begin)] == begin:
            raise _wrong(path, "vectors as text or in word2vec's binary form", what, "Unpack or convert it first")
    newline = content.find(b"\n")
    first = content[: newline if newline >= 0 else len(content)].split()
    if len(first) == 2 and all(one.isdigit() for one in first) and newline >= 0:
        count, dimensions = int(first[0]), int(first[1])
        if count < 1 or dimensions < 1:
            raise _wrong(path, "vectors", f"a header of {count} words and {dimensions} dimensions")
        binary = not CONTROL.isdisjoint(content[newline + 1 : newline + 4097])
        return _Layout(newline + 1, count, dimensions, binary)
    numbers = 0
    while numbers < len(first) - 1 and _is_number(first[-1 - numbers]):
        numbers += 1
    if not numbers:
        raise _wrong(path, "a word and its numbers a line", f"a first line of {b' '.join(first)[:60]!r}")
    return _Layout(0, None, numbers, binary=False)


def _is_number(text: bytes) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _text(path: Path, content: mmap.mmap, layout: _Layout) -> Iterator[tuple[str, int]]:
    """Yield each word and where its line begins. Raises WeightsError for a line of another length."""
    offset, number, size = layout.begin, 0, len(content)
    while offset < size:
        content.seek(offset)
        line = content.readline()
        number += 1
        if line.strip():
            if layout.count is not None and number > layout.count:
                raise _wrong(path, f"{layout.count} words long, as its header says", "more")
            parts = line.rstrip().rsplit(b" ", layout.dimensions)
            # A word may have spaces in it, but not end in a number: that is a vector of another length.
            if len(parts) != layout.dimensions + 1 or (b" " in parts[0] and _is_number(parts[0].rpartition(b" ")[2])):
                got = f"{len(line.split()) - 1} at word {number}, {parts[0][:40].decode('utf-8', 'replace')!r}"
                raise _wrong(path, f"{layout.dimensions} numbers a word", got, "Fetch it again, or mend its header")
            yield parts[0].decode("utf-8", "replace"), offset
        offset += len(line)
    if layout.count is not None and number < layout.count:
        raise _wrong(path, f"{layout.count} words long, as its header says", f"{number}", "Fetch it again")


def _binary(path: Path, content: mmap.mmap, layout: _Layout) -> Iterator[tuple[str, int]]:
    """Yield each word and where its numbers begin. Raises WeightsError where the file ends before its header says."""
    offset, length = layout.begin, 4 * layout.dimensions
    for number in range(layout.count or 0):
        while content[offset : offset + 1] == b"\n":
            offset += 1
        space = content.find(b" ", offset, offset + LONGEST_WORD)
        if space < 0 or space + 1 + length > len(content):
            got = f"{number}, or another number of dimensions than {layout.dimensions}"
            raise _wrong(path, f"{layout.count} words long, as its header says", got, "Fetch it again")
        yield content[offset:space].decode("utf-8", "replace"), space + 1
        offset = space + 1 + length
    if content[offset:].strip():
        raise _wrong(path, f"{layout.count} words long, as its header says", "more", "Fetch it again")
