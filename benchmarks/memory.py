"""Whether the peak memory of a fit grows with the number of photos."""

from collections.abc import Iterator

from benchmarks import child, photos
from benchmarks.fits import Fit, fit
from benchmarks.tables import Check, Table, at_most, checks, megabytes, times

LIMIT = 1.3
BUDGET = "4m"


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the peak of a fit of few photos and of ten times as many, for the probe and for the ladder."""
    few, many = (100, 400) if quick else (1_000, 10_000)
    found: list[Check] = []
    notes: list[str] = []
    for strategy in ("linear_probe", "auto"):
        small, large = peak(few, strategy), peak(many, strategy)
        ratio = large.peak_bytes / small.peak_bytes
        detail = f"{megabytes(small.peak_bytes)} and {megabytes(large.peak_bytes)}"
        found.append(at_most(f"{strategy}, {many:,} photos to {few:,}", ratio, LIMIT, times, detail))
        rungs = ", ".join(one["strategy"] for one in large.outcome["rungs"])
        notes.append(f"{strategy} of {many:,} took {large.seconds:.0f} s and tried {rungs}.")
    title = "Peak memory of a fit: JPEGs of 96 x 96 drawn from a seed"
    yield checks(title, found, [*notes, f"The ladder had a budget of {BUDGET}."])


def peak(count: int, strategy: str) -> Fit:
    """Return a cold fit of so many small photos."""
    source = photos.tiny(count)
    with child.folder() as cache:
        return fit(source, cache, strategy=strategy, budget=BUDGET)
