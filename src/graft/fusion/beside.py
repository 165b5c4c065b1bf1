"""What stands beside the network's features of an input, each part weighed, as it was learned and as it is saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graft.errors import ArtifactError, must
from graft.fusion import columns
from graft.fusion.columns import KINDS, Column
from graft.fusion.names import Named
from graft.preprocess import Preprocess, descriptors
from graft.preprocess.descriptors import Learned
from graft.registry import build
from graft.types import Example, digest

DESCRIPTOR = "descriptor"
LEARNED = "beside.safetensors"
"""What descriptors learned of the training inputs, after an exported file's own name: arrays by ``descriptor.name``."""


@dataclass(frozen=True)
class Described:
    """A named descriptor with what it learned of the training inputs."""

    name: str
    learned: Learned = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data, but for the arrays that it learned."""
        return {"kind": DESCRIPTOR, "name": self.name}


@dataclass(frozen=True)
class Block:
    """One column or descriptor, and how much its features count beside the network's."""

    what: Column | Described
    width: int
    factor: float

    @property
    def name(self) -> str:
        """The name that the person gave."""
        return self.what.name

    @property
    def kind(self) -> str:
        """``numbers``, ``categories`` or ``descriptor``."""
        return str(self.what.to_json()["kind"])

    def encode(self, cells: Sequence[Mapping[str, str | None]], measures: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Return its features (n, width) float32. Raises UnreadableInputError for a cell that it cannot take."""
        return np.asarray(self.factor * _encoded(self.what, cells, measures), np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {**self.what.to_json(), "width": self.width, "factor": self.factor}


@dataclass(frozen=True)
class Beside:
    """Columns and descriptors, side by side."""

    blocks: tuple[Block, ...]

    @property
    def width(self) -> int:
        """The number of features."""
        return sum(one.width for one in self.blocks)

    @property
    def descriptors(self) -> tuple[str, ...]:
        """The descriptors whose measures are wanted."""
        return tuple(one.name for one in self.blocks if isinstance(one.what, Described))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose cells are wanted."""
        return tuple(one.name for one in self.blocks if not isinstance(one.what, Described))

    @classmethod
    def learn(
        cls,
        named: Named,
        cells: Sequence[Mapping[str, str | None]],
        measures: Mapping[str, Sequence[np.ndarray]],
        train: np.ndarray,
        *,
        length: float | None,
        seed: int,
    ) -> tuple["Beside", np.ndarray]:
        """Return what the training rows teach, and the features (n, width) float32 of all n rows.

        ``length`` is that of the network's features: the sum of their deviations in the training rows. All that is
        beside them gets the same length together, shared evenly, as kernels of equal trace are averaged (Gehler and
        Nowozin 2009, "On feature combination for multiclass object classification"). None leaves all as it is.
        Raises DataError for a column that cannot be used.
        """
        blocks: list[Block] = []
        found: list[np.ndarray] = []
        share = None if length is None else length / max(1, len(named.names))
        for what in _learned(named, cells, measures, train, seed):
            plain = _encoded(what, cells, measures)
            own = float(plain[train].std(axis=0, dtype=np.float64).sum())
            factor = 1.0 if share is None else share / own if own else 0.0
            block = Block(what, plain.shape[1], factor)
            blocks.append(block)
            found.append(np.asarray(block.factor * plain, np.float32))
        return cls(tuple(blocks)), np.hstack(found)

    def of(self, preprocess: Preprocess, example: Example, decoded: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        """Return the features (width,) float32 of one input. Raises UnreadableInputError."""
        made = {one: [descriptors.named(one).measure(preprocess, decoded, fitted)] for one in self.descriptors}
        return np.concatenate([one.encode([example.columns], made)[0] for one in self.blocks])

    def to_json(self) -> list[dict[str, Any]]:
        """Return all but the arrays as plain JSON data."""
        return [one.to_json() for one in self.blocks]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what its descriptors learned, by ``descriptor.name``."""
        return {
            f"{one.name}.{key}": value
            for one in self.blocks
            if isinstance(one.what, Described)
            for key, value in one.what.learned.items()
        }

    @property
    def fingerprint(self) -> str:
        """The sha-256 in hex of all that was learned."""
        arrays = [part for key, value in sorted(self.arrays().items()) for part in (key, value.tobytes())]
        return digest(repr(self.to_json()), *arrays)

    @classmethod
    def from_json(cls, told: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]) -> "Beside":
        """Return what ``to_json`` and ``arrays`` described. Raises ArtifactError, UnknownNameError, SettingError."""
        return cls(tuple(Block(_told(one, arrays), int(one["width"]), float(one["factor"])) for one in told))


def _told(told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Column | Described:
    plain = {key: value for key, value in told.items() if key not in ("kind", "width", "factor")}
    name, kind = str(told["name"]), told["kind"]
    if kind == DESCRIPTOR:
        descriptors.named(name)
        own = {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}
        return Described(name, own)
    if kind not in KINDS:
        wanted = f"one of {', '.join((*KINDS, DESCRIPTOR))}"
        raise ArtifactError(must("A feature beside the network's", wanted, repr(kind), "Install a newer graft-ml"))
    column: Column = build(KINDS[kind], plain, f"column {name!r}")
    return column


def _learned(
    named: Named,
    cells: Sequence[Mapping[str, str | None]],
    measures: Mapping[str, Sequence[np.ndarray]],
    train: np.ndarray,
    seed: int,
) -> list[Column | Described]:
    found: list[Column | Described] = [
        columns.learn(name, [row[name] for row in cells], train) for name in named.columns
    ]
    for name in named.descriptors:
        known = descriptors.named(name).learn([measures[name][row] for row in train], seed)
        found.append(Described(name, known))
    return found


def _encoded(
    what: Column | Described, cells: Sequence[Mapping[str, str | None]], measures: Mapping[str, Sequence[Any]]
) -> np.ndarray:
    if isinstance(what, Described):
        return descriptors.named(what.name).encode(measures[what.name], what.learned)
    return what.encode([row[what.name] for row in cells])
