"""How near a fit comes to the least that it could take: decoding and one pass of the network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import child, photos
from benchmarks.fits import Fit, fit
from benchmarks.tables import Check, Table, at_most, checks, percent, seconds, spread, times

SAMPLE = 512
"""Photos that routes are compared on."""
SURPLUS = 8.0
"""Seconds above the floor that a cold fit of the real photos may take."""
RATIO, WARM = 1.3, 0.20
COLD = (
    "Cold: not one of the photos has been seen. What OpenVINO compiled for a network is kept, so only the first fit of "
    "a network converts and compiles it."
)


@dataclass
class Runs:
    """Floors and fits of one set of photos, taken in turn."""

    count: int
    """Of the photos."""
    floors: list[float] = field(default_factory=list)
    floor_cpu: list[float] = field(default_factory=list)
    cold: list[Fit] = field(default_factory=list)
    warm: list[Fit] = field(default_factory=list)
    later: list[Fit] = field(default_factory=list)
    """Fits of these photos, never seen, where a fit of others has left the network compiled."""

    def seconds(self, which: str) -> list[float]:
        """Return the seconds of the ``cold``, ``warm`` or ``later`` fits."""
        return [one.seconds for one in getattr(self, which)]


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the routes, and then how fits compare with the fastest of them."""
    small = photos.some("clothing", 4) if quick else photos.real("clothing")
    large = photos.jittered(200 if quick else 5000)
    count = 32 if quick else SAMPLE
    found = child.call("benchmarks.floor:survey", folder=small, count=count, slow=not quick)
    decoder, route = (max(found[kind], key=found[kind].get) for kind in ("decoding", "rates"))
    threads = found["threads"]
    rows = [[f"decode and resize only, {name}", f"{rate:.0f}"] for name, rate in found["decoding"].items()]
    rows += [[name, f"{rate:.0f}"] for name, rate in sorted(found["rates"].items(), key=lambda one: one[1])]
    rows += [[name, f"left out: {why}"] for name, why in found["left_out"].items()]
    decoding = f"Photos are decoded in 2 threads meanwhile, for the floor in 1 or 2: here {threads} was faster."
    notes = [f"The floor: {route}; {decoder}. {decoding}"]
    yield Table("Routes from JPEG to features, EfficientNet-Lite0", ("route", "photos a second"), rows, notes)
    repeats = 1 if quick else 5
    how = {"decoder": decoder, "route": route, "threads": threads}
    few = measure(small, how, repeats)
    many = measure(large, how, repeats, earlier=small)
    title = "A fit with the linear probe against the floor"
    yield checks(title, compared(few, many), [COLD, *(line for runs in (few, many) for line in told(runs))])


def measure(source: Path, how: Mapping[str, Any], repeats: int, earlier: Path | None = None) -> Runs:
    """Take the floor, a cold fit and a warm one in turn, so that all of them meet the same machine.

    ``how`` the floor is taken, as ``floor`` has it. With ``earlier`` photos also a fit that comes after one of those.
    """
    runs = Runs(len(photos.files(source)))
    for _ in range(repeats):
        taken = child.call("benchmarks.floor:floor", folder=source, **how)
        runs.floors.append(taken["seconds"])
        runs.floor_cpu.append(taken["cpu"])
        with child.folder() as cache:
            runs.cold.append(fit(source, cache, strategy="linear_probe"))
            runs.warm.append(fit(source, cache, strategy="linear_probe"))
        if earlier is not None:
            with child.folder() as cache:
                fit(earlier, cache, strategy="linear_probe")
                runs.later.append(fit(source, cache, strategy="linear_probe"))
    return runs


def compared(few: Runs, many: Runs) -> list[Check]:
    """Return the promises for the real photos and for the jittered ones."""
    small, cold = few.count, few.seconds("cold")
    large, first, again, later = many.count, *(many.seconds(which) for which in ("cold", "warm", "later"))
    above = median(fit - floor for fit, floor in zip(cold, few.floors, strict=True))
    # Of each round by itself: from one to the next the machine's own speed differs by more than a tenth.
    after, to_floor, to_cold = (
        median(one / other for one, other in zip(fits, base, strict=True))
        for fits, base in ((later, many.floors), (first, many.floors), (again, first))
    )
    return [
        Check(f"floor, {small:,} photos", spread(few.floors)),
        at_most(f"cold fit, {small:,} photos, above the floor", above, SURPLUS, seconds, f"fit {spread(cold)}"),
        Check(f"floor, {large:,} photos", spread(many.floors)),
        at_most(f"cold fit, {large:,} photos, to the floor", after, RATIO, times, f"fit {spread(later)}"),
        at_most("the same, the network's first fit ever", to_floor, RATIO, times, f"fit {spread(first)}"),
        at_most(f"second fit, {large:,} photos, to the cold one", to_cold, WARM, percent, f"fit {spread(again)}"),
    ]


def told(runs: Runs) -> list[str]:
    """Return where the time of the last fits went, as they themselves tell it."""
    count = f"{runs.count:,}"
    work = [median(one.cpu for one in fits) for fits in (runs.cold, runs.warm)]
    lines = [
        f"Seconds of all cores, {count} photos, which tell more than the clock on a busy machine: "
        f"floor {median(runs.floor_cpu):.1f}, cold fit {work[0]:.1f}, second fit {work[1]:.1f}."
    ]
    for which, one in (("Cold fit", runs.cold[-1]), ("Second fit", runs.warm[-1])):
        lines.append(f"{which} of {count}, seconds: {one.parts()}. Imports, not counted: {one.imports:.1f}.")
    return lines
