"""The README's table of results on texts and recordings: real data, the defaults, and what the ladder found."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks import photos, texts
from benchmarks.accuracy import STRATEGIES, accuracy, cold, row, rungs
from benchmarks.fits import Fit
from benchmarks.tables import Table, at_least, checks, percent

LEAST = {"banking77": 0.925, "esc10": 0.87, "fsdd": 0.97}
"""The test accuracy that the defaults are to reach."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the results, the ladders, and the promises."""
    found: dict[tuple[str, str], Fit] = {}
    for name in LEAST:
        for strategy in STRATEGIES:
            found[name, strategy] = cold(source(name, quick=quick), strategy)
    columns = ("data", "strategy", "shipped", "test accuracy", "95 % interval", "n", "seconds")
    yield Table(
        "Results on texts (MiniLM-L6) and recordings (EfficientNet-Lite0 on log-mel pictures)",
        columns,
        [row(*key, one) for key, one in found.items()],
    )
    columns = ("data", "rung", "validation accuracy", "n", "against", "p", "", "seconds")
    ladders = [cells for name in LEAST for cells in rungs(name, found[name, "auto"])]
    notes = [f"{name}: {' '.join(found[name, 'auto'].outcome['sentences'])}" for name in LEAST]
    yield Table("The ladders on texts and recordings", columns, ladders, notes)
    least = [
        at_least(f"{name}, auto: test accuracy", accuracy(found[name, "auto"])["value"], wanted, percent)
        for name, wanted in LEAST.items()
    ]
    yield checks("What was to be reached on texts and recordings", least)


def source(name: str, *, quick: bool) -> Path:
    """Return the data of that name, or a few of each class of it. Raises Skipped where it is absent."""
    if name == texts.NAME:
        return texts.some(4, 100) if quick else photos.real(name)
    return photos.some(name, 10) if quick else photos.real(name)
