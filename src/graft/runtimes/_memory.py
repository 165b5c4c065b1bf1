"""The choice of a runtime, and its memory: made once, it holds for every later run on the same machine."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from graft.runtimes._agree import Agreement
from graft.runtimes._blob import machine
from graft.types import digest


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which runtime was chosen for a module, and what was measured on the way."""

    runtime: str
    precision: str
    device: str
    batch: int
    version: str
    """Of the library that computes."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Inputs a second of each candidate that was tried, such as ``{"openvino:bfloat16": 700.0}``; in competition with
    whatever else ran, so only their ratios mean something."""
    agreement: Agreement | None = None
    """With float32 torch; None where it is float32 torch."""
    reason: str = ""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""
    small: bool = False
    """True where nothing but torch was tried, since the job was small."""
    threads: int = 0
    """Of torch on the CPU, whose last bits depend on them; 0 elsewhere."""
    torch_seconds: float = 0.0
    """Seconds an input in float32 torch."""

    def identity(self) -> dict[str, Any]:
        """Return all that the computed values depend on; part of the store's key."""
        return {
            "runtime": self.runtime,
            "precision": self.precision,
            "device": self.device,
            "batch": self.batch,
            "version": self.version,
            "threads": self.threads,
            "machine": machine(),
        }

    def sentence(self) -> str:
        """Return one sentence for the log."""
        rates = ", ".join(f"{name} {rate:.0f}/s" for name, rate in self.rates.items())
        return f"{self.runtime} in {self.precision} on {self.device}: {self.reason} (measured {rates})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {**asdict(self), "agreement": None if self.agreement is None else self.agreement.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Choice":
        """Return what ``to_json`` described. Raises TypeError or KeyError for anything else."""
        agreement = data["agreement"]
        found = None if agreement is None else Agreement.from_json(agreement)
        return cls(**{**data, "agreement": found, "notes": tuple(data["notes"])})


def _path(cache: Path, wish: Mapping[str, str], *, small: bool) -> Path:
    about = digest(json.dumps(wish, sort_keys=True), machine(), str(torch.__version__))
    return cache / f"choice-{about[:16]}{'-small' if small else ''}.json"


def recall(cache: Path, wish: Mapping[str, str]) -> Choice | None:
    """Return the remembered choice; one that was made for a small job only where there is no other."""
    for small in (False, True):
        found = _read(_path(cache, wish, small=small))
        if found is not None:
            return found
    return None


def _read(path: Path) -> Choice | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        return Choice.from_json(json.loads(path.read_text("utf-8")))
    return None


def forget(cache: Path, wish: Mapping[str, str]) -> None:
    """Drop what was remembered, since it can no longer be had."""
    for small in (False, True):
        with suppress(OSError):
            _path(cache, wish, small=small).unlink(missing_ok=True)


def remember(cache: Path, wish: Mapping[str, str], choice: Choice) -> Choice:
    """Write a choice down in one step, and return the one that holds: the first that was written.

    A folder that cannot be written is no fault here: the choice then holds for this run.
    """
    path = _path(cache, wish, small=choice.small)
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=cache, prefix=".choice-")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(choice.to_json(), file, indent=1)
        try:
            if _read(path) is None:
                path.unlink(missing_ok=True)
            os.link(name, path)
        except FileExistsError:
            pass
        except OSError:
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    return _read(path) or choice
