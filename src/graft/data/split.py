"""The split: the person's own parts, else a draw by content hash that stays when files are added.

The part of a file must follow from the file alone: if files are added in any order and none may move, a split that
keeps no record of earlier ones can look at nothing else. So each unit (a group, or all files of one content) draws a
number in [0, 1) from sha-256 of the seed and its key, and the shares are intervals: test first, then validation, then
training. Shares of a class are therefore right in expectation, with a spread of sqrt(n p (1 - p)) files, not exact.

The one exception are classes that the draw leaves without a file in a part. There the unit whose draw comes nearest is
placed by hand, at most one a class and part, training served first, then test, then validation; never at the cost of
another class's last unit in a part. The files so placed are named in the finding ``small_class_placed``; they alone
may move when files are added, back to where their draw puts them, once their class no longer needs them.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from graft.data.dataset import count, several
from graft.data.labels import names
from graft.data.parts import Parts, locked, rows_of
from graft.errors import DataError, SettingError, must
from graft.types import PARTS, Example, Finding, LabelForm, Part

_SERVED: tuple[Part, ...] = ("train", "test", "val")
"""The order in which a small class gets its parts, and which of two copies of a file is judged by."""
NUMBER = "\0"
"""The one class that all examples are of whose labels are numbers."""


def split(
    examples: Sequence[Example],
    hashes: Sequence[str],
    *,
    shares: tuple[float, float, float] = (0.70, 0.15, 0.15),
    seed: int = 0,
    form: LabelForm = "class",
) -> Parts:
    """Return the parts of n examples; ``hashes`` are their content's sha-256, ``shares`` those of train, val, test.

    Parts that the person gave win; those of val and test that were not given are drawn from the person's training
    examples, and all three where nothing was given. Then, each with a finding: a content with two labels is in no part;
    of a content in two parts only the copies in test (else val) stay; val and test keep one copy of a content, so that
    none counts twice; a label that training never sees is taken out of val and test. Copies within train stay.
    In a set each label is a class of its own; numbers (``form``) are no classes, and each part gets at least one.

    Raises SettingError for bad shares, DataError where nothing is left to train on.
    """
    _check(shares)
    keys = [
        f"group:{one.group}" if one.group is not None else f"content:{content}"
        for one, content in zip(examples, hashes, strict=True)
    ]
    findings: list[Finding] = []
    of: list[Part | None] = [one.part or "train" for one in examples]
    clear = _without_conflicts(examples, hashes, findings)
    # What the person put into val or test leaves training anyway: it must not count as one of its class's units.
    taken = {content for one, content in zip(examples, hashes, strict=True) if one.part in ("val", "test")}
    free = [row for row in sorted(clear) if hashes[row] not in taken and examples[row].part in (None, "train")]
    classes = [_classes(one.label, form) for one in examples]
    drawn = _drawn(classes, free, keys, _intervals(examples, shares), seed)
    drawn.serve_small_classes()
    for row, part in drawn.rows():
        of[row] = part
    for row in set(range(len(examples))) - clear:
        of[row] = None
    _say_placed(examples, classes, drawn, findings)
    _say_groups(examples, of, findings)
    _once(examples, hashes, of, findings)
    _without_strangers(examples, classes, of, findings)
    _say_missing(classes, of, shares, findings)
    train = rows_of(of, "train")
    if not len(train):
        got = f"none after {', '.join(sorted({one.kind for one in findings}))}" if findings else "none"
        raise DataError(must("The training part", "at least one example", got, "Give examples for it"))
    return Parts(
        train, rows_of(of, "val"), locked(examples, hashes, of), tuple(of), _units(keys, hashes), tuple(findings)
    )


def _check(shares: tuple[float, float, float]) -> None:
    fair = len(shares) == 3 and all(0 <= one <= 1 for one in shares) and abs(sum(shares) - 1) < 1e-6
    if not fair or shares[0] == 0:
        wanted = "three numbers in 0..1 for train, val and test that sum to 1, the first above 0"
        raise SettingError(must("The shares", wanted, shares, "Take 0.7, 0.15, 0.15"))


def _classes(label: str | None, form: LabelForm) -> frozenset[str]:
    """Return the classes that an example has a part in; all numbers are of one, so that each part gets some."""
    return frozenset({NUMBER}) if form == "number" else names(label, form)


def draw(key: str, seed: int) -> float:
    """Return the number in [0, 1) that decides the part of a group or content; a function of nothing else."""
    return int.from_bytes(sha256(f"graft split 1\0{seed}\0{key}".encode()).digest()[:8], "big") / 2**64


def _intervals(examples: Sequence[Example], shares: tuple[float, float, float]) -> dict[Part, tuple[float, float]]:
    """Return [low, high) for train and for each part that the person did not give."""
    share = dict(zip(PARTS, shares, strict=True))
    given = {one.part for one in examples}
    open_parts: list[Part] = [part for part in ("test", "val") if part not in given]
    total = share["train"] + sum(share[part] for part in open_parts)
    intervals, low = dict[Part, tuple[float, float]](), 0.0
    for part in open_parts:
        high = low + share[part] / total
        if high > low:
            intervals[part] = (low, high)
        low = high
    intervals["train"] = (low, 1.0)
    return intervals


@dataclass
class _Unit:
    """Examples that must not be parted, among those whose part Graft decides."""

    value: float
    members: list[int]
    labels: frozenset[str]
    part: Part
    was: Part
    """What the draw said."""


@dataclass
class _Drawn:
    """The units with their parts."""

    units: list[_Unit]
    parts: tuple[Part, ...]
    """Those that are drawn, in the order in which a small class gets them."""

    def rows(self) -> list[tuple[int, Part]]:
        """Return every row with its part."""
        return [(row, unit.part) for unit in self.units for row in unit.members]

    def serve_small_classes(self) -> None:
        """Place a unit by hand for each class and part that the draw left without one, where the class has enough."""
        by_label: dict[str, list[_Unit]] = defaultdict(list)
        for unit in self.units:
            for label in unit.labels:
                by_label[label].append(unit)
        have = Counter((label, unit.part) for unit in self.units for label in unit.labels)
        for part in self.parts:
            for label in sorted(by_label):
                if not have[label, part]:
                    donor = self._donor(by_label[label], label, part, have)
                    if donor is not None:
                        have.subtract((one, donor.part) for one in donor.labels)
                        have.update((one, part) for one in donor.labels)
                        donor.part = part

    def _donor(self, units: list[_Unit], label: str, part: Part, have: Mapping[tuple[str, Part], int]) -> _Unit | None:
        """Return the unit whose draw is nearest to the part, of those that can be spared."""
        rank = {one: place for place, one in enumerate(self.parts)}
        spare = [unit for unit in units if all(have[one, unit.part] > 1 for one in unit.labels)]
        # The last unit of a part that is served later may go too, unless another class that has this part loses it.
        spare = spare or [
            unit
            for unit in units
            if rank[unit.part] > rank[part]
            and all(have[one, unit.part] > 1 or not have[one, part] for one in unit.labels - {label})
        ]
        # Training is the upper end of the interval.
        return (max if part == "train" else min)(spare, key=lambda unit: unit.value, default=None)


def _drawn(
    classes: Sequence[frozenset[str]],
    rows: Sequence[int],
    keys: Sequence[str],
    intervals: Mapping[Part, tuple[float, float]],
    seed: int,
) -> _Drawn:
    """Return the units of the rows that the person left to Graft, each with its draw."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        members[keys[row]].append(row)
    units = []
    for key, own in members.items():
        value = draw(key, seed)
        part = next(part for part, (low, high) in intervals.items() if low <= value < high or part == "train")
        labels: frozenset[str] = frozenset().union(*(classes[row] for row in own))
        units.append(_Unit(value, own, labels, part, part))
    return _Drawn(units, tuple(part for part in _SERVED if part in intervals))


