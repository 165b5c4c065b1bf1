"""What an exported file says of itself, so that it can be used without the model folder; plain JSON."""

from collections.abc import Mapping
from typing import Any

from graft.artifact import Assembled
from graft.artifact.manifest import seal
from graft.exporters._base import OUTPUTS
from graft.exporters._network import BESIDE, INPUT, Network

KEY = "graft"
"""Under which the JSON stands in a file's own metadata."""
FORMAT = 1


def metadata(model: Assembled, network: Network) -> dict[str, Any]:
    """Return what whoever runs the file has to know; ``docs/export.md`` tells of each key."""
    told = model.manifest
    preprocess = model.backbone.preprocess
    doubt: Mapping[str, Any] = told.get("doubt") or {}
    shape: list[int | None] = [*[None] * network.open_axes, *preprocess.shape[network.open_axes :]]
    inputs: list[dict[str, Any]] = [{"name": INPUT, "dtype": preprocess.dtype, "shape": shape}]
    if model.beside:
        inputs.append({"name": BESIDE, "dtype": "float32", "shape": [model.beside.width]})
    return {
        "format": FORMAT,
        "modality": told["modality"],
        "preprocess": told["preprocess"],
        "inputs": inputs,
        "outputs": list(OUTPUTS),
        "features": OUTPUTS[1],
        "beside": model.beside.to_json() if model.beside else [],
        "task": {**told["task"], "outputs": model.task.outputs},
        "temperature": told["temperature"],
        "doubt": doubt,
        "threshold": (doubt.get("abstain") or {}).get("threshold"),
        "backbone": told["backbone"]["name"],
        "fingerprint": seal(told)["checksum"],
    }
