"""What a person sees while a verb works: progress bars and sentences, all on standard error."""

import json
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graft.types import Listener


@contextmanager
def watching(quiet: bool = False) -> Iterator[Listener]:
    """Yield a listener that draws on standard error; ``quiet`` keeps to sentences, for logs and ``--json``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet or not console.is_terminal:
        yield Listener(say=lambda sentence: console.print(inert(sentence), markup=False))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(),
    )
    lock = threading.Lock()
    with Progress(*columns, console=console, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            with lock:
                if what not in shown:
                    shown[what] = bars.add_task(what, total=total)
                bars.update(shown[what], completed=done, total=total, visible=done < total)

        yield Listener(progress, lambda sentence: bars.console.print(inert(sentence), markup=False))


def inert(text: str) -> str:
    """Return text in which nothing steers the terminal: a control character in a file name becomes ``\\x1b``."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) != "Cc" else f"\\x{ord(char):02x}" for char in text
    )


def emit(plain: Mapping[str, Any]) -> None:
    """Print one JSON object, the only thing on standard output."""
    escaped = str(getattr(sys.stdout, "encoding", "")).lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(plain, ensure_ascii=escaped, allow_nan=False) + "\n")


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table on standard output; file names are shown as they are, never read as markup."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(inert(cell)) for cell in row))
    Console(highlight=False).print(drawn)


def estimates(test: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return table rows of metrics in their JSON form: name, value, interval, n."""
    return [
        [name.replace("_", " "), f"{one['value']:.3f}", f"{one['low']:.3f} to {one['high']:.3f}", str(one["n"])]
        for name, one in test.items()
    ]


def megabytes(count: int) -> str:
    """Return a byte count as a person reads it."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{count} B"
