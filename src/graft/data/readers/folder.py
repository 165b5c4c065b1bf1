"""A folder per class; or train/, val/ and test/ with class folders inside; or tables called so."""

import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from graft.data import modalities
from graft.data.dataset import Dataset, SetAside, count, grouped, label_text, several, shown
from graft.data.readers._base import PART_WORDS, Reader
from graft.data.readers._parts import part_tables, read_parts
from graft.errors import DataError, must
from graft.types import Example, Finding, Part

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Folder(Reader):
    """Reads folders; the name of the folder nearest to the root, below the part's, is the label.

    Hidden files and files of no known modality are passed over and counted in the notes; a file of another name that
    begins like an image is kept. Linked folders are followed, each once, after all real ones.
    """

    takes: ClassVar[str] = "a folder with one folder per class"

    @classmethod
    def accepts(cls, source: Path) -> bool:
        """Every folder."""
        return source.is_dir()

    def read(self, source: Path) -> Dataset:
        """Return the files of the class folders, sorted by part and path."""
        root = os.fspath(source)
        walk = _Walk()
        top = walk.enter(root)
        if top is None or not (top.files or top.folders):
            got = "an empty folder" if top is not None else "a folder that may not be listed"
            raise DataError(must(f"{shown(root)!r}", _WANTED, got, "Put a folder of files there for each class"))
        if not (top.folders or top.links) and (tables := part_tables(source, top.files)):
            return read_parts(source, tables)
        homes, notes = _homes(root, top, walk)
        found = [one for part, label, folder in homes for one in walk.inputs(folder, label, part)]
        found += walk.linked()
        modality, kept = _one_modality(found, notes, walk.foreign)
        kinds = {name: modalities.of_file(name, f"{root}/{name}") for name in top.files}
        loose = [name for name, kind in kinds.items() if kind == modality or (kind and not modality)]
        if not kept:
            raise DataError(_nothing(root, top, loose, walk))
        if loose:
            notes.append(f"{count(len(loose), 'file')} beside the class folders have no label: {several(loose)}")
        set_aside = tuple(walk.set_aside)
        order = {None: 0, "train": 1, "val": 2, "test": 3}
        examples = (
            Example(shown(path), label_text(label), Path(path), part=part)
            for path, label, part, _ in sorted(kept, key=lambda one: (order[one[2]], one[0]))
        )
        return Dataset(
            tuple(examples),
            modality,
            shown(root),
            (*notes, *walk.notes(modality)),
            (*grouped(set_aside), *walk.findings),
            set_aside,
        )


_WANTED = "a folder with one folder per class"
_Found = tuple[str, str, Part | None, str]
"""Path, label, part and modality of one file."""


@dataclass
class _Listing:
    """The visible entries of one folder, sorted by name."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links to folders."""
    broken: list[str] = field(default_factory=list)
    """Links to nothing."""


@dataclass
class _Walk:
    """What was met while folders were read."""

    seen: set[tuple[int, int]] = field(default_factory=set)
    hidden: int = 0
    foreign: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    later: deque[tuple[str, str, Part | None]] = field(default_factory=deque)
    set_aside: list[SetAside] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def enter(self, folder: str) -> _Listing | None:
        """List a folder and remember that it was read; None where that is not allowed."""
        try:
            status = Path(folder).stat()
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            message = f"The folder cannot be listed ({error.strerror}); its files are left out."
            self.findings.append(Finding("unreadable_folder", (shown(folder),), message, "error"))
            return None
        self.seen.add((status.st_dev, status.st_ino))
        listing = _Listing()
        for entry in ordered:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                self.hidden += 1
            elif entry.is_dir(follow_symlinks=False):
                listing.folders.append(entry.name)
            elif entry.is_symlink() and not _exists(entry):
                listing.broken.append(entry.name)
            elif entry.is_dir():
                listing.links.append(entry.name)
            elif entry.is_file():
                listing.files.append(entry.name)
        return listing

    def inputs(self, folder: str, label: str, part: Part | None) -> Iterator[_Found]:
        """Yield the files under a folder that are of a known modality; links to folders wait for ``linked``."""
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            listing = self.enter(here)
            if listing is None:
                continue
            for name in listing.files:
                path = f"{here}/{name}"
                modality = modalities.of_file(name, path)
                if modality is None:
                    self.foreign.append(name)
                else:
                    yield path, label, part, modality
            for name in listing.broken:
                self.missing(f"{here}/{name}", label, part)
            waiting += [f"{here}/{name}" for name in reversed(listing.folders) if not self._again(f"{here}/{name}")]
            self.later.extend((f"{here}/{name}", label, part) for name in listing.links)

    def linked(self) -> Iterator[_Found]:
        """Yield the files behind the links to folders, unless the folder was read already: so loops end."""
        while self.later:
            folder, label, part = self.later.popleft()
            if self._again(folder):
                self.repeated.append(folder)
            else:
                yield from self.inputs(folder, label, part)

    def missing(self, path: str, label: str, part: Part | None) -> None:
        """Set aside a link to nothing."""
        if modalities.by_name(path):
            example = Example(shown(path), label_text(label), Path(path), part=part)
            self.set_aside.append(SetAside(example, "missing_file", "The link leads to no file."))

    def notes(self, modality: str) -> Iterator[str]:
        """Yield what was passed over."""
        if self.foreign:
            what = f"{count(len(self.foreign), 'file')} that {'is' if len(self.foreign) == 1 else 'are'} not"
            yield f"passed over {what} {modalities.plural([modality])}: {several(sorted(self.foreign))}"
        if self.hidden:
            yield f"passed over {count(self.hidden, 'hidden entry', 'hidden entries')}"
        if self.repeated:
            yield f"did not read again {count(len(self.repeated), 'linked folder')}: {several(self.repeated)}"

    def _again(self, folder: str) -> bool:
        try:
            status = Path(folder).stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) in self.seen


