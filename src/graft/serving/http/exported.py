"""An exported network as a server takes it: the ONNX file and what it says of itself; no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from graft.errors import ArtifactError, must

KEY = "graft"
FORMAT = 1
AGAIN = "Export the model again with `graft export`"
SAMPLES = 4


@dataclass(frozen=True)
class Exported:
    """One ONNX file, in memory."""

    content: bytes
    told: Mapping[str, Any]
    """The JSON that the exporter left in the file."""
    session: Any
    """The file in ONNX Runtime, float32: what other runtimes are compared with."""
    input: str
    shape: tuple[int | None, ...]
    """Of one input; None where any length will do."""
    dtype: str
    outputs: tuple[str, ...]
    """``logits``, and ``features`` where it has them."""

    @property
    def varies(self) -> bool:
        """Whether inputs differ in length."""
        return None in self.shape

    @cached_property
    def version(self) -> str:
        """The first sixteen digits of the hash of the file."""
        return sha256(self.content).hexdigest()[:16]

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the outputs for (n, ...) inputs, float32."""
        found: list[np.ndarray] = self.session.run(list(self.outputs), {self.input: inputs})
        return tuple(one.astype(np.float32, copy=False) for one in found)

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
    import onnxruntime

    try:
        content = file.read_bytes()
    except OSError as error:
        raise ArtifactError(must("The exported model", "a file that can be read", error.strerror, AGAIN)) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Waiting threads that turn in circles would take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # By name where the weights lie beside it, as they do from 2 GB on.
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises classes of its own
        raise ArtifactError(must(str(file), "an ONNX file that is whole", "something else", AGAIN)) from error
    told = _told(session.get_modelmeta().custom_metadata_map, file)
    inputs, outputs = session.get_inputs(), [one.name for one in session.get_outputs()]
    if len(inputs) != 1:
        do = "Ask it with `graft predict`; models with further features beside the network's are not served yet"
        raise ArtifactError(must(str(file), "a model with one input", f"{len(inputs)}", do))
    if "logits" not in outputs:
        raise ArtifactError(must(str(file), "a model with an output `logits`", ", ".join(outputs), AGAIN))
    shape = tuple(one if isinstance(one, int) else None for one in inputs[0].shape[1:])
    kinds = {"tensor(uint8)": "uint8", "tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(float)": "float32"}
    if inputs[0].type not in kinds:
        raise ArtifactError(must(str(file), "a model of numbers", inputs[0].type, AGAIN))
    names = ("logits", *(one for one in ("features",) if one in outputs))
    return Exported(content, told, session, inputs[0].name, shape, kinds[inputs[0].type], names)


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
