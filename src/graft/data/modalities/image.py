"""Images: the names and the first bytes of the formats that people keep photos and scans in."""

from dataclasses import dataclass
from typing import ClassVar

from graft.data.modalities._base import Modality

_STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",
)
_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".avif",
    ".heic", ".heif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
})  # fmt: skip
_FTYP_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)


@dataclass(frozen=True, kw_only=True)
class Image(Modality):
    """Still images; HEIC is listed so that it is set aside with a reason and not passed over."""

    suffixes: ClassVar[frozenset[str]] = _SUFFIXES
    plural: ClassVar[str] = "images"

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Say whether the bytes begin an image; formats without a sure signature (PPM, TGA) need their name."""
        if head.startswith(_STARTS):
            return True
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return True
        if head[4:8] == b"ftyp" and head[8:12] in _FTYP_BRANDS:
            return True
        # "BM" alone begins many a text: the size of the second header makes it sure.
        return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
