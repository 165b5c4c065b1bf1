"""Photos and other pictures: decoded upright in RGB, short side resized with antialiasing, centre cropped, uint8."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image as Picture

from graft.errors import SettingError, must
from graft.preprocess import _image_augment, _image_decode, _image_features, _image_resize
from graft.preprocess._base import Facts, Preprocess, rebuilt
from graft.preprocess._findings import Findings
from graft.preprocess._image_inspect import Header, read_header
from graft.preprocess._image_pillow import thumbnail
from graft.types import Finding

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""

WIDEST = 4
"""An image longer than this many times its short side is cut to it before resizing: the crop never shows more."""


@dataclass(frozen=True, kw_only=True)
class Image(Preprocess):
    """Images: bytes in, uint8 (3, height, width) of ``size`` out; normalisation belongs to the backbone."""

    modality: ClassVar[str] = "image"
    spoilt: ClassVar[str] = "spoilt"

    size: tuple[int, ...] = (224, 224)
    """Height and width in pixels of what the backbone takes."""
    resize: int = 256
    """The short side is resized to this many pixels before the centre crop."""
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    """How pixels are resampled; always with antialiasing."""
    max_pixels: int = 178_956_970
    """An image whose header claims more pixels is refused before it is decoded."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError."""
        if len(self.size) != 2 or min(self.size) < 1:
            raise SettingError(must("size", "two positive integers, height and width", self.size, "Give 224,224"))
        if self.resize < max(self.size):
            wanted = f"at least the crop's longer side, {max(self.size)}"
            raise SettingError(must("resize", wanted, self.resize, "Raise resize or lower size"))
        if self.max_pixels < 1:
            raise SettingError(must("max_pixels", "a positive integer", self.max_pixels, "Give a larger one"))

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, height, width)."""
        return (3, *self.size)

    @property
    def dtype(self) -> str:
        """``uint8``."""
        return "uint8"

    def inspect(self, content: bytes, source: str) -> Facts:
        """Read the header of one image; takes some microseconds, decodes nothing, never raises for bad content."""
        header = read_header(content, self.max_pixels)
        return Facts(header.format, header.shape, findings(header, source))

    def decode(self, content: bytes) -> np.ndarray:
        """Return the picture as uint8 (height, width, 3), upright RGB. Raises UnreadableInputError."""
        return _image_decode.decode(content, side=self.resize, max_pixels=self.max_pixels)

    def noise(self, seed: int) -> np.ndarray:
        """Return a picture of random pixels, uint8 (height, width, 3), as large as ``fit`` makes it."""
        return np.random.default_rng(seed).integers(0, 256, (*self.shape[1:], 3), dtype=np.uint8)

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0, uint8 (3, height, width): short side resized to ``resize``, then the centre.

        The reference is torchvision's Resize and CenterCrop with antialiasing, which is Pillow's resize but for
        roundings of one or two levels.
        """
        pixels = _narrow(decoded)
        resized = _image_resize.resized(pixels, _image_resize.fitting(pixels, self.resize), self.interpolation)
        return _image_resize.centred(resized, self.size)

    def fit_light(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0 as Pillow makes it: where a place differs from ``fit``, it is by one or two levels of 255."""
        pixels = _narrow(decoded)
        size = _image_resize.fitting(pixels, self.resize)
        return _image_resize.centre_by_pillow(pixels, size, self.size, self.interpolation)

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return a view, uint8 (3, height, width), augmented as ``augmentation`` says and ``seed`` alone decides.

        The same seed makes the same change to every picture: derive it from the input as well as from the view.
        Raises SettingError for an unknown name.
        """
        return _image_augment.augment(self, decoded, augmentation, seed, self.interpolation)

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _image_augment.augmentations()

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _image_augment.check_augmentation(text)

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as uint8 (3, 32, 32)."""
        return _image_features.miniature(fitted)

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the 64-bit DCT hashes uint64 (n,) of miniatures (Zauner 2010)."""
        return _image_features.perceptual_hashes(miniatures)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return a colour histogram and HOG of a view 0, float32 (964,)."""
        return _image_features.simple_features(fitted)

    def picture(self, content: bytes, side: int) -> bytes:
        """Return a WebP with a longest side of at most ``side`` pixels. Raises UnreadableInputError."""
        picture = Picture.fromarray(_image_decode.decode(content, side=side, max_pixels=self.max_pixels))
        return thumbnail(picture, side)

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the modality and the version of the recipe."""
        return {"modality": self.modality, "recipe": RECIPE, **asdict(self), "size": list(self.size)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Image":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        return rebuilt(cls, data, RECIPE)


def _narrow(decoded: np.ndarray) -> np.ndarray:
    """Return the middle of a very long picture: 1 x 5,000 pixels would otherwise be resized to 256 x 1,280,000."""
    for axis in (0, 1):
        long, short = decoded.shape[axis], decoded.shape[1 - axis]
        if long > WIDEST * short:
            # Of the same parity as the whole, so that the middle stays in the middle.
            kept = WIDEST * short + (long - WIDEST * short) % 2
            start = (long - kept) // 2
            decoded = decoded[start : start + kept] if axis == 0 else decoded[:, start : start + kept]
    return decoded


SUFFIXES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".apng": "PNG", ".gif": "GIF",
    ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF", ".heic": "HEIC",
    ".heif": "HEIC", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".ppm": "PPM", ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}  # fmt: skip


def findings(header: Header, source: str) -> tuple[Finding, ...]:
    """Return what is odd about an image; the message tells what Graft does with it."""
    told = Findings(source)
    note = told.note
    told.begin(header, "image", SUFFIXES, shape=list(header.shape))
    if header.fault is not None:
        return tuple(told.found)
    if header.orientation != 1:
        message = "Its EXIF orientation says that it is turned or mirrored; it is turned upright."
        note("exif_rotation", message, orientation=header.orientation)
    if header.alpha:
        note("alpha", "It can be transparent; what is transparent is shown on white.")
    if header.grey:
        note("greyscale", "It is greyscale; the three colours are given the same value.")
    if header.cmyk:
        note("cmyk", "It is in CMYK for print; colours are converted without its profile.", "warning")
    if header.bits > 8:
        note("sixteen_bit", "It has more than 8 bits a channel; they are scaled to 8.", bits=header.bits)
    if header.animated:
        note("animated", "It has several frames or pages; only the first is used.", "warning")
    return tuple(told.found)
