"""What the first look at an input of any kind says alike: why it cannot be used, and what is odd about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal, Protocol

from graft.types import Finding


@dataclass(frozen=True)
class Fault:
    """Why an input cannot be used."""

    kind: str
    """Such as ``zero_size``, ``unreadable``, ``truncated`` or ``too_large``."""
    message: str


class Headed(Protocol):
    """What every header says."""

    @property
    def format(self) -> str:
        """What the bytes are, or ``unknown``."""

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be used."""


class Findings:
    """The findings of one source."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Finding] = []

    def note(
        self, kind: str, message: str, severity: Literal["note", "warning", "error"] = "note", **details: Any
    ) -> None:
        """Add a finding."""
        self.found.append(Finding(kind, (self.source,), message, severity, details))

    def begin(self, header: Headed, what: str, suffixes: Mapping[str, str], **details: Any) -> None:
        """Add the header's fault, with ``details``, and a name that promises another format.

        ``suffixes`` has the formats that a suffix stands for, with spaces between; ``what`` an input is called.
        """
        if header.fault is not None:
            self.note(header.fault.kind, header.fault.message, "error", format=header.format, **details)
        suffix = PurePath(self.source).suffix.lower()
        if suffix in suffixes and header.format not in (*suffixes[suffix].split(), "unknown"):
            message = f"The name ends in {suffix}, but it is a {header.format} {what}; it is read as what it is."
            self.note("wrong_extension", message, "warning", format=header.format, suffix=suffix)
