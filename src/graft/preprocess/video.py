"""Videos: frames at even times, upright, each prepared as a picture is for the network that will see it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
from PIL import Image as Picture

from graft.errors import ArtifactError, SettingError, must
from graft.preprocess import _augment_names, _image_augment, _image_features, _video_decode, _video_features
from graft.preprocess._base import Facts, Preprocess, rebuilt
from graft.preprocess._findings import Findings
from graft.preprocess._image_pillow import thumbnail
from graft.preprocess._sheet import SHOWN, sheet
from graft.preprocess._video_decode import Header, Limits, read_header
from graft.preprocess.image import Image
from graft.types import Finding

RECIPE = 1
"""Version of the recipe: raise it whenever the same bytes and settings would give other values."""

PRESETS: dict[str, tuple[str, ...]] = {**_image_augment.PRESETS, "auto": ("crop", "rotation", "colour")}
"""Those of images, but mirroring is not automatic: it would turn a move to the left into one to the right."""
MOST_FRAMES = 1024
IMAGE = Image()


@dataclass(frozen=True, kw_only=True)
class Video(Preprocess):
    """Videos: bytes in, uint8 (frames, 3, height, width) out, each frame prepared as ``image`` says."""

    modality: ClassVar[str] = "video"
    spoilt: ClassVar[str] = "spoilt"
    in_place: ClassVar[bool] = True

    image: Image = IMAGE
    """How a frame is prepared: as the backbone's weights expect a picture."""
    frames: int = 8
    """Frames of a video, at the middles of as many equal stretches of its time."""
    pooling: Literal["mean", "max"] = "mean"
    """How the features of the frames become one vector, for heads that take one; rnn reads them in their order."""
    max_seconds: float = 86_400.0
    """A video whose header claims to be longer is refused."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError with all that is wrong."""
        faults = []
        if not 1 <= self.frames <= MOST_FRAMES:
            faults.append(must("frames", f"from 1 to {MOST_FRAMES:,}", self.frames, "Give 8, say"))
        if self.pooling not in ("mean", "max"):
            faults.append(must("pooling", "'mean' or 'max'", repr(self.pooling), "For rnn give --head rnn"))
        if not self.max_seconds > 0:
            faults.append(must("max_seconds", "above 0", self.max_seconds, "Give 86400, say"))
        if faults:
            raise SettingError("\n".join(faults))

    @property
    def shape(self) -> tuple[int, ...]:
        """(3, height, width) of one frame, or (frames, 3, height, width)."""
        return self.image.shape if self.frames == 1 else (self.frames, *self.image.shape)

    @property
    def dtype(self) -> str:
        """``uint8``."""
        return self.image.dtype

    @property
    def _limits(self) -> Limits:
        return Limits(self.image.max_pixels, self.max_seconds)

    @classmethod
    def taking(cls, expected: Preprocess) -> "Video":
        """Return the preprocessing of video for a network of pictures. Raises SettingError for any other network."""
        if isinstance(expected, cls):
            return expected
        if not isinstance(expected, Image):
            do = "Take one of `graft list backbones --modality video`"
            raise SettingError(must("backbone", "one that takes video or images", f"one for {expected.modality}", do))
        return cls(image=expected)

    def limited(self, **limits: int) -> Self:
        """Return it with those of the limits that it, or the preparing of a frame, has."""
        return replace(super().limited(**limits), image=self.image.limited(**limits))

    def inspect(self, content: bytes, source: str) -> Facts:
        """Read the header of a video and its first frame; never raises for bad content.

        The shape is (frames, height, width), the frames counted by the container or, where it does not, by its rate.
        """
        header = read_header(content, self._limits)
        return Facts(header.format, (header.frames, header.height, header.width), findings(header, source))

    def lasts(self, content: bytes) -> float:
        """Return how many seconds a video lasts, as its header says. Raises UnreadableInputError."""
        return _video_decode.length(content, self._limits)

    def decode(self, content: bytes) -> np.ndarray:
        """Return the frames, uint8 (frames, height, width, 3), RGB, upright. Raises UnreadableInputError."""
        return _video_decode.decode(content, frames=self.frames, side=self.image.resize, limits=self._limits)

    def noise(self, seed: int) -> np.ndarray:
        """Return frames of random pixels, uint8 (frames, height, width, 3)."""
        return np.stack([self.image.noise(seed + number) for number in range(self.frames)])

    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0, uint8 (frames, 3, height, width) or (3, height, width): each frame as a picture."""
        return self._shaped([self.image.fit(one) for one in decoded])

    def fit_light(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0 with each frame as Pillow makes it."""
        return self._shaped([self.image.fit_light(one) for one in decoded])

    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return a view, shaped as ``fit`` does; what ``seed`` decides is the same for all frames.

        Raises SettingError for an unknown name.
        """
        names = ",".join(self.check_augmentation(augmentation)) or "none"
        return self._shaped([self.image.augmented(one, names, seed) for one in decoded])

    def _shaped(self, frames: list[np.ndarray]) -> np.ndarray:
        return frames[0] if self.frames == 1 else np.stack(frames)

    def _frames(self, fitted: np.ndarray) -> np.ndarray:
        return fitted[None] if fitted.ndim == 3 else fitted

    @staticmethod
    def augmentations() -> Mapping[str, str]:
        """Return every name that an augmentation may consist of, presets first, each with one line of help."""
        return _augment_names.listed(PRESETS, _image_augment.NAMES)

    @staticmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name."""
        return _chosen(text)

    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return a view 0 as uint8 (3, 32, 32)."""
        return _video_features.miniature(self._frames(fitted))

    @staticmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return the 64-bit DCT hashes uint64 (n,) of miniatures, as those of images (Zauner 2010)."""
        return _image_features.perceptual_hashes(miniatures)

    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return colours and shapes, and what moves where, of a view 0, float32 (982 + 3 * frames,)."""
        return _video_features.simple_features(self._frames(fitted))

    def picture(self, content: bytes, side: int) -> bytes:
        """Return the middles of four frames, two beside two, as WebP with sides of ``side`` pixels at most.

        Raises UnreadableInputError.
        """
        count = min(self.frames, SHOWN)
        frames = _video_decode.decode(content, frames=count, side=side, limits=self._limits)
        high, wide = frames.shape[1:3]
        short = min(high, wide)
        top, left = (high - short) // 2, (wide - short) // 2
        middles = frames[:, top : top + short, left : left + short]
        return thumbnail(Picture.fromarray(sheet(middles)), side)

    def to_json(self) -> dict[str, Any]:
        """Return every setting, the modality and the version of the recipe."""
        return {"modality": self.modality, "recipe": RECIPE, **asdict(self), "image": self.image.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Video":
        """Return what ``to_json`` described. Raises ArtifactError for another modality or version of the recipe."""
        inner = data.get("image")
        if not isinstance(inner, Mapping):
            do = "Load it with the version of Graft that wrote it, or fit again"
            raise ArtifactError(must("The preprocessing of frames", "a mapping", repr(inner), do))
        plain = {key: value for key, value in inner.items() if key not in ("modality", "recipe")}
        Image.from_json(inner)
        return rebuilt(cls, {**data, "image": plain}, RECIPE)


@lru_cache(maxsize=64)
def _chosen(text: str) -> tuple[str, ...]:
    return _augment_names.chosen(text, PRESETS, _image_augment.NAMES, " for videos")


SUFFIXES = {
    ".mp4": "MP4 MOV", ".m4v": "MP4 MOV", ".mov": "MOV MP4", ".qt": "MOV", ".3gp": "MP4",
    ".webm": "WEBM", ".mkv": "MKV WEBM", ".avi": "AVI", ".wmv": "WMV", ".asf": "WMV",
    ".flv": "FLV", ".mpg": "MPEG MTS", ".mpeg": "MPEG MTS", ".mts": "MTS", ".m2ts": "MTS",
}  # fmt: skip


def findings(header: Header, source: str) -> tuple[Finding, ...]:
    """Return what is odd about a video; the message tells what Graft does with it."""
    told = Findings(source)
    note = told.note
    told.begin(header, "video", SUFFIXES)
    if header.fault is not None:
        return tuple(told.found)
    if header.turned:
        note("rotation_flag", "Its container says that it is turned or mirrored; it is turned upright.")
    if header.frames == 1:
        note("one_frame", "It has a single frame; that is shown all the time.", "warning")
    return tuple(told.found)
