"""Encoded bytes to an RGB array: large photos at reduced scale, upright, never half a picture."""

import re

import numpy as np
import simplejpeg

from graft.errors import UnreadableInputError, must
from graft.preprocess._image_inspect import Header, read_header
from graft.preprocess._image_pillow import opened, to_rgb

GAP = 2
"""How many times larger than needed the decoded short side stays, so that the reduction cannot be seen later."""

LARGE = 80_000_000
"""Pillow may warn of sizes from here on, although the header check has allowed them."""

HARMLESS = re.compile(r"extraneous bytes before marker 0x(?!d[0-7])|unknown JFIF revision|Invalid SOS parameters")
"""Complaints of libjpeg that many cameras' files cause and that leave the picture whole.

Extraneous bytes before a restart marker (0xd0 to 0xd7) are not among them: they come from a damaged scan.
"""


def decode(content: bytes, *, side: int, max_pixels: int) -> np.ndarray:
    """Return the image as uint8 (height, width, 3), RGB, upright.

    Its short side is at least ``side`` wherever the file has as much; an image whose short side is ``2 * GAP * side``
    pixels or more is reduced by 2, 4 or 8 while decoding, a JPEG in the frequency domain, others by box averaging.
    Colour profiles are not applied, as in the training of the usual weights. Raises UnreadableInputError.
    """
    header = read_header(content, max_pixels)
    if header.fault is not None:
        raise UnreadableInputError(header.fault.message)
    factor = reduction(min(header.height, header.width), side)
    if header.format == "JPEG" and not header.cmyk and header.bits == 8:
        pixels = _jpeg(content, header, factor)
    else:
        pixels = _by_pillow(content, header, factor)
    # Pillow turns a TIFF upright by itself.
    return pixels if header.format == "TIFF" else upright(pixels, header.orientation)


def reduction(short: int, side: int) -> int:
    """Return by how much an image is reduced while decoding: 1, 2, 4 or 8."""
    return next((factor for factor in (8, 4, 2) if short >= factor * GAP * side), 1)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return (height, width, 3) pixels turned and mirrored as EXIF orientation 1 to 8 asks (EXIF 2.3, tag 0x0112)."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _jpeg(content: bytes, header: Header, factor: int) -> np.ndarray:
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            content, "RGB", min_height=-(-header.height // factor), min_width=-(-header.width // factor)
        )
    except ValueError as error:
        if HARMLESS.search(str(error)):
            return _by_pillow(content, header, factor)
        raise _unreadable(header, str(error)) from error
    return pixels


def _by_pillow(content: bytes, header: Header, factor: int) -> np.ndarray:
    pixels = header.height * header.width
    try:
        with opened(
            content, header.format, quiet=header.format == "TIFF" or header.animated or pixels > LARGE
        ) as image:
            if header.format == "JPEG" and factor > 1:
                image.draft("RGB", (-(-header.width // factor), -(-header.height // factor)))
                factor = 1
            picture = to_rgb(image)
            picture.load()
            return np.array(picture if factor == 1 else picture.reduce(factor))
    # Pillow's parsers let any exception through for crafted bytes; each means that there is no picture.
    except Exception as error:
        raise _unreadable(header, str(error) or type(error).__name__) from error


def _unreadable(header: Header, reason: str) -> UnreadableInputError:
    got = f"a damaged one ({reason.strip().rstrip('.')})"
    wanted = f"a complete {header.format} file"
    return UnreadableInputError(must("The image", wanted, got, "Copy it again from its source"))
