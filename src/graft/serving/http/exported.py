"""An exported network as a server takes it: the ONNX file and what it says of itself; no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from graft.errors import ArtifactError, must
from graft.fusion import LEARNED, Beside
from graft.serving.http import onnx_head

KEY = "graft"
BESIDE = "beside"
FORMAT = 1
AGAIN = "Export the model again with `graft export`"
SAMPLES = 4
TOKENS = 30


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

    beside: int = 0
    """Width of the second input, ``beside``: columns and descriptors; 0 for most."""

    @property
    def varies(self) -> bool:
        """Whether inputs differ in length."""
        return None in self.shape

    def used(self, array: np.ndarray, used: np.ndarray) -> np.ndarray:
        """Return one input as short as the network takes it: its axes that are open as long as those ``used``."""
        ends = zip(self.shape, used.shape, strict=True)
        found: np.ndarray = array[*(slice(end if one is None else None) for one, end in ends)]
        return found

    def noise(self, count: int = SAMPLES) -> np.ndarray:
        """Return inputs drawn at random, (count, ...)."""
        rng = np.random.default_rng(0)
        # Of several axes that are open the last is the tokens; the one before it counts windows.
        several = self.shape[:2] == (None, None)
        shape = (count, *(2 if several and not place else one or 16 for place, one in enumerate(self.shape)))
        kind = np.dtype(self.dtype)
        if kind.kind == "f":
            return rng.normal(size=shape).astype(kind)
        # Of tokens only the first: a vocabulary may be small, and no other bounds are known here.
        return rng.integers(1, 256 if kind.itemsize == 1 else TOKENS, shape).astype(kind)


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
    named = {one.name: one for one in head.inputs}
    second = named.pop(BESIDE, None)
    if len(named) != 1:
        raise ArtifactError(must(str(file), "a model with one input of its own", f"{len(named)}", AGAIN))
    if "logits" not in head.outputs:
        raise ArtifactError(must(str(file), "a model with an output `logits`", ", ".join(head.outputs), AGAIN))
    (given,) = named.values()
    if given.dtype is None:
        raise ArtifactError(must(str(file), "a model of numbers", "another", AGAIN))
    names = ("logits", *(one for one in ("features",) if one in head.outputs))
    width = 0 if second is None else second.shape[-1] or 0
    return Exported(file, told, given.name, given.shape[1:], given.dtype, names, version, width)


def joined(exported: Exported) -> Beside | None:
    """Return what makes the second input; None where there is none. Raises ArtifactError where it does not fit."""
    if not exported.beside:
        return None
    learned = exported.file.with_name(f"{exported.file.stem}.{LEARNED}")
    wanted = (exported.told.get("files") or {}).get(LEARNED)
    do = f"{AGAIN}, and move its files together"
    try:
        content = learned.read_bytes() if wanted else b""
        if wanted and sha256(content).hexdigest() != wanted:
            raise ArtifactError(must(learned.name, "unchanged since it was written", "another sha-256", do))
        found = Beside.from_json(exported.told[BESIDE], load(content) if wanted else {})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(must(str(exported.file), "whole", f"no {learned.name} ({error})", do)) from None
    if found.width != exported.beside:
        raise ArtifactError(must("what stands beside the input", f"{exported.beside} wide", str(found.width), do))
    return found


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
