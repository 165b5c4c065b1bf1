"""Small values that travel between the floors of the house; they hold data and know nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Literal, cast

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
LARGE_BYTES = 64 << 20
"""From this size on a file may be read where it lies."""
Device = Literal["auto", "cpu", "cuda", "mps"]
LabelForm = Literal["class", "set", "number"]
"""What a label is: one class, a set of labels (joined by ``|``), or a number."""

Progress = Callable[[str, int, int], None]
"""``progress(what, done, total)``: called from the working thread, cheap, never raises."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that shows nothing; the default of the Python interface's inner functions."""


@dataclass(frozen=True)
class Example:
    """One labelled input: where its bytes are and what the person says of it."""

    source: str
    """What is shown to the person: the path as given, or ``array 3``."""
    label: str | None = None
    """Class name, a set's names joined by ``|``, or a number as text; None where inputs are only predicted."""
    path: Path | None = None
    """The file, or None where the bytes came with the example."""
    content: bytes | None = field(default=None, repr=False)
    """The encoded bytes where they did not come from a file."""
    part: Part | None = None
    """The part that the person put it in, or None: Graft decides."""
    group: str | None = None
    """Examples of one group (a patient, a burst) always share a part."""
    columns: Mapping[str, str | None] = field(default_factory=dict, hash=False, repr=False)
    """Further cells of its row that were asked for, by column; None where a cell is empty."""

    def read(self, *, in_place: bool = False) -> bytes:
        """Return the encoded bytes. Raises OSError if the file cannot be read.

        With ``in_place`` a file of 64 MiB or more comes as a memory map (sliced, searched, hashed and read like bytes,
        and of no weight in memory), for whoever reads it piece by piece.
        """
        if self.content is not None:
            return self.content
        if self.path is None:
            raise FileNotFoundError(f"{self.source} has neither a path nor content")
        if in_place and self.path.stat().st_size >= LARGE_BYTES:
            with self.path.open("rb") as file:
                return cast(bytes, mmap(file.fileno(), 0, access=ACCESS_READ))
        return self.path.read_bytes()


@dataclass(frozen=True)
class Estimate:
    """A metric that is never bare: its value, its 95 % interval and the number of items behind it."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        """Return ``{"value", "low", "high", "n"}``."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


@dataclass(frozen=True, kw_only=True)
class Alike:
    """From when on two inputs are near duplicates; the defaults are those of pictures."""

    alone: float = 0.92
    """Centred cosine from which the features alone decide, so that mirrored and moved copies are found."""
    both: float = 0.80
    """Centred cosine from which features and hash together decide,"""
    bits: int = 8
    """where at most so many bits of the hash differ."""
    same_hash: int = 2
    """Differing bits up to which the hash alone decides; resized copies keep it, but not the features."""
    unlike: float = 0.5
    """Raw cosine below which equal hashes say nothing: blank pictures of two colours have the same hash."""


@dataclass(frozen=True)
class Finding:
    """One thing that the audit noticed: its kind, the files it concerns, a sentence for the person."""

    kind: str
    """Stable snake_case name, such as ``unreadable`` or ``duplicate_across_parts``."""
    files: tuple[str, ...]
    """The sources concerned; for duplicates the members of one set."""
    message: str
    """One sentence: what was seen and what Graft did with it."""
    severity: Literal["note", "warning", "error"] = "warning"
    """``error``: set aside; ``warning``: look at it; ``note``: handled, for the record."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts behind the sentence (distances, counts, labels)."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON data."""
        return {
            "kind": self.kind,
            "files": list(self.files),
            "message": self.message,
            "severity": self.severity,
            "details": dict(self.details),
        }


def digest(*parts: bytes | str) -> str:
    """Return the sha-256 in hex of the parts, each preceded by its length so that no two lists collide."""
    state = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


@dataclass(frozen=True)
class Listener:
    """Who is told how a verb is getting on; the default listens to nothing."""

    progress: Progress = silent
    """Called often, from any thread, with what is done of what."""
    say: Callable[[str], None] = lambda sentence: None
    """Called with each sentence that a person should read while the work goes on."""
