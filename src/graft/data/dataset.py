"""What a reader gives back: labelled examples, where they came from, and what was odd on the way."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graft.data.labels import names
from graft.errors import DataError, must
from graft.types import Example, Finding, LabelForm


@dataclass(frozen=True)
class SetAside:
    """One example that is not used, and why."""

    example: Example
    kind: str
    """The kind of the finding that it falls under, such as ``zero_size``."""
    message: str
    """One sentence for the person."""


@dataclass(frozen=True)
class Dataset:
    """Examples of one modality, in a fixed order; the files themselves have not been opened yet."""

    examples: tuple[Example, ...]
    modality: str
    source: str
    """The folder or table as the person named it."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: which columns were taken, what was passed over."""
    findings: tuple[Finding, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    form: LabelForm = "class"
    """What the labels are."""
    columns: tuple[str, ...] = ()
    """Of a table, those that hold neither inputs nor labels nor parts."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur, sorted."""
        return classes_of(self.examples, self.form)


def classes_of(examples: Iterable[Example], form: LabelForm = "class") -> tuple[str, ...]:
    """Return the classes that occur, sorted; none where the labels are numbers."""
    return tuple(sorted(set().union(*(names(one.label, form) for one in examples))))


def shown(name: str) -> str:
    """Return a file name as text that can be encoded: bytes that are not UTF-8 become ``\\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def one_line(text: str, most: int = 200) -> str:
    """Return a text as its own name in lists: on one line, half surrogates replaced, cut with an ellipsis."""
    plain = " ".join(text[: 4 * most].encode("utf-8", "replace").decode("utf-8").split())
    return plain if len(plain) <= most and len(text) <= 4 * most else f"{plain[: most - 1]}…"


def label_text(name: str) -> str:
    """Return a label in one spelling: composed (NFC, macOS stores folder names decomposed), without outer space."""
    return unicodedata.normalize("NFC", shown(name)).strip()


def several(names: Sequence[str], most: int = 3) -> str:
    """Return the first names for a sentence: ``'a', 'b', 'c' and 12 more``."""
    listed = ", ".join(repr(name) for name in names[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def count(n: int, one: str, many: str | None = None) -> str:
    """Return ``1 file`` or ``3 files``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def grouped(set_aside: Sequence[SetAside]) -> tuple[Finding, ...]:
    """Return one finding of severity ``error`` for each kind among what was set aside."""
    found = []
    for kind in dict.fromkeys(one.kind for one in set_aside):
        of_kind = [one for one in set_aside if one.kind == kind]
        files = tuple(one.example.source for one in of_kind)
        found.append(Finding(kind, files, grouped_message([one.message for one in of_kind]), "error"))
    return tuple(found)


def grouped_message(messages: Sequence[str]) -> str:
    """Return one sentence for many files: how many there are, and what is said of most of them."""
    if len(messages) == 1:
        return messages[0]
    kinds = Counter(messages)
    return f"{len(messages):,} files{', such as' if len(kinds) > 1 else ''}: {kinds.most_common(1)[0][0]}"


def reasons(set_aside: Sequence[SetAside]) -> str:
    """Return what was set aside for an error's middle: ``5 set aside (3 zero_size, 2 unreadable)``."""
    kinds = Counter(one.kind for one in set_aside)
    return f"{len(set_aside):,} set aside ({', '.join(f'{n:,} {kind}' for kind, n in kinds.most_common())})"


_LEFT = {"class": ("class", "classes"), "set": ("label", "labels"), "number": ("different number", "different numbers")}


def require_classes(
    examples: Sequence[Example], set_aside: Sequence[SetAside], least: int, source: str, form: LabelForm = "class"
) -> None:
    """Check that enough classes are left; of sets one label will do. Raises DataError that says what was set aside."""
    # Two numbers are as different as two classes.
    classes = classes_of(examples, "class" if form == "number" else form)
    least = min(least, 1) if form == "set" else least
    if len(classes) >= least:
        return
    got = f"{count(len(classes), *_LEFT[form])}"
    if classes:
        got += f" ({several(classes)})"
    if set_aside:
        got += f" after {reasons(set_aside)}, the first {set_aside[0].example.source!r}"
    do = "Mend or replace what was set aside" if set_aside else f"Add a folder, or rows, of another {_LEFT[form][0]}"
    if len({one.kind for one in set_aside}) == 1 and ". " in set_aside[0].message:
        # All for one reason: what its sentence advises is what helps.
        do = set_aside[0].message.rpartition(". ")[2]
    wanted = f"at least {count(least, *_LEFT[form])} with readable files"
    raise DataError(must(f"The data in {source!r}", wanted, got, do))
