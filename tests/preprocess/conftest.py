"""Pictures made from a seed, and their encodings, for the tests of image preprocessing."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Picture

Encode = Callable[..., bytes]


def make_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth picture, uint8 (height, width, 3), whose four corners differ."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.array(Picture.fromarray(coarse).resize((width, height), Picture.Resampling.BICUBIC))


def encoded(pixels: np.ndarray | Picture.Image, name: str = "PNG", **options: object) -> bytes:
    picture = pixels if isinstance(pixels, Picture.Image) else Picture.fromarray(pixels)
    out = io.BytesIO()
    picture.save(out, name, **options)
    return out.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """Return a PNG written by hand: any size in the header, any rows behind it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + png_chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    return make_photo


@pytest.fixture(scope="session")
def encode() -> Encode:
    return encoded


@pytest.fixture(scope="session")
def craft_png() -> Callable[..., bytes]:
    return png


@pytest.fixture(scope="session")
def chunk() -> Callable[[bytes, bytes], bytes]:
    return png_chunk