def _exists(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except OSError:
        return False
    return True


def _homes(root: str, top: _Listing, walk: _Walk) -> tuple[list[tuple[Part | None, str, str]], list[str]]:
    """Return (part, label, folder) for every class folder, and notes; links to class folders wait in ``walk``."""
    folders = top.folders + top.links
    named = [name for name in folders if name.casefold() in PART_WORDS]
    others = [name for name in folders if name.casefold() not in PART_WORDS]
    words = {PART_WORDS[name.casefold()] for name in named}
    # A class may be called "train" (bus, car, train): then it is the only folder that is named like a part.
    if not named or (others and not (len(words) > 1 and "train" in words)):
        walk.later.extend((f"{root}/{label}", label, None) for label in top.links)
        return [(None, label, f"{root}/{label}") for label in top.folders], []
    inner = {name: walk.enter(f"{root}/{name}") or _Listing() for name in named}
    full = [name for name in named if inner[name].folders or inner[name].links]
    if not full or ("train" in words and not any(PART_WORDS[name.casefold()] == "train" for name in full)):
        got = f"no class folders in {several([f'{root}/{name}' for name in named if name not in full])}"
        do = "Move the files of each class into a folder named after it, inside each part"
        raise DataError(must(f"{shown(root)!r}", "train/ and test/ with one folder per class inside", got, do))
    notes = [f"passed over {count(len(others), 'folder')} beside the parts: {several(others)}"] if others else []
    notes += [f"passed over {name!r}, which has no class folders" for name in named if name not in full]
    stray = [f"{name}/{file}" for name in full for file in inner[name].files if modalities.by_name(file)]
    if stray:
        notes.append(f"{count(len(stray), 'file')} beside the class folders have no label: {several(stray)}")
    alone = {PART_WORDS[name.casefold()] for name in full} == {"train"}
    if alone:
        notes.append(f"read the classes in {several(full)}, the only part with classes; Graft splits it")
    homes = list[tuple[Part | None, str, str]]()
    for name in full:
        part = None if alone else PART_WORDS[name.casefold()]
        homes += [(part, label, f"{root}/{name}/{label}") for label in inner[name].folders]
        walk.later.extend((f"{root}/{name}/{label}", label, part) for label in inner[name].links)
    return homes, notes


def _one_modality(found: list[_Found], notes: list[str], foreign: list[str]) -> tuple[str, list[_Found]]:
    """Return the commonest modality and its files; the others are named in a note.

    Texts beside as many other files are notes on those: they are counted with what is foreign.
    """
    kinds = Counter(modality for *_, modality in found)
    if not kinds:
        return "", []
    modality = max(kinds, key=lambda one: (kinds[one], not modalities.is_written(one)))
    foreign += [Path(path).name for path, _, _, kind in found if kind != modality and modalities.is_written(kind)]
    others = [kind for kind in kinds if kind != modality and not modalities.is_written(kind)]
    if others:
        n = sum(kinds[one] for one in others)
        notes.append(f"passed over {count(n, 'file')} that are {modalities.plural(sorted(others))}")
    return modality, [one for one in found if one[3] == modality]


def _nothing(root: str, top: _Listing, loose: list[str], walk: _Walk) -> str:
    tables = [name for name in top.files if name.lower().endswith(_TABLES)]
    if loose:
        got = f"{count(len(loose), 'file')} without a class folder ({several(loose)})"
        do = "Move the files of each class into a folder named after it"
    else:
        foreign = walk.foreign + top.files
        seen = f"{count(len(foreign), 'other file')} ({several(foreign)})" if foreign else "empty folders"
        got, do = f"no {modalities.plural()}, only {seen}", "Put a folder of files there for each class"
    if tables:
        do = f"If the labels are in {tables[0]!r}, give that file in place of the folder"
    return must(f"{shown(root)!r}", _WANTED, got, do)
