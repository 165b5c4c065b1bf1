"""What an image's header tells, read without decoding a pixel: real format, size, orientation, oddities, faults."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from graft.errors import must
from graft.preprocess._findings import Fault
from graft.preprocess._image_pillow import opened

WEBP_LONGEST = 16_383
"""The longest side in pixels that a frame of a WebP can have."""

ANOTHER = "Export it again as JPEG or PNG"


@dataclass(frozen=True)
class Header:
    """What the header of one image says."""

    format: str
    """``JPEG``, ``PNG``, ``GIF``, ``WEBP``, ``BMP``, ``TIFF``, ``AVIF``, ``JPEG2000``, ``PPM`` or ``unknown``."""
    height: int = 0
    """Pixels, as stored: before the EXIF rotation."""
    width: int = 0
    orientation: int = 1
    """EXIF orientation, 1 (upright) to 8."""
    grey: bool = False
    cmyk: bool = False
    alpha: bool = False
    bits: int = 8
    """Bits a channel."""
    animated: bool = False
    fault: Fault | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) as the person sees it, EXIF rotation applied."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


class _Broken(ValueError):
    """The header cannot be read to its end."""


def read_header(content: bytes, max_pixels: int) -> Header:
    """Return the header of an image; never raises for bad content, but fills ``fault``."""
    if not content:
        return Header("unknown", fault=Fault("zero_size", must("The image", "a file with content", "0 bytes", ANOTHER)))
    name = sniff(content)
    if name not in PARSERS:
        what = f"a {name} file" if name != "unknown" else f"bytes that begin with {content[:8]!r}"
        wanted = "a JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF, JPEG 2000 or PPM image"
        return Header(name, fault=Fault("unreadable", must("The file", wanted, what, ANOTHER)))
    try:
        header = PARSERS[name](content)
    except _Broken as error:
        return Header(name, fault=_broken(name, str(error)))
    except (struct.error, IndexError):
        return Header(name, fault=_broken(name, "a header that ends too early"))
    if header.fault is not None:
        return header
    if header.height < 1 or header.width < 1:
        size = f"{header.width} x {header.height}"
        return replace(header, fault=Fault("zero_size", must("The image", "at least one pixel large", size, ANOTHER)))
    if header.height * header.width > max_pixels:
        size = f"a header of {header.width:,} x {header.height:,} pixels"
        do = "Scale it down, or raise the limit with --max-pixels if you trust the file"
        fault = Fault("too_large", must("The image", f"at most {max_pixels:,} pixels large", size, do))
        return replace(header, fault=fault)
    return header


def sniff(content: bytes) -> str:
    """Return the format that the first bytes show, or ``unknown``."""
    for magic, name in MAGIC:
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6") and content[2:3].isspace():
        return "PPM"
    if content[4:8] == b"ftyp":
        brands = content[8:40]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if any(brand in brands for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")):
            return "HEIC"
    return "unknown"


def _broken(name: str, got: str) -> Fault:
    return Fault("unreadable", must("The image", f"a complete {name} file", got, "Copy it again from its source"))


def _jpeg(data: bytes) -> Header:
    at, orientation, frame = 2, 0, None
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise _Broken("a header that ends too early")
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            raise _Broken("a JPEG without a picture")
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == 0xE1 and not orientation and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[at + 10 : at + 2 + length])
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = struct.unpack_from(">BHHB", data, at + 4)
        elif marker == 0xDA:
            break
        at += 2 + length
    if frame is None:
        raise _Broken("a JPEG without a size")
    bits, height, width, channels = frame
    header = Header("JPEG", height, width, orientation or 1, grey=channels == 1, cmyk=channels == 4, bits=bits)
    # The search starts at the scan, since a thumbnail in the header has an end marker of its own.
    if data.rfind(b"\xff\xd9", at) < 0:
        return replace(header, fault=_broken("JPEG", "a file that ends before the picture does"))
    return header


def exif_orientation(block: bytes) -> int:
    """Return the orientation, 1 to 8, of an EXIF block that begins with its TIFF header; 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return 1
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, at)
        if tag == 0x0112:
            return value if kind == 3 and 1 <= value <= 8 else 1
    return 1


