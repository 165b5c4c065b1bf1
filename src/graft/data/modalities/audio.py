"""Sound: the names and the first bytes of the formats that people keep recordings in."""

from dataclasses import dataclass
from typing import ClassVar

from graft.data.modalities._base import Modality

_STARTS = (
    b"fLaC",
    b"OggS",
    b"ID3",  # MP3 with a tag in front
    b"caff",
    b".snd",  # Sun AU
    b"riff\x2e\x91\xcf\x11",  # Sony Wave64
    b"#!AMR",
)
_SUFFIXES = frozenset({
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64",
    ".rf64", ".m4a", ".aac", ".wma", ".amr",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Audio(Modality):
    """Recordings; AAC, WMA and AMR are listed so that they are set aside with a reason and not passed over."""

    suffixes: ClassVar[frozenset[str]] = _SUFFIXES
    plural: ClassVar[str] = "recordings"
    networks: ClassVar[tuple[str, ...]] = ("image",)

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Say whether the bytes begin a recording."""
        if head.startswith(_STARTS):
            return True
        if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
            # The name of a first chunk follows, in printable letters.
            return len(head) >= 16 and all(32 <= letter < 127 for letter in head[12:16])
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return True
        if head[4:8] == b"ftyp" and head[8:11] in (b"M4A", b"M4B"):
            return True
        return _is_mp3_frame(head)


def _is_mp3_frame(head: bytes) -> bool:
    """Say whether the bytes begin with a frame header of MPEG layer III (ISO/IEC 11172-3, 2.4.2.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    reserved_version = head[1] & 0x18 == 0x08
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return not reserved_version and bitrate not in (0, 15) and rate != 3
