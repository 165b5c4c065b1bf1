"""The README's table of results: real photos, the embedded weights, and what the ladder found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import child, photos
from benchmarks.fits import Fit, fit
from benchmarks.tables import Check, Table, at_least, checks, percent, seconds

DATA = ("clothing", "sign_digits")
STRATEGIES = ("linear_probe", "auto")
STEPS = ("linear_probe", "partial")
CLOTHING, SIGNS = 0.86, 0.97
SEEDS = (1, 2, 3)
"""Further splits, since one split may be a lucky one."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the results, the ladders, and the promises."""
    found: dict[tuple[str, str], Fit] = {}
    for name in DATA:
        source = photos.some(name, 20) if quick else photos.real(name)
        for strategy in STRATEGIES:
            found[name, strategy] = cold(source, strategy)
    columns = ("data", "strategy", "shipped", "test accuracy", "95 % interval", "n", "seconds")
    yield Table("Results on photos, EfficientNet-Lite0", columns, [row(*key, one) for key, one in found.items()])
    columns = ("data", "rung", "validation accuracy", "n", "against", "p", "", "seconds")
    ladders = [cells for name in DATA for cells in rungs(name, found[name, "auto"])]
    notes = [f"{name}: {' '.join(found[name, 'auto'].outcome['sentences'])}" for name in DATA]
    yield Table("The ladders", columns, ladders, notes)
    columns = ("data", "seed", "probe", "partial", "p", "", "test accuracy", "95 % interval", "n")
    again = [
        other(name, seed, cold(photos.some(name, 20) if quick else photos.real(name), "auto", seed=seed))
        for name in DATA
        for seed in (SEEDS[:1] if quick else SEEDS)
    ]
    yield Table("The ladder on other splits", columns, again)
    yield checks("What was to be reached", list(promises(found)))


def cold(source: Path, strategy: str, seed: int = 0) -> Fit:
    """Return a fit on an empty store."""
    with child.folder() as cache:
        return fit(source, cache, strategy=strategy, seed=seed)


def other(data: str, seed: int, one: Fit) -> list[str]:
    """Return the ladder of another split as table cells: the probe and partial fine-tuning, each on what judged it."""
    told = accuracy(one)
    rungs = {rung["strategy"]: rung for rung in one.outcome["rungs"]}
    values = [next(iter(rungs[name]["validation"].values())) if name in rungs else None for name in STEPS]
    cells = ["left out" if value is None else f"{percent(value['value'])} (n={value['n']})" for value in values]
    tuned = rungs.get("partial", {})
    p = f"{tuned['p_value']:.2g}" if tuned else ""
    interval = f"{percent(told['low'])} to {percent(told['high'])}"
    kept = "kept" if tuned.get("kept") else ""
    return [data, str(seed), *cells, p, kept, percent(told["value"]), interval, str(told["n"])]


def accuracy(one: Fit) -> dict[str, Any]:
    """Return the accuracy on test data with its interval."""
    told: dict[str, Any] = one.outcome["test"]["accuracy"]
    return told


def row(data: str, strategy: str, one: Fit) -> list[str]:
    """Return a fit as table cells."""
    told = accuracy(one)
    interval = f"{percent(told['low'])} to {percent(told['high'])}"
    shipped = f"{one.outcome['strategy']}, cut {one.outcome['cut']}"
    return [data, strategy, shipped, percent(told["value"]), interval, str(told["n"]), seconds(one.seconds)]


def rungs(data: str, one: Fit) -> Iterator[list[str]]:
    """Yield the rungs of a ladder as table cells."""
    for rung in one.outcome["rungs"]:
        value = next(iter(rung["validation"].values()))
        p = "" if rung["p_value"] is None else f"{rung['p_value']:.2g}"
        kept = "kept" if rung["kept"] else ""
        against = rung.get("against") or ""
        yield [
            data,
            rung["strategy"],
            percent(value["value"]),
            str(value["n"]),
            against,
            p,
            kept,
            seconds(rung["seconds"]),
        ]


def promises(found: dict[tuple[str, str], Fit]) -> Iterator[Check]:
    """Yield what the fits were to reach."""
    probe, best = (accuracy(found["clothing", strategy]) for strategy in STRATEGIES)
    yield at_least("clothing, auto: test accuracy", best["value"], CLOTHING, percent)
    below = f"{percent(best['value'])} [{percent(best['low'])} to {percent(best['high'])}]"
    target = f"not below {percent(probe['value'])} beyond chance"
    yield Check("clothing: auto against linear_probe", below, target, best["high"] >= probe["value"])
    signs = found["sign_digits", "auto"]
    yield at_least("sign_digits, auto: test accuracy", accuracy(signs)["value"], SIGNS, percent)
    past = [one for one in signs.outcome["rungs"] if one["strategy"] in ("partial", "full") and one["kept"]]
    said = ", ".join(f"{one['strategy']}, p = {one['p_value']:.2g}" for one in past) or "no rung past the probe"
    yield Check("sign_digits: the ladder climbs past the probe", said, "a kept rung, p below 0.05", bool(past))
