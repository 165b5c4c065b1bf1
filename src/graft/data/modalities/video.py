"""Video: the names and the first bytes of the containers that people keep clips in."""

from dataclasses import dataclass
from typing import ClassVar

from graft.data.modalities._base import Modality

_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska and WebM
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # Windows Media
    b"\x00\x00\x01\xba",  # MPEG program stream
)
_FOREIGN_BRANDS = (b"M4A", b"M4B", b"avif", b"avis", b"heic", b"heix", b"mif1")
"""What an ISO base media file may also be: sound, or a still picture."""
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")


@dataclass(frozen=True, kw_only=True)
class Video(Modality):
    """Clips and films; a file with sound alone that is called so is set aside with the reason."""

    suffixes: ClassVar[frozenset[str]] = frozenset({
        ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".webm", ".mkv", ".avi", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".mts",
        ".m2ts",
    })  # fmt: skip
    plural: ClassVar[str] = "videos"
    networks: ClassVar[tuple[str, ...]] = ("image",)

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Say whether the bytes begin a video; a transport stream, without a sure signature, needs its name."""
        if head.startswith(_STARTS):
            return True
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return True
        if head[4:8] == b"ftyp":
            return not head[8:12].startswith(_FOREIGN_BRANDS)
        return head[4:8] in _OLD_QUICKTIME
