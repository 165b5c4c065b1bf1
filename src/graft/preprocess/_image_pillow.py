"""Pillow's plug-ins used one by one: only formats that were recognised, no global limits, no warnings, always RGB."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_QUIET = Lock()


@contextmanager
def opened(content: bytes, name: str, *, quiet: bool = False) -> Iterator[ImageFile.ImageFile]:
    """Open an image as the format ``name``, a key of PLUGINS; any exception may come out for bad content.

    ``PIL.Image.open`` is not used: it tries other plug-ins too, and warns of sizes that the header check has allowed.
    With ``quiet`` the warnings of the plug-in are dropped; one image at a time then, since Python's warning
    filters belong to the process.
    """
    if not quiet:
        with PLUGINS[name](io.BytesIO(content)) as image:
            yield image
        return
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PLUGINS[name](io.BytesIO(content)) as image:
            yield image


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB.

    What is transparent is laid on white. Sixteen bits keep their high byte. 32-bit integers and floats are scaled:
    floats within 0 to 1 by 255, values up to 255 as they are, up to 65,535 by 1/257, others from their own
    minimum to maximum. CMYK is converted without its colour profile.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;") or image.mode in ("I", "F"):
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        if image.mode in ("La", "RGBa"):
            image = image.convert(image.mode.upper())
        # In place, since a large picture is some hundreds of megabytes.
        image = image.convert("RGBA")
        image.paste((255, 255, 255, 255), mask=ImageChops.invert(image.getchannel("A")))
        return image.convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(values: np.ndarray) -> np.ndarray:
    if values.dtype.itemsize == 2:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    wide = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(wide.min()), float(wide.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        wide *= 255
    elif low < 0 or high > 65535:
        wide = (wide - low) * (255 / max(high - low, 1e-12))
    elif high > 255:
        wide /= 257
    return np.rint(wide).astype(np.uint8)


def thumbnail(picture: Image.Image, side: int) -> bytes:
    """Return the picture, which is made small in place, as WebP with a longest side of at most ``side`` pixels."""
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()