def _without_conflicts(examples: Sequence[Example], hashes: Sequence[str], findings: list[Finding]) -> set[int]:
    """Return the rows whose content has one label only."""
    clear: set[int] = set()
    for rows in _by_content(hashes, range(len(examples))).values():
        labels = sorted({str(examples[row].label) for row in rows})
        if len(labels) == 1:
            clear.update(rows)
            continue
        message = f"The same file has the labels {several(labels, 5)}; no copy is used, since no label can be trusted."
        files = tuple(examples[row].source for row in rows)
        details = {"labels": [examples[row].label for row in rows]}
        findings.append(Finding("conflicting_labels", files, message, "warning", details))
    return clear


def _once(examples: Sequence[Example], hashes: Sequence[str], of: list[Part | None], findings: list[Finding]) -> None:
    """Keep each content in one part only, and once in val and test."""
    extra: list[int] = []
    for rows in _by_content(hashes, [row for row, part in enumerate(of) if part is not None]).values():
        if len(rows) == 1:
            continue
        parts = {of[row] for row in rows}
        stays: Part = "test" if "test" in parts else "val" if "val" in parts else "train"
        if len(parts) > 1:
            out = sorted({str(of[row]) for row in rows} - {stays})
            message = f"The same file is in {' and '.join([*out, stays])}; it is used in {stays} alone."
            details = {"parts": [of[row] for row in rows], "kept": stays}
            files = tuple(examples[row].source for row in rows)
            findings.append(Finding("duplicate_across_parts", files, message, "warning", details))
        for row in rows:
            if of[row] != stays:
                of[row] = None
        if stays != "train":
            copies = [row for row in rows if of[row] == stays][1:]
            extra += copies
            for row in copies:
                of[row] = None
    if extra:
        message = f"{count(len(extra), 'copy', 'copies')} within val or test left out, so that no file counts twice."
        files = tuple(examples[row].source for row in sorted(extra))
        findings.append(Finding("duplicate_in_evaluation", files, message, "note"))


