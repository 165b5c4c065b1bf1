"""A fit's own folder in the cache: checkpoints that a killed run continues from, and TensorBoard events."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from graft.features import lock
from graft.types import Estimate, digest

EVENTS = "events"


class Journal:
    """The folder of one fit; the same recipe and data find it again, unless another process is at work in it."""

    def __init__(self, root: Path, *identity: str) -> None:
        self.folder = root / "runs" / digest(*identity)[:32]
        self.folder.mkdir(parents=True, exist_ok=True)
        held = lock.seize(self.folder)
        if held is None:
            self.folder = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}-", dir=self.folder.parent))
            held = lock.seize(self.folder)
        self._held = lock.NONE if held is None else held
        self.events = self.folder / EVENTS
        shutil.rmtree(self.events, ignore_errors=True)
        self.events.mkdir(parents=True, exist_ok=True)
        self._writers: dict[str, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        # A fit that failed may be tried again in this process: its folder must be free then.
        if kind is not None:
            self.close()
            self._release()

    def epoch(self, strategy: str, record: Mapping[str, float]) -> None:
        """Write one epoch's record as scalars of the run ``strategy``."""
        step = int(record.get("epoch", 0))
        self._write(strategy, {f"training/{name}": value for name, value in record.items() if name != "epoch"}, step)

    def scores(self, strategy: str, metrics: Mapping[str, Estimate], part: str) -> None:
        """Write metrics of a part as scalars of the run ``strategy``."""
        self._write(strategy, {f"{part}/{name}": one.value for name, one in metrics.items()}, 0)

    def _write(self, run: str, scalars: Mapping[str, float], step: int) -> None:
        # The event writer alone: torch.utils.tensorboard costs seconds of import.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if run not in self._writers:
            self._writers[run] = EventFileWriter(str(self.events / run))
        values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items()]
        writer = self._writers[run]
        assert isinstance(writer, EventFileWriter)
        import time

        writer.add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=values)))
        writer.flush()

    def copy_events(self, folder: Path) -> None:
        """Copy the events into a model folder."""
        self.close()
        if self.events.is_dir():
            shutil.copytree(self.events, folder / EVENTS)

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()  # type: ignore[attr-defined]
        self._writers = {}

    def done(self) -> None:
        """Remove the folder: the fit has ended and its model is written."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        lock.release(self._held)
        self._held = lock.NONE
