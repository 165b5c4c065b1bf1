"""The audit before training: what is odd about the files, the classes and the split, as findings for a person."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from graft.data.dataset import count, several
from graft.data.labels import names
from graft.data.parts import Parts
from graft.data.scan import Scanned
from graft.types import Example, Finding, LabelForm

FEW = 5
"""Fewer examples than this make a class that cannot be learned and judged."""
IMBALANCE = 10.0
"""Largest class over smallest, above which it is said."""


def audit(scanned: Scanned, parts: Parts) -> tuple[Finding, ...]:
    """Return everything that is known before a network has seen the data: files, duplicates, split, classes."""
    return (
        *scanned.findings,
        *exact_duplicates(scanned.examples, scanned.hashes),
        *parts.findings,
        *class_sizes(scanned.examples, scanned.form),
    )


def exact_duplicates(examples: Sequence[Example], hashes: Sequence[str]) -> tuple[Finding, ...]:
    """Return one finding for each set of files with the same bytes and one label (others: ``conflicting_labels``)."""
    sets: dict[str, list[Example]] = defaultdict(list)
    for one, content in zip(examples, hashes, strict=True):
        sets[content].append(one)
    return tuple(
        Finding(
            "duplicate",
            tuple(one.source for one in same),
            f"{count(len(same), 'file')} with the same bytes; they share a part, and count once in val and test.",
            "note",
            {"label": same[0].label, "sha256": content},
        )
        for content, same in sets.items()
        if len(same) > 1 and len({one.label for one in same}) == 1
    )


def class_sizes(examples: Sequence[Example], form: LabelForm = "class") -> tuple[Finding, ...]:
    """Return findings for classes with fewer than 5 examples, and for imbalance above 10 to 1; none for numbers."""
    sizes = Counter(name for one in examples for name in names(one.label, form))
    found = []
    small = sorted(label for label, n in sizes.items() if n < FEW)
    if small:
        message = (
            f"{count(len(small), 'class', 'classes')} with fewer than {FEW} examples: {several(small, 10)}; add some."
        )
        files = tuple(one.source for one in examples if names(one.label, form) & set(small))
        found.append(Finding("small_class", files, message, "warning", {"sizes": {one: sizes[one] for one in small}}))
    if sizes:
        (most, n_most), (least, n_least) = sizes.most_common()[0], sizes.most_common()[-1]
        if n_most > IMBALANCE * n_least:
            message = (
                f"The largest class {most!r} has {n_most:,} examples, the smallest {least!r} {n_least:,}; "
                "look at balanced accuracy, and ask for balanced weights if rare classes matter as much."
            )
            found.append(Finding("imbalance", (), message, "warning", {"sizes": dict(sizes.most_common())}))
    return tuple(found)
