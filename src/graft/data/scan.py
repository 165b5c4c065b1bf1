"""The first look at every file: read once, hashed, inspected; what cannot be used is set aside and listed."""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from graft.data.dataset import Dataset, SetAside, grouped, grouped_message, require_classes
from graft.errors import UnreadableInputError, must
from graft.types import Example, Finding, LabelForm, Progress, silent

CHUNK = 32
"""Files that a thread takes at once: fewer cost more than the reading, more make the progress jump."""
WAITED = 2.0
"""Times the work on a chunk that it took: from here on its files were waited for, and threads help."""


class FactsLike(Protocol):
    """What ``inspect`` returns; ``preprocess.Facts`` is one."""

    @property
    def format(self) -> str:
        """What the bytes are, such as ``JPEG``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Natural size."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is odd; severity ``error`` means that the file is set aside."""


Inspect = Callable[[bytes, str], FactsLike]
"""``inspect(content, source)``; called from several threads at once."""


@dataclass(frozen=True)
class Scanned:
    """A dataset whose files have been read once; the four tuples of what was kept have the same order."""

    examples: tuple[Example, ...]
    hashes: tuple[str, ...]
    """sha-256 of each file's bytes, in hex."""
    facts: tuple[FactsLike, ...]
    findings: tuple[Finding, ...]
    """One a kind, with all the files that it concerns; the reader's come first."""
    set_aside: tuple[SetAside, ...]
    modality: str
    source: str
    notes: tuple[str, ...] = ()
    form: LabelForm = "class"
    """What the labels are."""


@dataclass(frozen=True)
class _Seen:
    """What is kept of a file: everything but its bytes."""

    hash: str = ""
    facts: FactsLike | None = None
    fault: tuple[str, str] | None = None
    """Kind and message."""


def scan(
    dataset: Dataset,
    inspect: Inspect,
    *,
    in_place: bool = False,
    progress: Progress = silent,
    threads: int = 8,
    min_classes: int = 2,
) -> Scanned:
    """Read, hash and inspect every file. Memory holds as many files at a time as there are threads.

    ``in_place``: ``inspect`` takes large files as memory maps, as ``Example.read`` gives them.

    ``threads`` are used where files have to be waited for; where they are in memory already, one is faster.

    Files that are empty, cannot be read, or have a finding of severity ``error`` are set aside. Raises DataError, which
    says what was set aside, where fewer than ``min_classes`` classes are left (unlabelled data have no such limit).
    """
    examples = dataset.examples
    chunks = [examples[start : start + CHUNK] for start in range(0, len(examples), CHUNK)]
    seen: list[_Seen] = []
    for looked in _looked(chunks, lambda one: _look(one, inspect, in_place), threads):
        seen += looked
        progress("reading files", len(seen), len(examples))
    kept = [row for row, one in enumerate(seen) if one.fault is None]
    bad = tuple(SetAside(examples[row], *one.fault) for row, one in enumerate(seen) if one.fault is not None)
    set_aside = (*dataset.set_aside, *bad)
    left = tuple(examples[row] for row in kept)
    if not left or any(one.label is not None for one in examples):
        require_classes(left, set_aside, min_classes, dataset.source, dataset.form)
    facts = tuple(one.facts for one in seen if one.fault is None and one.facts is not None)
    hashes = tuple(seen[row].hash for row in kept)
    findings = (*dataset.findings, *grouped(bad), *_by_kind(facts))
    return Scanned(
        left, hashes, facts, findings, set_aside, dataset.modality, dataset.source, dataset.notes, dataset.form
    )


def _looked(
    chunks: Sequence[Sequence[Example]], look_at: Callable[[Example], _Seen], threads: int
) -> Iterator[list[_Seen]]:
    """Yield what was seen of each chunk, in order."""

    def look(chunk: Sequence[Example]) -> list[_Seen]:
        return [look_at(one) for one in chunk]

    # The work on a file that is in memory is so short that two threads mostly wait for each other's interpreter lock.
    for number, chunk in enumerate(chunks):
        begun, worked = time.perf_counter(), time.thread_time()
        yield look(chunk)
        if time.perf_counter() - begun > WAITED * (time.thread_time() - worked):
            with ThreadPoolExecutor(threads) as pool:
                yield from pool.map(look, chunks[number + 1 :])
            return


def _look(example: Example, inspect: Inspect, in_place: bool) -> _Seen:
    try:
        content = example.read(in_place=in_place)
    except FileNotFoundError:
        return _Seen(fault=("missing_file", "The file is not there."))
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        got = getattr(error, "strerror", None) or str(error)
        return _Seen(fault=("unreadable", must("The file", "readable", got, "Check its permissions")))
    if not content:
        got = "0 bytes"
        return _Seen(fault=("zero_size", must("The file", "one with content", got, "Copy it again from its source")))
    try:
        facts = inspect(content, example.source)
    except UnreadableInputError as error:
        return _Seen(fault=("unreadable", str(error)))
    wrong = next((one for one in facts.findings if one.severity == "error"), None)
    if wrong is not None:
        return _Seen(fault=(wrong.kind, wrong.message))
    return _Seen(sha256(content).hexdigest(), facts)


def _by_kind(facts: Sequence[FactsLike]) -> list[Finding]:
    """Return the findings of all files, joined to one a kind."""
    kinds: dict[str, list[Finding]] = {}
    for one in facts:
        for finding in one.findings:
            kinds.setdefault(finding.kind, []).append(finding)
    return [
        found[0]
        if len(found) == 1
        else Finding(
            kind,
            tuple(file for one in found for file in one.files),
            grouped_message([one.message for one in found]) + _lost(found),
            found[0].severity,
        )
        for kind, found in kinds.items()
    ]


def _lost(found: Sequence[Finding]) -> str:
    """Return the sentence on what all files together lose, where each finding counts it (``lost`` and ``unit``)."""
    if not all("lost" in one.details for one in found):
        return ""
    return f" In all, {sum(one.details['lost'] for one in found):,} {found[0].details['unit']} are left out."


def write_set_aside(path: str | Path, set_aside: Sequence[SetAside]) -> None:
    """Write ``set_aside.csv`` (source, kind, message), UTF-8; a header alone where nothing was set aside.

    A cell that a spreadsheet would take for a formula gets a ' in front, as OWASP advises ("CSV Injection").
    Raises OSError if the file cannot be written.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(("source", "kind", "message"))
        for one in set_aside:
            writer.writerow([_inert(cell) for cell in (one.example.source, one.kind, one.message)])


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell
