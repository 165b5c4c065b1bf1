"""What every way of compressing promises: a model and its training data in, a smaller model out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from graft.artifact import Assembled
from graft.errors import SettingError, must
from graft.types import Progress, silent


class Activations(Protocol):
    """Stored activations of n inputs at one cut, V views each."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, views, *activation)."""

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the activations (len(rows), *activation)."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a method is given; values only, and nothing of the test part."""

    model: Assembled
    """Frozen, in float32; not to be changed."""
    train: np.ndarray
    """Row numbers of training inputs."""
    validation: np.ndarray
    """Row numbers of validation inputs."""
    targets: np.ndarray
    """Of all rows."""
    inputs: Callable[[np.ndarray], list[np.ndarray]]
    """``inputs(rows)``: preprocessed inputs, without the padding of those that vary in length."""
    logits: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """``logits(features, rows)``: what the head makes of the network's features (n, ...), (n, outputs) float32."""
    activations: Callable[[int], Activations]
    """``activations(cut)``: from the store, computed where it lacks them; of training and validation rows."""
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """What a method made."""

    model: Assembled
    """New; its manifest says how it is stored, and is not sealed yet."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What was done, as plain JSON data: layers left in float, channels removed."""
    notes: tuple[str, ...] = ()
    """Sentences for the person."""


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """One way of compressing."""

    exact: ClassVar[bool] = False
    """Whether answers stay the same up to rounding, so that what was learned of the features stays true."""

    @classmethod
    def missing(cls) -> str | None:
        """Return what must be installed before it can work, or None."""
        return None

    def check(self, model: Assembled) -> None:
        """Raise SettingError where it cannot work on a model, such as one that it already made."""
        name = type(self).__module__.rpartition(".")[2]
        done = [one["method"] for one in model.manifest.get("steps", ()) if one["step"] == "compress"]
        if model.network is not None:
            do = "Compress the model that it was made of, and take int8 last"
            raise SettingError(must("the model", "in float to be compressed further", "one in 8 bits", do))
        if name in done:
            do = "Compress the model that it was made of, with other settings, or take another method"
            raise SettingError(must("the model", f"one that {name} has not made", f"steps {', '.join(done)}", do))

    @abstractmethod
    def apply(self, material: Material) -> Compressed:
        """Return the compressed model; ``check`` has passed. Raises SettingError, DivergenceError, RuntimeError."""


def batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Return row numbers in batches of at most ``size``."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
