"""The way of an export: written to one side, opened again, compared with the model, and only then put in its place."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from graft import exemplars
from graft.artifact import Assembled
from graft.doubt import kept as doubt_file
from graft.errors import ArtifactError, NotInstalledError, SettingError, must
from graft.exporters import _triton
from graft.exporters._base import Exporter
from graft.exporters._inputs import Sample, sample
from graft.exporters._metadata import metadata
from graft.exporters._network import Network, network
from graft.exporters._parity import Parity, compare
from graft.fusion import LEARNED
from graft.registry import Registry
from graft.types import Listener

REGISTRY: Registry[Exporter] = Registry("graft.exporters", "exporter", Exporter)
SILENT = Listener()
FORCE = "Take another --out, or give --force to replace it"


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    file: Path
    """The file of the network."""
    format: str
    """The exporter's name."""
    bytes: int
    """Its size."""
    parity: Parity
    """How near its answers are to the model's."""
    metadata: dict[str, Any]
    """What the file says of itself."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; the preprocessing is left in the file, since it may hold a tokenizer."""
        told = {name: value for name, value in self.metadata.items() if name != "preprocess"}
        return {
            "file": str(self.file),
            "format": self.format,
            "bytes": self.bytes,
            "parity": self.parity.to_json(),
            "metadata": told,
        }


def export(
    model: Assembled,
    out: str | Path,
    *,
    format: str = "onnx",
    triton: str | None = None,
    data: str | Path | None = None,
    force: bool = False,
    seed: int = 0,
    listener: Listener = SILENT,
) -> Exported:
    """Write the model as one file of another format and compare its answers with the model's.

    ``out`` is the file, or a folder that gets ``model`` with the format's ending; with ``triton``, the name of the
    model, it is a model repository of Triton. The comparison is made on inputs of ``data``, else of the training data
    where they can still be read, else on noise drawn from ``seed``. Nothing is left behind where the answers differ by
    more than the tolerance. ``force`` replaces what is there.
    Raises UnknownNameError, NotInstalledError, ArtifactError, SettingError where the format cannot hold the network.
    """
    exporter = REGISTRY.create(format)
    settings: dict[str, Any] = {"format": format, "data": data, "seed": seed, "listener": listener}
    if triton is None:
        return _exported(model, checked(Path(out), exporter, force=force), exporter, **settings)
    home = _triton.checked(Path(out), triton, exporter, force=force)
    checked(home, exporter, force=force)
    home.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{triton}-", dir=home.parent))
    try:
        file = work / _triton.VERSION / f"model{exporter.suffix}"
        found = _exported(model, file, exporter, **settings)
        _triton.write(work, triton, found.metadata)
        work.chmod(0o755)
        if home.exists():
            shutil.rmtree(home)
        work.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return replace(found, file=home / file.relative_to(work))


def _exported(
    model: Assembled,
    target: Path,
    exporter: Exporter,
    *,
    format: str,
    data: str | Path | None,
    seed: int,
    listener: Listener,
) -> Exported:
    """Write the file that was checked, and compare it."""
    if absent := exporter.missing():
        raise NotInstalledError(must(f"exporter {format}", "installed", "no package", f"pip install {absent}"))
    whole = network(model)
    inputs = sample(model, data, seed)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write_known(model, work / target.name)
        written, told = _written(exporter, format, model, whole, inputs, work / target.name, listener)
        parity = _compared(exporter, written, inputs, work / target.name, format)
        for file in sorted(work.iterdir()):
            file.chmod(0o644)
            file.replace(target.with_name(file.name))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Exported(target, format, target.stat().st_size, parity, told)


def checked(out: Path, exporter: Exporter, *, force: bool) -> Path:
    """Return the file that is to be written. Raises ArtifactError where there is one, or where it cannot be."""
    target = out if out.suffix == exporter.suffix else out / f"model{exporter.suffix}"
    if out.is_file() and target != out:
        wanted = f"a folder or a file ending in {exporter.suffix}"
        raise ArtifactError(must("--out", wanted, f"the file {out}", "Take another --out"))
    if target.is_dir():
        raise ArtifactError(must("--out", "a file", f"the folder {target}", "Take another --out"))
    if target.exists() and not force:
        raise ArtifactError(must("--out", "a new file", f"{target}, which exists", FORCE))
    parent = next(one for one in target.absolute().parents if one.exists())
    if not parent.is_dir():
        raise ArtifactError(must("--out", "inside a folder", f"the file {parent}", "Take another --out"))
    if not os.access(parent, os.W_OK):
        raise ArtifactError(must("--out", "in a folder that can be written", parent, "Take another --out"))
    return target


def _written(
    exporter: Exporter,
    format: str,
    model: Assembled,
    whole: Network,
    inputs: Sample,
    file: Path,
    listener: Listener,
) -> tuple[Network, dict[str, Any]]:
    """Write the file, with axes fixed that cannot be open; return what it holds and says of itself."""
    two = {name: np.concatenate([array, array])[:2] for name, array in inputs.arrays.items()}
    fault = ""
    for axes in range(whole.open_axes, -1, -1):
        one = replace(whole, open_axes=axes)
        told = {**metadata(model, one), "files": _beside(file)}
        try:
            exporter.write(one, two, file, json.dumps(told, ensure_ascii=False))
        except OSError:
            raise
        except Exception as error:  # torch raises many classes here
            fault = _first(error)
            continue
        if axes < whole.open_axes:
            listener.say("Inputs must be padded to their full length: the network could not be written for any length.")
        return one, told
    do = "Take another format of `graft list exporters`, or use the model folder itself"
    raise SettingError(must("The network", f"one that {format} can hold", f"{model.backbone.name} ({fault})", do))


def _write_known(model: Assembled, file: Path) -> None:
    """Write the model's doubts, descriptors and examples beside the file, under the file's own name."""
    learned = model.beside.arrays() if model.beside else {}
    if learned:
        save_file({name: np.ascontiguousarray(one) for name, one in learned.items()}, _named(file, LEARNED))
    if model.doubt is not None:
        doubt_file.write(file.parent, model.doubt).rename(_named(file, doubt_file.NAME))
    if model.exemplars is not None:
        exemplars.write(_named(file, exemplars.NAME), model.exemplars)


def _beside(file: Path) -> dict[str, str]:
    """Return the sha-256 of what lies beside the file, by what it is called in a model folder."""
    found = {name: _named(file, name) for name in (doubt_file.NAME, LEARNED, exemplars.NAME)}
    return {name: sha256(one.read_bytes()).hexdigest() for name, one in found.items() if one.exists()}


def _named(file: Path, name: str) -> Path:
    return file.with_name(f"{file.stem}.{name}")


def _first(error: BaseException) -> str:
    """Return what began a chain of errors, on one line: what torch says on top of it is about torch."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200].rstrip(".")


def _compared(exporter: Exporter, written: Network, inputs: Sample, file: Path, format: str) -> Parity:
    """Return how near the file's answers are. Raises ArtifactError where that is not near enough."""
    do = "Nothing was written; please report it with the model's graft.json"
    try:
        parity = compare(written, exporter.open(file), inputs.arrays, inputs.used, inputs.told)
    except RuntimeError as error:
        raise ArtifactError(must(f"The {format} file", "one that can be run", _first(error), do)) from error
    if not parity.good:
        wanted = f"within {parity.tolerance:g} of the model's answers"
        got = f"{max(parity.logits, parity.features):.2g} on {parity.n} inputs ({parity.inputs})"
        raise ArtifactError(must(f"The {format} file", wanted, got, do))
    return parity
