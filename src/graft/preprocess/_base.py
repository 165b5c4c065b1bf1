"""What every modality's preprocessing promises: bytes to array, exactly as the backbone's weights expect it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from graft.errors import ArtifactError, SettingError, must
from graft.registry import build
from graft.types import Alike, Finding


@dataclass(frozen=True)
class Facts:
    """What the first look at an input's bytes tells, without decoding all of it."""

    format: str
    """What the bytes are, such as ``JPEG``, whatever the file is called."""
    shape: tuple[int, ...]
    """Natural size: (height, width) in pixels for images, (samples, channels, samples a second) for recordings,
    (frames, height, width) for videos."""
    findings: tuple[Finding, ...] = ()
    """What is odd about it; a finding of severity ``error`` means that it is set aside."""


@dataclass(frozen=True, kw_only=True)
class Preprocess(ABC):
    """One modality's preprocessing: settings only, comparable, written into the artifact as JSON."""

    modality: ClassVar[str]
    in_place: ClassVar[bool] = False
    """Whether it reads large inputs piece by piece: it is then given a memory map of them, as if it were bytes."""
    together: ClassVar[bool] = False
    """Whether several inputs are fitted in less time by ``fit_all`` than one by one; decoded they must be small."""
    settles: ClassVar[bool] = False
    """Whether ``settled`` may change the shape, so that what a network makes of it is not known before."""
    spoilt: ClassVar[str] = ""
    """The augmentation that spoils an input on purpose, so that a model should notice; none: there is no such way."""
    alike: ClassVar[Alike] = Alike()
    """From when on two inputs are taken for near duplicates."""

    @classmethod
    def taking(cls, expected: "Preprocess") -> "Preprocess":
        """Return this modality's preprocessing for a network that takes what ``expected`` gives.

        Raises SettingError where inputs of this modality cannot be given that form.
        """
        if isinstance(expected, cls):
            return expected
        do = "Take one of `graft list backbones` that does"
        raise SettingError(must("backbone", f"one that takes {cls.modality}", f"one for {expected.modality}", do))

    def limited(self, **limits: int) -> Self:
        """Return it with those of the limits, such as ``max_pixels``, that it has."""
        own = {one.name for one in fields(self)}
        return replace(self, **{name: value for name, value in limits.items() if name in own})

    def chosen(self, settings: Mapping[str, Any]) -> Self:
        """Return it with the settings that a person gave. Raises SettingError that names all that are wrong."""
        listed = f"graft list preprocess --modality {self.modality} --settings"
        return build(type(self), settings, f"the preprocessing of {self.modality}", self, listed)

    def settled(self, shapes: Sequence[tuple[int, ...]]) -> "Preprocess":
        """Return it with what the inputs decide, given the natural shape of each; as a rule that is nothing."""
        return self

    def shortened(self, contents: Iterable[bytes]) -> Self:
        """Return it with no more padding than inputs of these bytes need; as a rule it has none."""
        return self

    def player(self, content: bytes) -> bytes | None:
        """Return a short MP3 by which a person hears the input in the report, or None where there is no sound.

        Raises UnreadableInputError.
        """
        return None

    @abstractmethod
    def inspect(self, content: bytes, source: str) -> Facts:
        """Look at the header of one input. Never raises for bad content: it returns findings."""

    @abstractmethod
    def decode(self, content: bytes) -> np.ndarray:
        """Return the decoded input before resizing to the backbone's size.

        Raises UnreadableInputError with one clear sentence.
        """

    def lasts(self, content: bytes) -> float:
        """Return how many seconds an input lasts; 0 where it has no duration. Raises UnreadableInputError."""
        return 0.0

    def parts(self, content: bytes) -> int:
        """Return how many times ``decode`` an input is: more than once where it is much longer than what it returns.

        A model answers for an input by the mean of its parts' logits. Raises UnreadableInputError.
        """
        return 1

    def part(self, content: bytes, number: int, count: int) -> np.ndarray:
        """Return one of ``count`` parts, shaped as ``decode`` does; of one, what ``decode`` returns.

        Raises UnreadableInputError.
        """
        return self.decode(content)

    @abstractmethod
    def noise(self, seed: int) -> np.ndarray:
        """Return an input drawn from ``seed``, shaped as ``decode`` does: for checks where no real one is at hand."""

    @abstractmethod
    def fit(self, decoded: np.ndarray) -> np.ndarray:
        """Return view 0, not augmented: the fixed-shape array that the backbone's prefix takes."""

    def fit_all(self, decoded: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Return what ``fit`` returns for each of several inputs."""
        return [self.fit(one) for one in decoded]

    def fit_light(self, decoded: np.ndarray) -> np.ndarray:
        """Return what ``fit`` does, but for roundings, without torch: for a server, which has none."""
        return self.fit(decoded)

    @abstractmethod
    def augmented(self, decoded: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
        """Return a randomly augmented view, decided by ``seed`` alone; same shape and dtype as ``fit``."""

    @staticmethod
    @abstractmethod
    def check_augmentation(text: str) -> tuple[str, ...]:
        """Return the changes that an augmentation names. Raises SettingError, nearest names suggested."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one preprocessed input, without the batch axis."""

    @property
    @abstractmethod
    def dtype(self) -> str:
        """NumPy name of the preprocessed array's dtype, such as ``uint8``."""

    @property
    def pooling(self) -> str:
        """How the vectors of several windows of an input become one: ``mean`` or ``max``."""
        return "mean"

    @property
    def stretches(self) -> bool:
        """Whether a network that takes this takes the same with another length of its first axis too."""
        return False

    @property
    def open_axes(self) -> int:
        """How many of an input's first axes end in padding, more in one input than in another: see ``used``."""
        return 0

    def used(self, fitted: np.ndarray) -> np.ndarray:
        """Return an input without the padding that ends its open axes: what a network has to see."""
        return fitted

    def stacked(self, fitted: Sequence[np.ndarray]) -> np.ndarray:
        """Return inputs as one array (n, ...), with no more padding than they need together."""
        most = np.max([self.used(one).shape for one in fitted], axis=0)
        return np.stack([one[*map(slice, most)] for one in fitted])

    @abstractmethod
    def miniature(self, fitted: np.ndarray) -> np.ndarray:
        """Return what the perceptual hash of a view 0 is made of: a small array, quickly made."""

    @staticmethod
    @abstractmethod
    def perceptual_hashes(miniatures: np.ndarray) -> np.ndarray:
        """Return uint64 (n,) of n miniatures: hashes that near-identical inputs share but for a few bits."""

    @abstractmethod
    def simple_features(self, fitted: np.ndarray) -> np.ndarray:
        """Return features without a network, float32 (features,), for the ladder's second rung."""

    @abstractmethod
    def picture(self, content: bytes, side: int) -> bytes | None:
        """Return a small WebP or JPEG of the input for the report, longest side ``side`` pixels; None for words.

        Raises UnreadableInputError.
        """

    def excerpt(self, content: bytes) -> str:
        """Return what a person may read of the input in the report; empty where it is no words."""
        return ""

    def pieces(self, content: bytes) -> tuple[tuple[str, bytes], ...]:
        """Return the parts that an input is read in: each as it is shown, and the input without it; none by default.

        From them the report tells which part an answer hangs on. Raises UnreadableInputError.
        """
        return ()

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return every setting as plain JSON data; part of the store's key and of the artifact."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Preprocess":
        """Return what ``to_json`` described."""


P = TypeVar("P", bound=Preprocess)


def rebuilt(cls: type[P], data: Mapping[str, Any], recipe: int) -> P:
    """Return the preprocessing that ``to_json`` of a modality described.

    Raises ArtifactError for another modality or version of the recipe, or settings that it does not have.
    """
    settings, name = dict(data), cls.modality
    do = "Load it with the version of Graft that wrote it, or fit again"
    if settings.pop("modality", None) != name or settings.pop("recipe", None) != recipe:
        got = f"modality {data.get('modality')!r}, recipe {data.get('recipe')!r}"
        wanted = f"{'an' if name[0] in 'aeiou' else 'a'} {name} recipe of version {recipe}"
        raise ArtifactError(must("The preprocessing", wanted, got, do))
    try:
        return build(cls, settings, f"preprocess {name}")
    except SettingError as error:
        raise ArtifactError(must("The preprocessing", "settings of this version", f"({error})", do)) from error
