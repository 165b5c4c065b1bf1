"""A frozen prefix and all that its activations depend on: what names their shelf, and their keys on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graft.backbones import Backbone
from graft.features.keys import record_key
from graft.features.shelf import Shelf
from graft.features.store import Store
from graft.features.weights import normalisation
from graft.preprocess import Preprocess
from graft.runtimes import Choice

ROWS = {1: "by length", 2: "by windows and length"}
"""Which inputs run together, by how many of their axes are open: last bits may depend on it."""


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Everything that activations depend on, the inputs apart."""

    backbone: Backbone
    cut: int
    preprocess: Preprocess
    augmentation: str
    seed: int
    store: Store
    device: str
    runtime: str

    @property
    def folder(self) -> Path:
        """Where this prefix's compiled forms and choices lie."""
        weights = self.backbone.weights.sha256[:16]
        return self.store.compiled(f"{self.backbone.name.replace('/', '-')}-{weights}-cut{self.cut}")

    @property
    def dtype(self) -> str:
        """Return the dtype that activations are stored in.

        Vectors are small: float32. Maps and tokens are large: float16, unless a value has overflowed it once. Measured
        on EfficientNet-Lite0 before its sixth block, float16 is off by 2e-4 of the length, bfloat16 by 2e-3, and a
        network computing in bfloat16 by 6e-2.
        """
        if not self.cut:
            return self.preprocess.dtype
        small = len(self.backbone.shape(self.cut)) == 1
        return "float32" if small or (self.folder / "float32").exists() else "float16"

    def keep_float32(self) -> None:
        """Remember that this prefix's activations do not fit into float16."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "float32").touch()

    def notes(self) -> tuple[str, ...]:
        """Return what the person should know of how activations are stored."""
        if self.cut and (self.folder / "float32").exists():
            return ("Activations are stored in float32, since some are too large for float16.",)
        return ()

    def spec(self, choice: Choice | None) -> dict[str, Any]:
        """Return the shelf's specification: whatever changes a value must be in it, or in the record's key."""
        backbone = self.backbone
        network: dict[str, Any] = {}
        if self.cut:
            network = {
                "backbone": backbone.name,
                "weights": backbone.weights.sha256,
                "normalise": normalisation(backbone.normalise),
                "stages": [stage.name for stage in backbone.stages[: self.cut]],
                "runtime": choice.identity() if choice else None,
                **({"rows": ROWS[self.preprocess.open_axes]} if self.preprocess.open_axes else {}),
            }
        return {"kind": "activations", "preprocess": self.preprocess.to_json(), "cut": self.cut, **network}

    def shelf(self, choice: Choice | None) -> Shelf:
        """Open the shelf for what ``choice`` computes."""
        shape = self.backbone.shape(self.cut) if self.cut else self.preprocess.shape
        return self.store.shelf(self.spec(choice), shape, self.dtype)

    def keys(self, hashes: Sequence[str], counts: np.ndarray) -> np.ndarray:
        """Return the records' keys, uint8 (n, views, 32)."""
        most = int(counts.max(initial=1))
        keys = np.zeros((len(hashes), most, 32), np.uint8)
        # The changes that a name such as "photos" stands for, so that it can be given another meaning.
        changes = ",".join(self.preprocess.check_augmentation(self.augmentation)) if most > 1 else "none"
        for row, content in enumerate(hashes):
            keys[row, 0] = record_key(content, augmentation="none", view=0, seed=0)
            for view in range(1, counts[row]):
                keys[row, view] = record_key(content, augmentation=changes, view=view, seed=self.seed)
        return keys