def _png(data: bytes) -> Header:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR" or colour not in (0, 2, 3, 4, 6):
        raise _Broken("a header that makes no sense")
    alpha, animated, orientation, at = colour in (4, 6), False, 1, 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"IDAT", b"IEND"):
            break
        alpha |= kind == b"tRNS"
        animated |= kind == b"acTL"
        if kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : at + 8 + length])
        at += 12 + length
    header = Header(
        "PNG", height, width, orientation, grey=colour in (0, 4), alpha=alpha, bits=max(bits, 8), animated=animated
    )
    if data.rfind(b"IEND", at) < 0:
        return replace(header, fault=_broken("PNG", "a file that ends before the picture does"))
    return header


def _gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    frames, alpha = 0, False
    while frames < 2 and at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            frames += 1
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if frames == 1:
                # Pillow enlarges the canvas to a first frame that sticks out of it.
                width, height = max(width, left + wide), max(height, top + high)
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            alpha |= frames == 0 and data[at + 1] == 0xF9 and bool(data[at + 3] & 1)
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    if not frames:
        raise _Broken("a GIF without a picture")
    return Header("GIF", height, width, alpha=alpha, animated=frames > 1)


def _webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    kind, orientation, alpha, animated = data[12:16], 1, False, False
    if kind == b"VP8X":
        flags = data[20]
        alpha, animated = bool(flags & 0x10), bool(flags & 0x02)
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        if max(width, height) > WEBP_LONGEST:
            # A canvas that no frame can fill; libwebp would allocate it twice all the same.
            raise _Broken("a header that makes no sense")
        at = data.rfind(b"EXIF") if flags & 0x08 else -1
        if at >= 0:
            orientation = exif_orientation(data[at + 8 :].removeprefix(b"Exif\0\0"))
    elif kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        width, height, alpha = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), bool(packed >> 28 & 1)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise _Broken("a header that makes no sense")
    header = Header("WEBP", height, width, orientation, alpha=alpha, animated=animated)
    if len(data) < size + 8:
        return replace(header, fault=_broken("WEBP", "a file that ends before the picture does"))
    return header


def _bmp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(height), abs(width))


def _by_pillow(name: str) -> Callable[[bytes], Header]:
    def parse(data: bytes) -> Header:
        try:
            with opened(data, name, quiet=name == "TIFF") as image:
                mode, tags = image.mode, getattr(image, "tag_v2", {})
                deep = mode.startswith(("I", "F")) or 16 in _values(tags.get(258))
                (turned,) = _values(tags.get(274)) or (exif_orientation(_exif(image)),)
                # Pillow tells the size of a turned TIFF as it will be once upright.
                wide, high = image.size if name != "TIFF" or turned < 5 else image.size[::-1]
                return Header(
                    name,
                    high,
                    wide,
                    orientation=turned if 1 <= turned <= 8 else 1,
                    grey=mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;"),
                    cmyk=mode == "CMYK",
                    alpha="A" in mode or "transparency" in image.info,
                    bits=16 if deep else 8,
                    animated=getattr(image, "n_frames", 1) > 1,
                )
        # Pillow's parsers let any exception through for crafted bytes.
        except Exception as error:
            raise _Broken(f"one that cannot be opened ({type(error).__name__})") from error

    return parse


def _values(tag: int | tuple[int, ...] | None) -> tuple[int, ...]:
    return tag if isinstance(tag, tuple) else () if tag is None else (tag,)


def _exif(image: Image.Image) -> bytes:
    block: bytes = image.info.get("exif") or b""
    return block.removeprefix(b"Exif\0\0")


MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"%PDF", "PDF"),
)

PARSERS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WEBP": _webp,
    "BMP": _bmp,
    **{name: _by_pillow(name) for name in ("TIFF", "AVIF", "JPEG2000", "PPM")},
}
