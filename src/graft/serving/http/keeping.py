"""Inputs that were not answered with confidence, kept for labelling in a folder that a person named; else none are."""

import csv
import logging
import queue
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from graft.errors import SettingError, must

LOG = logging.getLogger("graft.serve")
TABLE = "to_label.csv"
LABEL = "label"
"""The column to be filled in; as ``graft.data`` has it, which a server does without."""
COLUMNS = ("said", "probability", "unlike", "reason")
WAITING = 64
"""Inputs that wait to be written; what comes beyond them is not kept, so that no answer waits for a disk."""


@dataclass(frozen=True)
class Flagged:
    """One input that was not accepted."""

    model: str
    content: bytes
    ending: str
    """Of its file's name, such as ``.jpeg``; empty for words, which stand in the table itself."""
    cells: tuple[str, ...]
    """What was said of it, as ``COLUMNS`` name it."""


class Keeping:
    """A folder with one folder a model: files named by their content, and a table to be labelled."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.waiting: queue.Queue[Flagged | None] = queue.Queue(WAITING)
        self.known: dict[str, set[str]] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / ".graft"
            probe.touch()
            probe.unlink()
        except OSError as error:
            do = "Name a folder that can be written"
            got = f"{folder} ({error.strerror})"
            raise SettingError(must("--keep", "a folder that can be written", got, do)) from None
        self.thread = threading.Thread(target=self._turn, name="graft-keep", daemon=True)
        self.thread.start()

    def keep(self, flagged: Flagged) -> None:
        """Have an input written, unless too many wait already."""
        try:
            self.waiting.put_nowait(flagged)
        except queue.Full:
            return

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, then end."""
        try:
            self.waiting.put(None, timeout=seconds)
        except queue.Full:
            return
        self.thread.join(seconds)

    def _turn(self) -> None:
        while (one := self.waiting.get()) is not None:
            try:
                self._write(one)
            except OSError as error:
                LOG.warning("an input could not be kept: %s", error.strerror)

    def _write(self, one: Flagged) -> None:
        home = self.folder / one.model
        home.mkdir(mode=0o700, exist_ok=True)
        table, name = home / TABLE, sha256(one.content).hexdigest()[:32]
        known = self.known.setdefault(one.model, _known(table))
        shown = (
            one.content.decode("utf-8", "replace") if not one.ending else str(home.absolute() / f"{name}{one.ending}")
        )
        if shown in known or len(known) >= self.most:
            return
        if one.ending:
            file = Path(shown)
            file.touch(mode=0o600)
            file.write_bytes(one.content)
        fresh = not table.exists()
        if fresh:
            table.touch(mode=0o600)
        with table.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(["path" if one.ending else "text", LABEL, *COLUMNS])
            writer.writerow([shown, "", *one.cells])
        known.add(shown)


def _known(table: Path) -> set[str]:
    """Return the inputs that a table has already."""
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            return {row[0] for row in csv.reader(stream) if row} - {"path", "text"}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
