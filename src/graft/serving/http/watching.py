"""What a server remembers of what it was asked: rolling statistics for drift; inputs only where a folder is given."""

import threading
from typing import Any

import numpy as np

from graft.doubt.judging import Doubt, Verdict
from graft.serving.drift import Rolling


class Watching:
    """The statistics of one version of a model; safe from any thread."""

    def __init__(self, doubt: Doubt) -> None:
        self.rolling = Rolling(doubt)
        self.lock = threading.Lock()

    def add(self, vectors: np.ndarray, sure: np.ndarray | None) -> list[Verdict]:
        """Take in inputs of vectors (n, width), answered with probabilities ``sure`` (n,); return the verdicts."""
        with self.lock:
            verdicts = self.rolling.add(vectors, sure)
            taken = self.rolling.take()
        if taken is not None:
            # A look takes a tenth of a second, in which nobody is to wait for an answer.
            threading.Thread(target=self._look, args=taken, name="graft-drift", daemon=True).start()
        return verdicts

    def _look(self, values: np.ndarray, told: np.ndarray) -> None:
        found = self.rolling.compared(values, told)
        with self.lock:
            self.rolling.note(found)

    def told(self) -> dict[str, Any]:
        """Return what was seen so far, as plain JSON."""
        with self.lock:
            one = self.rolling
            return {
                "inputs": one.total,
                "looks": one.looks,
                "alarms": one.alarms,
                "every": one.size,
                "last": one.last.to_json() if one.last else None,
            }

    def statistics(self) -> dict[str, Any]:
        """Return all that is kept: what ``graft watch --log`` reads."""
        with self.lock:
            return self.rolling.to_json()
