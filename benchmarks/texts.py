"""The texts that are measured on: banking77, whole or a few of each class drawn from a seed."""

import csv
import random
import tempfile
from pathlib import Path

from benchmarks.photos import real

NAME = "banking77"


def rows(file: Path) -> list[tuple[str, str]]:
    """Return the (text, label) of a table."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [(row["text"], row["label"]) for row in csv.DictReader(opened)]


def contents(source: Path, photos: int = 64, texts: int = 256) -> list[bytes]:
    """Return JPEG photos of a folder, also below, or texts of a table, as bytes: what servers are asked."""
    if source.is_dir():
        return [one.read_bytes() for one in sorted(source.rglob("*.jpg"))[:photos]]
    return [one.encode() for one, _ in rows(source)[:texts]]


def whole() -> Path:
    """Return the table of the 10,003 training texts. Raises Skipped where the shared data are absent."""
    return real(NAME) / "train.csv"


def some(each: int, asked: int | None = None, seed: int = 0) -> Path:
    """Return a folder with train.csv, ``each`` texts a class drawn from a seed, and test.csv, ``asked`` or all."""
    draw = random.Random(seed)
    train = rows(real(NAME) / "train.csv")
    draw.shuffle(train)
    of: dict[str, list[tuple[str, str]]] = {}
    for row in train:
        of.setdefault(row[1], []).append(row)
    test = rows(real(NAME) / "test.csv")
    draw.shuffle(test)
    folder = Path(tempfile.gettempdir()) / f"graft-bench-{NAME}-{each}-{asked}-{seed}"
    folder.mkdir(exist_ok=True)
    _write(folder / "train.csv", [row for _, found in sorted(of.items()) for row in found[:each]])
    _write(folder / "test.csv", test[:asked])
    return folder


def _write(file: Path, found: list[tuple[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("text", "label"), *found])
