"""What the bytes of a video's container tell before it is opened: which one it is, and whether all of it is there."""

from collections.abc import Iterator

CONTAINERS = {
    "MP4": "mov",
    "MOV": "mov",
    "WEBM": "matroska",
    "MKV": "matroska",
    "AVI": "avi",
    "FLV": "flv",
    "WMV": "asf",
    "MPEG": "mpeg",
    "MTS": "mpegts",
}
"""FFmpeg's name for the reader of each container."""
PACKET = 188
"""Bytes of a packet of a transport stream (ISO/IEC 13818-1); on discs each has 4 bytes of time in front."""
OPEN_SIZE = 0x7FFF0000
"""An AVI that claims this many bytes or more, or none, was written by a program that did not know the length."""


def sniff(content: bytes) -> str:
    """Return the container that the first bytes show, a key of CONTAINERS, or ``unknown``."""
    head = content[:64]
    if head[4:8] == b"ftyp":
        return "MOV" if head[8:12] == b"qt  " else "MP4"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot"):
        return "MOV"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "WEBM" if b"webm" in head else "MKV"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    for magic, name in ((b"FLV\x01", "FLV"), (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV"), (b"\0\0\x01\xba", "MPEG")):
        if head.startswith(magic):
            return name
    for first, each in ((0, PACKET), (4, PACKET + 4)):
        if all(content[first + each * count : first + each * count + 1] == b"G" for count in range(3)):
            return "MTS"
    return "unknown"


def missing(content: bytes, name: str) -> str:
    """Return in words what a container lacks of what it promises; empty where it lacks nothing or does not say."""
    if CONTAINERS[name] == "mov":
        kinds, end = set[bytes](), 0
        for kind, after in _boxes(content):
            kinds.add(kind)
            end = after
        if end <= len(content) and b"moov" not in kinds:
            return "one without its index (moov), which is written last"
    elif name == "AVI":
        end = _riff_end(content)
    elif CONTAINERS[name] == "matroska":
        end = _segment_end(content)
    else:
        return ""
    return f"{len(content):,} of the {end:,} bytes that its header promises" if end > len(content) else ""


def _boxes(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield kind and end of each box at the top of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4], "big"), bytes(content[at + 4 : at + 8])
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        elif size == 0:
            size = len(content) - at
        if size < 8:  # no box: what stands behind the last one is none of our business
            return
        at += size
        yield kind, at


def _riff_end(content: bytes) -> int:
    """Return where the last RIFF chunk of an AVI says that it ends; a large one has several."""
    at = 0
    while content[at : at + 4] == b"RIFF" and at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if not 0 < size < OPEN_SIZE:
            return 0
        at += 8 + size + size % 2
    # The byte that pads an odd size may be left out at the end.
    return at - 1 if at == len(content) + 1 else at


def _segment_end(content: bytes) -> int:
    """Return where a Matroska file's segment says that it ends, 0 where it does not say (RFC 8794, sections 4 to 6)."""
    at = 0
    for _ in range(2):
        width = _width(content[at : at + 1])
        at += width
        long = _width(content[at : at + 1])
        if not width or not long or at + long > len(content):
            return 0
        size = int.from_bytes(content[at : at + long], "big") & ((1 << 7 * long) - 1)
        at += long + size
        if size == (1 << 7 * long) - 1:
            return 0
    return at


def _width(first: bytes) -> int:
    """Return how many bytes an EBML number takes that begins with this byte; 0 for none."""
    return 9 - first[0].bit_length() if first and first[0] else 0
