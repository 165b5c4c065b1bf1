"""Tables in Markdown, ready for the README: what was measured, what was promised, and whether it was kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median


class Skipped(Exception):
    """A table that cannot be made here; its text is the sentence that says why."""


@dataclass(frozen=True)
class Check:
    """One promise and the figure that was seen."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    """None where nothing was promised."""

    def cells(self) -> list[str]:
        """Return the row of a table of checks."""
        return [self.what, self.figure, self.target, "" if self.met is None else "met" if self.met else "**not met**"]


@dataclass(frozen=True)
class Table:
    """One table and the sentences below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())

    def __str__(self) -> str:
        lines = [f"### {self.title}", "", _line(self.columns), _line("---" for _ in self.columns)]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes), ""])


def checks(title: str, found: Sequence[Check], notes: Sequence[str] = ()) -> Table:
    """Return the table of some promises."""
    return Table(title, ("what", "figure", "target", ""), [one.cells() for one in found], notes)


def at_most(what: str, value: float, limit: float, say: Callable[[float], str], detail: str = "") -> Check:
    """Return the check that ``value`` is at most ``limit``; ``say`` writes both."""
    return Check(what, say(value) + (f" ({detail})" if detail else ""), f"at most {say(limit)}", value <= limit)


def at_least(what: str, value: float, limit: float, say: Callable[[float], str], detail: str = "") -> Check:
    """Return the check that ``value`` is at least ``limit``."""
    return Check(what, say(value) + (f" ({detail})" if detail else ""), f"at least {say(limit)}", value >= limit)


def seconds(value: float) -> str:
    """Return a time as a person reads it."""
    return f"{1000 * value:.1f} ms" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def times(value: float) -> str:
    """Return a ratio."""
    return f"{value:.2f} x"


def percent(value: float) -> str:
    """Return a share."""
    return f"{100 * value:.1f} %"


def megabytes(value: float) -> str:
    """Return bytes in MB."""
    return f"{value / 1e6:,.0f} MB"


def spread(values: Sequence[float], say: Callable[[float], str] = seconds) -> str:
    """Return the median and, of several values, the smallest and largest."""
    if len(values) == 1:
        return say(values[0])
    return f"{say(median(values))} [{say(min(values))} to {say(max(values))}]"


def _line(cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"  # type: ignore[attr-defined]