def _without_strangers(
    examples: Sequence[Example], classes: Sequence[frozenset[str]], of: list[Part | None], findings: list[Finding]
) -> None:
    """Take labels that training never sees out of val and test."""
    known: set[str] = set().union(*(classes[row] for row, part in enumerate(of) if part == "train"))
    strange = [row for row, part in enumerate(of) if part in ("val", "test") and classes[row] - known]
    if strange:
        labels = sorted(set().union(*(classes[row] - known for row in strange)))
        what = count(len(strange), "example")
        message = f"{what} of {several(labels)} left out of val and test: training has none of that class."
        files = tuple(examples[row].source for row in strange)
        findings.append(Finding("class_not_in_training", files, message, "warning", {"classes": labels}))
    for row in strange:
        of[row] = None


def _say_placed(
    examples: Sequence[Example], classes: Sequence[frozenset[str]], drawn: _Drawn, findings: list[Finding]
) -> None:
    moved = sorted((row, unit.part, unit.was) for unit in drawn.units if unit.part != unit.was for row in unit.members)
    if moved:
        labels = sorted(set().union(*(classes[row] for row, _, _ in moved)))
        whose = "" if labels == [NUMBER] else f" of small classes ({several(labels)})"
        message = (
            f"{count(len(moved), 'file')}{whose} placed by hand, so that {'each class has' if whose else 'there are'} "
            "examples in every part; these may change part when files are added."
        )
        details = {"to": [part for _, part, _ in moved], "from": [was for _, _, was in moved]}
        files = tuple(examples[row].source for row, _, _ in moved)
        findings.append(Finding("small_class_placed", files, message, "note", details))


def _say_groups(examples: Sequence[Example], of: Sequence[Part | None], findings: list[Finding]) -> None:
    """Name the groups that the person's own split tears apart; it is theirs to decide."""
    parts: dict[str, set[Part]] = defaultdict(set)
    for one, part in zip(examples, of, strict=True):
        if one.group is not None and part is not None:
            parts[one.group].add(part)
    torn = sorted(group for group, where in parts.items() if len(where) > 1)
    if torn:
        message = f"{count(len(torn), 'group')} in several of the parts as given: {several(torn)}; left as given."
        files = tuple(one.source for one in examples if one.group in set(torn))
        findings.append(Finding("group_across_parts", files, message, "warning", {"groups": torn}))


def _say_missing(
    classes: Sequence[frozenset[str]], of: Sequence[Part | None], shares: Sequence[float], findings: list[Finding]
) -> None:
    every: set[str] = set().union(*classes)
    for part, share in zip(PARTS, shares, strict=True):
        here: set[str] = set().union(*(classes[row] for row, one in enumerate(of) if one == part))
        if not share and not here:
            continue  # as was asked for
        missing = sorted(every - here)
        if missing and len(every) > 1:
            message = (
                f"The {part} part has no example of {count(len(missing), 'class', 'classes')}: {several(missing)}."
            )
            details = {"part": part, "classes": missing}
            findings.append(Finding("class_missing_in_part", (), message, "warning", details))


def _by_content(hashes: Sequence[str], rows: Sequence[int] | range) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[hashes[row]].append(row)
    return found


def _units(keys: Sequence[str], hashes: Sequence[str]) -> np.ndarray:
    """Return a number for each example; those of one group or one content, directly or by a chain, share it."""
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first: dict[str, int] = {}
    for row, pair in enumerate(zip(keys, hashes, strict=True)):
        for name in (pair[0], f"content:{pair[1]}"):
            parent[root(row)] = root(first.setdefault(name, row))
    return np.unique([root(row) for row in range(len(keys))], return_inverse=True)[1].astype(np.int64)
