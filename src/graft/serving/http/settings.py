"""What a server is asked to be: its limits, and where and for whom it answers."""

from dataclasses import dataclass, field
from pathlib import Path

GRACE = 30
"""Seconds in which a server that is stopped answers what it was asked."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may ask for, and how many may ask at once."""

    bytes: int = 16 << 20
    """The most bytes of a request."""
    pixels: int = 50_000_000
    """An image of more pixels is refused before it is decoded."""
    seconds: float = 600.0
    """A longer recording or video is refused."""
    inputs: int = 64
    """The most inputs of one request."""
    queue: int = 128
    """Inputs that may wait or be worked on; a request beyond them is answered with 503."""
    rate: float = 0.0
    """Requests a second that one address may make on average, twice as many at once; 0: as many as it likes."""
    answer_seconds: float = 10.0
    """A request that has waited so long for its answer is given up with 504."""
    body_seconds: float = 15.0
    """So long may a client take to send its headers, and again its body."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server answers, and who may ask."""

    host: str = "127.0.0.1"
    """The address that is listened on."""
    port: int = 8000
    """0 takes a free one."""
    certificate: Path | None = None
    """PEM file with the certificate chain, for https."""
    private_key: Path | None = None
    """PEM file with the certificate's private key."""
    key_file: Path | None = None
    """File with the hash of the key, made where it is missing; None makes a new key at every start."""
    open: bool = False
    """Answer without a key; on this machine's own address alone."""
    keep: Path | None = None
    """Folder for inputs whose answers are not accepted; None keeps none."""
    keep_most: int = 1000
    """The most inputs of a model that are kept."""
    watch_seconds: float = 2.0
    """How often model folders are looked at for a new version; 0: only when asked by /admin/reload."""
    limits: Limits = field(default_factory=Limits)

    @property
    def local(self) -> bool:
        """Whether only this machine can ask."""
        return self.host in LOOPBACK
