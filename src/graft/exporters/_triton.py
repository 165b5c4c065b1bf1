"""Triton's model repository: one folder a model, with its configuration and one folder a version."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graft.errors import ArtifactError, SettingError, must
from graft.exporters._base import Exporter

VERSION = "1"
BATCH = 32
"""The most inputs that Triton joins."""
DELAY = 1000
"""Microseconds that Triton waits for more inputs: a small share of what one of them takes on a CPU."""
TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}
LABELS = "labels.txt"


def checked(repository: Path, name: str, exporter: Exporter, *, force: bool) -> Path:
    """Return the folder of a model of that name. Raises SettingError, or ArtifactError where there is one."""
    if not exporter.serves:
        do = "Leave --format out"
        raise SettingError(must("--format", "onnx in a repository of Triton", f"one in {exporter.suffix}", do))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        wanted = "a name of letters, digits, points, dashes and underscores"
        raise SettingError(must("--triton", wanted, repr(name), "Give such a name, as photos"))
    home = repository / name
    if repository.exists() and not repository.is_dir():
        raise ArtifactError(must("--out", "a folder", f"the file {repository}", "Take another --out"))
    if home.exists() and not (force and (home / "config.pbtxt").is_file()):
        do = "Take another name" if force else "Take another name, or give --force to replace the model"
        raise ArtifactError(must("--triton", "a name that is free", f"{home}, which exists", do))
    return home


def write(home: Path, name: str, told: Mapping[str, Any]) -> None:
    """Write the configuration of a model, and the names of its classes, beside its versions."""
    classes = told["task"]["classes"]
    (home / "config.pbtxt").write_text(config(name, told), "utf-8")
    if classes:
        # A name on two lines would move all after it.
        (home / LABELS).write_text("".join(f"{' '.join(one.split())}\n" for one in classes), "utf-8")


def config(name: str, told: Mapping[str, Any]) -> str:
    """Return config.pbtxt, as Triton's ``model_config.proto`` describes it, of what a file says of itself."""
    labels = f"\n    label_filename: {json.dumps(LABELS)}" if told["task"]["classes"] else ""
    inputs = [_tensor(one["name"], one["dtype"], one["shape"]) for one in told["inputs"]]
    outputs = [
        _tensor(told["outputs"][0], "float32", [told["task"]["outputs"]], labels),
        _tensor(told["features"], "float32", [None]),
    ]
    return (
        f'name: {json.dumps(name)}\nbackend: "onnxruntime"\nmax_batch_size: {BATCH}\n'
        f"input [{','.join(inputs)}\n]\noutput [{','.join(outputs)}\n]\n"
        f"dynamic_batching {{\n  max_queue_delay_microseconds: {DELAY}\n}}\n"
    )


def _tensor(name: str, dtype: str, shape: list[int | None], more: str = "") -> str:
    dims = ", ".join(str(-1 if one is None else one) for one in shape)
    return f"\n  {{\n    name: {json.dumps(name)}\n    data_type: {TYPES[dtype]}\n    dims: [ {dims} ]{more}\n  }}"
