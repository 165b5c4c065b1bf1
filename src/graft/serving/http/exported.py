"""An exported network as a server takes it: the ONNX file and what it says of itself; no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np

from graft.errors import ArtifactError, must
from graft.serving.http import onnx_head

KEY = "graft"
FORMAT = 1
AGAIN = "Export the model again with `graft export`"
SAMPLES = 4


@dataclass(frozen=True)
class Exported:
    """One ONNX file."""

    file: Path
    told: Mapping[str, Any]
    """The JSON that the exporter left in the file."""
    input: str
    shape: tuple[int | None, ...]
    """Of one input; None where any length will do."""
    dtype: str
    outputs: tuple[str, ...]
    """``logits``, and ``features`` where it has them."""
    version: str
    """The first sixteen digits of the hash of the file."""

    @property
    def varies(self) -> bool:
        """Whether inputs differ in length."""
        return None in self.shape

    def noise(self, count: int = SAMPLES) -> np.ndarray:
        """Return inputs drawn at random, (count, ...)."""
        rng = np.random.default_rng(0)
        shape = (count, *(16 if one is None else one for one in self.shape))
        kind = np.dtype(self.dtype)
        if kind.kind == "f":
            return rng.normal(size=shape).astype(kind)
        return rng.integers(1, 256 if kind.itemsize == 1 else 100, shape).astype(kind)


def opened(file: Path) -> Exported:
    """Return the network of a file. Raises ArtifactError where it is none, changed, or not one of Graft's."""
    try:
        head = onnx_head.read(file)
        with file.open("rb") as stream:
            version = file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ArtifactError(must("The exported model", "a file that can be read", error.strerror, AGAIN)) from None
    except ValueError:
        raise ArtifactError(must(str(file), "an ONNX file that is whole", "something else", AGAIN)) from None
    told = _told(head.metadata, file)
    if len(head.inputs) != 1:
        do = "Ask it with `graft predict`, or fit without --with: columns and descriptors are in no request"
        raise ArtifactError(must(str(file), "a model with one input", f"{len(head.inputs)}", do))
    if "logits" not in head.outputs:
        raise ArtifactError(must(str(file), "a model with an output `logits`", ", ".join(head.outputs), AGAIN))
    (given,) = head.inputs
    if given.dtype is None:
        raise ArtifactError(must(str(file), "a model of numbers", "another", AGAIN))
    names = ("logits", *(one for one in ("features",) if one in head.outputs))
    return Exported(file, told, given.name, given.shape[1:], given.dtype, names, version)


def _told(found: Mapping[str, str], file: Path) -> Mapping[str, Any]:
    try:
        told: dict[str, Any] = json.loads(found[KEY])
        version = told["format"]
    except (KeyError, ValueError, TypeError):
        raise ArtifactError(must(str(file), "an ONNX file that `graft export` wrote", "another", AGAIN)) from None
    if not isinstance(version, int) or version > FORMAT:
        do = "Install a newer graft-ml"
        raise ArtifactError(must(str(file), f"of format {FORMAT} or older", f"format {version!r}", do))
    absent = [key for key in ("modality", "preprocess", "task", "temperature") if key not in told]
    if absent:
        raise ArtifactError(must(str(file), "complete", f"no {', '.join(absent)}", AGAIN))
    return told
